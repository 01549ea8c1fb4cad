package uki

import (
	"crypto"
	"crypto/sha256"
	_ "crypto/sha512" // for crypto.SHA384
	"fmt"
)

// Register11 is what a TPM's SHA-256 register 11 holds once the stub has measured the parts: for each, in the stub's order, its
// name with a NUL and then its contents (docs/spec/images.md, section 4.2).
func (m *Image) Register11() ([sha256.Size]byte, error) {
	if err := m.valid(); err != nil {
		return [sha256.Size]byte{}, err
	}
	var r [sha256.Size]byte
	for _, p := range []part{{secKernel, m.Kernel}, {secRelease, []byte(m.Release)}, {secCmdline, []byte(m.Cmdline)}, {secInitrd, m.Initrd}} {
		for _, b := range [][]byte{append([]byte(p.name), 0), p.data} {
			sum := sha256.Sum256(b)
			r = sha256.Sum256(append(r[:], sum[:]...))
		}
	}
	return r, nil
}

// Authenticode is the hash of a program as firmware measures it before it starts it: without the checksum and without what a
// signature adds. Only programs that are not signed are hashed here.
func Authenticode(b []byte, h crypto.Hash) ([]byte, error) {
	p, err := parse(b)
	if err != nil {
		return nil, err
	}
	if p.u32(p.optional+certificatesAt) != 0 || p.u32(p.optional+certificatesAt+4) != 0 {
		return nil, fmt.Errorf("%w: it is signed", ErrImage)
	}
	sum := h.New()
	sum.Write(b[:p.optional+checksumAt])
	sum.Write(b[p.optional+checksumAt+4 : p.optional+certificatesAt])
	sum.Write(b[p.optional+certificatesAt+8 : p.headers()])
	end := p.headers()
	for _, s := range p.sections {
		if s.rawSize == 0 {
			continue
		}
		// Firmware finds what follows the sections by counting bytes, so that gaps between them would be hashed elsewhere.
		if int(s.raw) != end {
			return nil, fmt.Errorf("%w: a gap before section %q", ErrImage, s.name)
		}
		sum.Write(b[s.raw : s.raw+s.rawSize])
		end = int(s.raw + s.rawSize)
	}
	sum.Write(b[end:])
	return sum.Sum(nil), nil
}
