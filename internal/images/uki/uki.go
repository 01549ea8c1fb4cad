package uki

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrParts is of parts that can't be an image.
var ErrParts = errors.New("uki: these parts can't be an image")

// Image is what an image is made of.
type Image struct {
	Kernel  []byte // required: a bzImage with an EFI stub
	Initrd  []byte // required
	Cmdline string // required
	Release string // required: contents of an os-release file, by which boot menus name the image
}

// Names of sections.
const (
	secKernel  = ".linux"
	secRelease = ".osrel"
	secCmdline = ".cmdline"
	secInitrd  = ".initrd"
)

// unknownParts are sections that the stub would act on and that no image here has.
var unknownParts = [...]string{".splash", ".dtb", ".pcrsig", ".pcrpkey", ".uname", ".ucode", ".hwids", ".dtbauto", ".profile", ".efifw"}

func (m *Image) valid() error {
	switch {
	case len(m.Kernel) == 0 || len(m.Initrd) == 0 || m.Release == "":
		return fmt.Errorf("%w: kernel, first root folder or release missing", ErrParts)
	case m.Cmdline == "" || len(m.Cmdline) > maxCmdline || strings.ContainsRune(m.Cmdline, 0):
		return fmt.Errorf("%w: command line", ErrParts)
	case len(m.Kernel)+len(m.Initrd)+len(m.Release) > maxImage/2:
		return fmt.Errorf("%w: too large", ErrParts)
	}
	return nil
}

// sections in the order in which they stand in the file.
func (m *Image) sections() []part {
	return []part{{secRelease, []byte(m.Release)}, {secCmdline, []byte(m.Cmdline)}, {secInitrd, m.Initrd}, {secKernel, m.Kernel}}
}

type part struct {
	name string
	data []byte
}

// Bytes puts the parts behind a stub. The same stub and parts give the same bytes.
func (m *Image) Bytes(stub []byte) ([]byte, error) {
	if err := m.valid(); err != nil {
		return nil, err
	}
	p, err := parse(stub)
	if err != nil {
		return nil, err
	}
	if err := p.plain(); err != nil {
		return nil, err
	}
	out := p.stripped()
	for _, s := range m.sections() {
		if err := out.add(s); err != nil {
			return nil, err
		}
	}
	binary.LittleEndian.PutUint32(out.b[out.optional+checksumAt:], 0)
	return out.b, nil
}

// stripped is a copy without the symbols that stand behind the last section: firmware hashes what follows sections in its own way.
func (p *program) stripped() *program {
	last := p.sections[len(p.sections)-1]
	out := *p
	out.b, out.sections = bytes.Clone(p.b[:last.raw+last.rawSize]), slices.Clone(p.sections)
	clear(out.b[p.coff+12 : p.coff+20]) // where symbols are, and how many
	return &out
}

// plain checks that a stub is not signed, since a signature would not fit any more, and has no parts yet.
func (p *program) plain() error {
	if p.u32(p.optional+certificatesAt) != 0 || p.u32(p.optional+certificatesAt+4) != 0 {
		return fmt.Errorf("%w: the stub is signed", ErrParts)
	}
	for _, s := range p.sections {
		if strings.HasPrefix(s.name, "/") {
			return fmt.Errorf("%w: the stub has a section whose name stands among its symbols", ErrParts)
		}
		for _, name := range append(unknownParts[:], secKernel, secRelease, secCmdline, secInitrd) {
			if s.name == name {
				return fmt.Errorf("%w: the stub has a section %q", ErrParts, name)
			}
		}
	}
	return nil
}

// Characteristics of a section that is data and only read.
const dataOnly = 0x40000040

func (p *program) add(s part) error {
	at := p.table + len(p.sections)*sectionSize
	if at+sectionSize > p.headers() {
		return fmt.Errorf("%w: the stub has no room for another section", ErrParts)
	}
	last := p.sections[len(p.sections)-1]
	fileAlign, align := p.u32(p.optional+fileAlignAt), max(p.u32(p.optional+alignAt), 4096)
	p.b = append(p.b, make([]byte, up(uint32(len(p.b)), fileAlign)-uint32(len(p.b)))...)
	h := header{name: s.name, virtual: up(last.virtual+last.size, align), size: uint32(len(s.data)), raw: uint32(len(p.b))}
	p.b = append(p.b, s.data...)
	p.b = append(p.b, make([]byte, up(uint32(len(p.b)), fileAlign)-uint32(len(p.b)))...)
	h.rawSize = uint32(len(p.b)) - h.raw
	p.put(at, h)
	p.sections = append(p.sections, h)
	binary.LittleEndian.PutUint16(p.b[p.coff+6:], uint16(len(p.sections)))
	binary.LittleEndian.PutUint32(p.b[p.optional+imageSizeAt:], up(h.virtual+h.size, align))
	binary.LittleEndian.PutUint32(p.b[p.optional+dataSizeAt:], p.u32(p.optional+dataSizeAt)+h.rawSize)
	return nil
}

func (p *program) put(at int, h header) {
	clear(p.b[at : at+sectionSize])
	copy(p.b[at:at+8], h.name)
	for i, v := range []uint32{h.size, h.virtual, h.rawSize, h.raw} {
		binary.LittleEndian.PutUint32(p.b[at+8+4*i:], v)
	}
	binary.LittleEndian.PutUint32(p.b[at+36:], dataOnly)
}

func up(n, align uint32) uint32 { return (n + align - 1) / align * align }

// Read reads the parts of an image. Parts that this package does not write, and that a stub would act on, are refused. The
// parts share the memory of b.
func Read(b []byte) (*Image, error) {
	p, err := parse(b)
	if err != nil {
		return nil, err
	}
	for _, name := range unknownParts {
		if s, err := p.section(name); err != nil || s != nil {
			return nil, fmt.Errorf("%w: it has a section %q", ErrImage, name)
		}
	}
	m := &Image{}
	var cmdline, release []byte
	for name, to := range map[string]*[]byte{secKernel: &m.Kernel, secInitrd: &m.Initrd, secCmdline: &cmdline, secRelease: &release} {
		if *to, err = p.section(name); err != nil {
			return nil, err
		}
	}
	m.Cmdline, m.Release = string(cmdline), string(release)
	if err := m.valid(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	return m, nil
}
