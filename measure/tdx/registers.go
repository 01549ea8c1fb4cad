package tdx

import (
	"crypto"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"unicode/utf16"

	"github.com/cordon-exchange/cordon/internal/images/uki"
)

// ErrBoot is of what can't be booted so that it is measured as computed.
var ErrBoot = errors.New("tdx: nothing to boot, or not as it can be measured")

// Register is an RTMR.
type Register [sha512.Size384]byte

// Firmware says where edk2 puts the word that names the root folder among the kernel's options.
type Firmware int

// Older firmware (2022.11 and 2025.02 were looked at) puts it behind the command line, newer (2026.08) before it.
const (
	WordBehind Firmware = iota + 1
	WordBefore
)

// Boot is what the guest boots.
type Boot struct {
	Kernel   []byte // required: a bzImage with an EFI stub, not signed
	Initrd   []byte // required: the first root folder
	Cmdline  string // required: without a NUL, in ASCII
	Firmware Firmware
}

// maxCmdline bounds a command line.
const maxCmdline = 4095

// Registers computes RTMR 1 and RTMR 2 (docs/spec/images.md, section 2.2).
func (b Boot) Registers() (one, two Register, err error) {
	options, err := b.Options()
	if err != nil {
		return Register{}, Register{}, err
	}
	kernel, err := uki.Authenticode(b.Kernel, crypto.SHA384)
	if err != nil {
		return Register{}, Register{}, fmt.Errorf("%w: %w", ErrBoot, err)
	}
	copy(one[:], kernelEvents(sha512.New384, kernel))
	copy(two[:], bootEvents(sha512.New384, options, b.Initrd))
	return one, two, nil
}

// Options are the kernel's, as firmware hands them over: UTF-16, with a NUL at the end.
func (b Boot) Options() ([]byte, error) {
	ascii := !strings.ContainsFunc(b.Cmdline, func(r rune) bool { return r < ' ' || r > '~' })
	if len(b.Initrd) == 0 || b.Cmdline == "" || len(b.Cmdline) > maxCmdline || !ascii {
		return nil, fmt.Errorf("%w: root folder or command line", ErrBoot)
	}
	const word = "initrd=initrd"
	var text string
	switch b.Firmware {
	case WordBehind:
		text = b.Cmdline + " " + word
	case WordBefore:
		text = word + " " + b.Cmdline
	default:
		return nil, fmt.Errorf("%w: which firmware", ErrBoot)
	}
	var out []byte
	for _, u := range append(utf16.Encode([]rune(text)), 0) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out, nil
}

// bootPath are the events that firmware extends after the kernel's: that it starts the kernel, a separator, that the kernel takes
// over, and that it could.
var bootPath = [...]string{
	"Calling EFI Application from Boot Option", "\x00\x00\x00\x00", "Exit Boot Services Invocation", "Exit Boot Services Returned with Success",
}

func kernelEvents(h func() hash.Hash, kernel []byte) []byte {
	r := extend(h, make([]byte, h().Size()), kernel)
	for _, e := range bootPath {
		r = extend(h, r, sum(h, []byte(e)))
	}
	return r
}

// bootEvents are those of the kernel's stub: its options, and the root folder.
func bootEvents(h func() hash.Hash, options, initrd []byte) []byte {
	return extend(h, extend(h, make([]byte, h().Size()), sum(h, options)), sum(h, initrd))
}

func extend(h func() hash.Hash, register, digest []byte) []byte { return sum(h, register, digest) }

func sum(h func() hash.Hash, parts ...[]byte) []byte {
	s := h()
	for _, p := range parts {
		s.Write(p)
	}
	return s.Sum(nil)
}
