package eif

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// The format of version 4; all numbers are big-endian.
const (
	magic      = ".eif"
	version    = 4
	headerSize = 548
	crcAt      = headerSize - 4
	sectionHdr = 12
	countAt    = 26
	offsetsAt  = 28
	sizesAt    = offsetsAt + 8*maxSections
)

const (
	kindKernel = iota + 1
	kindCmdline
	kindRamdisk
	kindSignature
	kindMetadata
)

type part struct {
	kind uint16
	data []byte
}

func (m *Image) parts() ([]part, error) {
	if err := m.valid(); err != nil {
		return nil, err
	}
	meta, err := json.Marshal(m.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%w: metadata: %w", ErrParts, err)
	}
	if len(meta) > maxMetadata {
		return nil, fmt.Errorf("%w: metadata of %d bytes", ErrParts, len(meta))
	}
	out := []part{{kindKernel, m.Kernel}, {kindCmdline, []byte(m.Cmdline)}, {kindMetadata, meta}}
	for _, r := range m.Ramdisks {
		out = append(out, part{kindRamdisk, r})
	}
	return out, nil
}

// Bytes is the image as a file: header, then kernel, command line, metadata and ramdisks. The same parts give the same bytes.
func (m *Image) Bytes() ([]byte, error) {
	parts, err := m.parts()
	if err != nil {
		return nil, err
	}
	h := make([]byte, headerSize)
	copy(h, magic)
	binary.BigEndian.PutUint16(h[4:], version)
	binary.BigEndian.PutUint64(h[8:], m.Memory)
	binary.BigEndian.PutUint64(h[16:], m.CPUs)
	binary.BigEndian.PutUint16(h[countAt:], uint16(len(parts)))
	var body bytes.Buffer
	for i, p := range parts {
		binary.BigEndian.PutUint64(h[offsetsAt+8*i:], uint64(headerSize+body.Len()))
		binary.BigEndian.PutUint64(h[sizesAt+8*i:], uint64(len(p.data)))
		s := make([]byte, sectionHdr)
		binary.BigEndian.PutUint16(s, p.kind)
		binary.BigEndian.PutUint64(s[4:], uint64(len(p.data)))
		body.Write(s)
		body.Write(p.data)
	}
	sum := crc32.Update(crc32.ChecksumIEEE(h[:crcAt]), crc32.IEEETable, body.Bytes())
	binary.BigEndian.PutUint32(h[crcAt:], sum)
	return append(h, body.Bytes()...), nil
}
