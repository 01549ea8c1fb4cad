package snp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFirmware is of bytes that are not firmware with metadata for SEV-SNP.
var ErrFirmware = errors.New("snp: not firmware with SEV metadata")

// Firmware is an OVMF image, mapped so that it ends at 4 GiB, and what its metadata asks a host for.
type Firmware struct {
	image    []byte
	sections []section
	reset    uint32 // where processors after the first begin; 0: the firmware does not say
	hashes   uint32 // where the table of kernel hashes goes; 0: nowhere
}

type section struct {
	address, size, kind uint32
}

// Kinds of sections.
const (
	sectionMemory  = 1
	sectionSecrets = 2
	sectionCPUID   = 3
	sectionSVSM    = 4
	sectionHashes  = 0x10
)

// GUIDs as they stand in the table: the first three parts little-endian.
var (
	guidFooter   = [16]byte{0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d}
	guidReset    = [16]byte{0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e}
	guidHashes   = [16]byte{0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54}
	guidMetadata = [16]byte{0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc}
)

const (
	tableEnd    = 32 // before the end of the image
	entryHeader = 18 // size of an entry with its GUID
	fourGiB     = 1 << 32
)

// ReadFirmware reads the table at the end of an OVMF image and the metadata that it names. Without metadata there is no
// digest: the pages that a host adds are not known.
func ReadFirmware(image []byte) (*Firmware, error) {
	if len(image) == 0 || len(image) > maxFirmware || len(image)%pageSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrFirmware, len(image))
	}
	table, err := readTable(image)
	if err != nil {
		return nil, err
	}
	f := &Firmware{image: image}
	if f.reset, err = number(table[guidReset]); err != nil {
		return nil, err
	}
	if f.hashes, err = number(table[guidHashes]); err != nil {
		return nil, err
	}
	if f.sections, err = readMetadata(image, table[guidMetadata]); err != nil {
		return nil, err
	}
	return f, nil
}

// readTable walks the entries from the last to the first: the size of an entry, then its GUID, stand behind its data.
func readTable(image []byte) (map[[16]byte][]byte, error) {
	rest := image[:len(image)-tableEnd]
	size, guid := entry(rest)
	if guid != guidFooter || size < entryHeader || size > len(rest) {
		return nil, fmt.Errorf("%w: no table at its end", ErrFirmware)
	}
	rest = rest[len(rest)-size : len(rest)-entryHeader]
	table := map[[16]byte][]byte{}
	for len(rest) > 0 {
		if len(rest) < entryHeader {
			return nil, fmt.Errorf("%w: table cut", ErrFirmware)
		}
		size, guid := entry(rest)
		if size < entryHeader || size > len(rest) {
			return nil, fmt.Errorf("%w: size of an entry", ErrFirmware)
		}
		if _, twice := table[guid]; twice {
			return nil, fmt.Errorf("%w: an entry twice", ErrFirmware)
		}
		table[guid] = rest[len(rest)-size : len(rest)-entryHeader]
		rest = rest[:len(rest)-size]
	}
	return table, nil
}

func entry(b []byte) (size int, guid [16]byte) {
	b = b[len(b)-entryHeader:]
	return int(binary.LittleEndian.Uint16(b)), [16]byte(b[2:])
}

// number reads the first four bytes of an entry; an entry that is not there is 0.
func number(b []byte) (uint32, error) {
	if b == nil {
		return 0, nil
	}
	if len(b) < 4 {
		return 0, fmt.Errorf("%w: an entry is short", ErrFirmware)
	}
	return binary.LittleEndian.Uint32(b), nil
}

func readMetadata(image, where []byte) ([]section, error) {
	back, err := number(where)
	if err != nil {
		return nil, err
	}
	const header = 16
	if int64(back) < header || int64(back) > int64(len(image)) {
		return nil, fmt.Errorf("%w: no metadata", ErrFirmware)
	}
	b := image[len(image)-int(back):]
	size, version, n := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	if string(b[:4]) != "ASEV" || version != 1 || n == 0 || n > maxSections || size != header+12*n || int64(size) > int64(len(b)) {
		return nil, fmt.Errorf("%w: header of the metadata", ErrFirmware)
	}
	out := make([]section, n)
	for i := range out {
		d := b[header+12*i:]
		out[i] = section{binary.LittleEndian.Uint32(d), binary.LittleEndian.Uint32(d[4:]), binary.LittleEndian.Uint32(d[8:])}
		if err := out[i].valid(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s section) valid() error {
	if s.address%pageSize != 0 || s.size%pageSize != 0 || s.size == 0 || s.size > maxBlank || uint64(s.address)+uint64(s.size) > fourGiB {
		return fmt.Errorf("%w: a section of %d bytes at %#x", ErrFirmware, s.size, s.address)
	}
	switch s.kind {
	case sectionMemory, sectionSVSM:
	case sectionSecrets, sectionCPUID, sectionHashes:
		if s.size != pageSize {
			return fmt.Errorf("%w: a section of more than one page", ErrFirmware)
		}
	default:
		return fmt.Errorf("%w: a section of unknown kind %d", ErrFirmware, s.kind)
	}
	return nil
}
