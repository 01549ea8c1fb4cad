package eif

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// Read reads an image of version 4 for x86-64. Sections lie one behind the other without gaps, in an order that says one thing
// only: kernel, command line, then ramdisks, the metadata anywhere. Images with a signature are refused: their register 8 is
// not computed here. The parts share the memory of b.
func Read(b []byte) (*Image, error) {
	if len(b) < headerSize || len(b) > maxImage || string(b[:4]) != magic {
		return nil, fmt.Errorf("%w: no header", ErrImage)
	}
	n := int(binary.BigEndian.Uint16(b[countAt:]))
	if binary.BigEndian.Uint16(b[4:]) != version || n > maxSections {
		return nil, fmt.Errorf("%w: not of version %d, or too many sections", ErrImage, version)
	}
	if binary.BigEndian.Uint16(b[6:]) != 0 || !zero(b[24:26]) || !zero(b[sizesAt+8*maxSections:crcAt]) {
		return nil, fmt.Errorf("%w: for another processor, or reserved bits are set", ErrImage)
	}
	if crc32.Update(crc32.ChecksumIEEE(b[:crcAt]), crc32.IEEETable, b[headerSize:]) != binary.BigEndian.Uint32(b[crcAt:]) {
		return nil, fmt.Errorf("%w: checksum", ErrImage)
	}
	parts, err := sections(b, n)
	if err != nil {
		return nil, err
	}
	m := &Image{Memory: binary.BigEndian.Uint64(b[8:]), CPUs: binary.BigEndian.Uint64(b[16:])}
	if err := m.take(parts); err != nil {
		return nil, err
	}
	return m, nil
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// sections checks that header and section headers say the same, and that nothing is left over.
func sections(b []byte, n int) ([]part, error) {
	var out []part
	at := uint64(headerSize)
	for i := range maxSections {
		offset, size := binary.BigEndian.Uint64(b[offsetsAt+8*i:]), binary.BigEndian.Uint64(b[sizesAt+8*i:])
		if i >= n {
			if offset != 0 || size != 0 {
				return nil, fmt.Errorf("%w: more sections than it says", ErrImage)
			}
			continue
		}
		if offset != at || size > uint64(len(b)) || at+sectionHdr+size > uint64(len(b)) {
			return nil, fmt.Errorf("%w: section %d is not where it should be", ErrImage, i)
		}
		h := b[at : at+sectionHdr]
		if binary.BigEndian.Uint16(h[2:]) != 0 || binary.BigEndian.Uint64(h[4:]) != size {
			return nil, fmt.Errorf("%w: header of section %d", ErrImage, i)
		}
		out = append(out, part{binary.BigEndian.Uint16(h), b[at+sectionHdr : at+sectionHdr+size]})
		at += sectionHdr + size
	}
	if at != uint64(len(b)) {
		return nil, fmt.Errorf("%w: bytes follow", ErrImage)
	}
	return out, nil
}

// take sorts the sections into the image. Each kind comes when those before it have come.
func (m *Image) take(parts []part) error {
	described, cmdline := false, false
	for _, p := range parts {
		switch {
		case p.kind == kindKernel && m.Kernel == nil && !cmdline && len(m.Ramdisks) == 0:
			m.Kernel = p.data
		case p.kind == kindCmdline && m.Kernel != nil && !cmdline && len(m.Ramdisks) == 0:
			m.Cmdline, cmdline = string(p.data), true
		case p.kind == kindRamdisk && cmdline:
			m.Ramdisks = append(m.Ramdisks, p.data)
		case p.kind == kindMetadata && !described:
			if err := m.Metadata.read(p.data); err != nil {
				return err
			}
			described = true
		case p.kind == kindSignature:
			return fmt.Errorf("%w: it is signed, and register 8 is not computed here", ErrImage)
		default:
			return fmt.Errorf("%w: a section of kind %d where none can be", ErrImage, p.kind)
		}
	}
	if !described {
		return fmt.Errorf("%w: no metadata", ErrImage)
	}
	if err := m.valid(); err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	return nil
}

func (d *Metadata) read(b []byte) error {
	if len(b) > maxMetadata || !json.Valid(b) {
		return fmt.Errorf("%w: metadata", ErrImage)
	}
	if err := json.Unmarshal(b, d); err != nil {
		return fmt.Errorf("%w: metadata: %w", ErrImage, err)
	}
	return nil
}
