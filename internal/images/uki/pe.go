package uki

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// ErrImage is of bytes that are not a program of UEFI for x86-64 in the form that is read here.
var ErrImage = errors.New("uki: not such a program")

// Places in the headers (PE/COFF specification, PE32+).
const (
	dosSize     = 64
	lfanewAt    = 0x3c
	coffSize    = 4 + 20
	optionalMin = 112 + 5*8
	sectionSize = 40

	machineAMD64 = 0x8664
	magicPE32p   = 0x20b

	// In the optional header.
	dataSizeAt     = 8
	alignAt        = 32
	fileAlignAt    = 36
	imageSizeAt    = 56
	headersSizeAt  = 60
	checksumAt     = 64
	directoriesAt  = 108
	certificatesAt = 112 + 4*8
)

// program is a parsed PE image. Its bytes are not copied.
type program struct {
	b        []byte
	coff     int // where "PE\0\0" stands
	optional int
	table    int // where the section headers stand
	sections []header
}

type header struct {
	name          string
	virtual, size uint32 // address, and size in memory
	raw, rawSize  uint32 // place in the file, and size there
}

func (p *program) u16(at int) uint16 { return binary.LittleEndian.Uint16(p.b[at:]) }
func (p *program) u32(at int) uint32 { return binary.LittleEndian.Uint32(p.b[at:]) }

// headers is the size of everything before the first section, as the program says.
func (p *program) headers() int { return int(p.u32(p.optional + headersSizeAt)) }

func parse(b []byte) (*program, error) {
	p := &program{b: b}
	if len(b) < dosSize || len(b) > maxImage || string(b[:2]) != "MZ" {
		return nil, fmt.Errorf("%w: no header", ErrImage)
	}
	lfanew := p.u32(lfanewAt)
	if lfanew < dosSize || int64(lfanew)+coffSize+optionalMin > int64(len(b)) {
		return nil, fmt.Errorf("%w: header outside of the file", ErrImage)
	}
	p.coff = int(lfanew)
	p.optional = p.coff + coffSize
	size := int(p.u16(p.coff + 20))
	p.table = p.optional + size
	switch {
	case string(b[p.coff:p.optional-20]) != "PE\x00\x00" || p.u16(p.coff+4) != machineAMD64:
		return nil, fmt.Errorf("%w: for another processor", ErrImage)
	case size < optionalMin || p.table > len(b) || p.u16(p.optional) != magicPE32p || p.u32(p.optional+directoriesAt) < 5:
		return nil, fmt.Errorf("%w: optional header", ErrImage)
	case !powerOfTwo(p.u32(p.optional+alignAt)) || !powerOfTwo(p.u32(p.optional+fileAlignAt)):
		return nil, fmt.Errorf("%w: alignment", ErrImage)
	}
	return p, p.readSections()
}

func powerOfTwo(n uint32) bool { return n >= 16 && n <= 1<<16 && n&(n-1) == 0 }

// readSections reads the section headers. In the file, sections lie in their order, without overlap and behind the headers; a
// name stands once.
func (p *program) readSections() error {
	n := int(p.u16(p.coff + 6))
	end := p.table + n*sectionSize
	if n == 0 || n > maxSections || end > p.headers() || p.headers() > len(p.b) {
		return fmt.Errorf("%w: %d sections", ErrImage, n)
	}
	names := map[string]bool{}
	at, virtual := uint64(p.headers()), uint64(p.headers())
	for i := range n {
		h := p.b[p.table+i*sectionSize:]
		s := header{
			name: strings.TrimRight(string(h[:8]), "\x00"),
			size: binary.LittleEndian.Uint32(h[8:]), virtual: binary.LittleEndian.Uint32(h[12:]),
			rawSize: binary.LittleEndian.Uint32(h[16:]), raw: binary.LittleEndian.Uint32(h[20:]),
		}
		if names[s.name] || uint64(s.raw) < at || uint64(s.raw)+uint64(s.rawSize) > uint64(len(p.b)) || uint64(s.virtual) < virtual {
			return fmt.Errorf("%w: section %q", ErrImage, s.name)
		}
		names[s.name] = true
		at, virtual = uint64(s.raw)+uint64(s.rawSize), uint64(s.virtual)+uint64(s.size)
		p.sections = append(p.sections, s)
	}
	if virtual > maxImage {
		return fmt.Errorf("%w: %d bytes in memory", ErrImage, virtual)
	}
	return nil
}

// section is the contents of a section as it stands in memory; a tail that the file does not have would be zeros there, and is
// refused.
func (p *program) section(name string) ([]byte, error) {
	for _, s := range p.sections {
		if s.name != name {
			continue
		}
		if s.size > s.rawSize {
			return nil, fmt.Errorf("%w: section %q is cut", ErrImage, name)
		}
		return p.b[s.raw : s.raw+s.size], nil
	}
	return nil, nil
}
