package snp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// ErrVCPU is of a virtual processor whose first state is not known.
var ErrVCPU = errors.New("snp: virtual processor")

// firstReset is where the first processor begins.
const firstReset = 0xFFFFFFF0

// vmsa is the state in which KVM and QEMU start a processor (AMD64 Architecture Programmer's Manual, volume 2, table B-4):
// real mode at the reset vector, with what KVM always sets.
func vmsa(reset uint32, features uint64, signature uint32) []byte {
	p := make([]byte, pageSize)
	for i, s := range []struct {
		selector, attributes uint16
		base                 uint32
	}{
		0: {0, 0x93, 0}, // ES
		1: {0xf000, 0x9b, reset & 0xffff0000},
		2: {0, 0x93, 0}, // SS
		3: {0, 0x93, 0}, 4: {0, 0x93, 0}, 5: {0, 0x93, 0},
		6: {}, 7: {0, 0x82, 0}, 8: {}, 9: {0, 0x8b, 0}, // GDTR, LDTR, IDTR, TR
	} {
		at := p[16*i:]
		binary.LittleEndian.PutUint16(at, s.selector)
		binary.LittleEndian.PutUint16(at[2:], s.attributes)
		binary.LittleEndian.PutUint32(at[4:], 0xffff)
		binary.LittleEndian.PutUint64(at[8:], uint64(s.base))
	}
	for at, v := range map[int]uint64{
		0x0d0: 0x1000,     // EFER: KVM sets SVME
		0x148: 0x40,       // CR4: KVM sets MCE
		0x158: 0x10,       // CR0
		0x160: 0x400,      // DR7
		0x168: 0xffff0ff0, // DR6
		0x170: 0x2,        // RFLAGS
		0x178: uint64(reset & 0xffff),
		0x268: 0x7040600070406,   // G_PAT
		0x310: uint64(signature), // RDX
		0x3b0: features,
		0x3e8: 1, // XCR0
	} {
		binary.LittleEndian.PutUint64(p[at:], v)
	}
	binary.LittleEndian.PutUint32(p[0x408:], 0x1f80) // MXCSR
	binary.LittleEndian.PutUint16(p[0x410:], 0x37f)  // x87 control word
	return p
}

// models of QEMU, as family, model and stepping.
func models() map[string][3]uint32 {
	return map[string][3]uint32{
		"EPYC": {23, 1, 2}, "EPYC-v4": {23, 1, 2},
		"EPYC-Rome":  {23, 49, 0},
		"EPYC-Milan": {25, 1, 1},
		"EPYC-Genoa": {25, 17, 0},
		"EPYC-Turin": {26, 0, 0},
	}
}

// Models names the virtual processors whose signature is known.
func Models() []string {
	var out []string
	for name := range models() {
		out = append(out, name)
	}
	sort.Strings(out)
	return slices.Clip(out)
}

// Signature is what CPUID 1 of a model of QEMU answers in EAX, which a processor finds in RDX when it starts.
func Signature(model string) (uint32, error) {
	m, ok := models()[model]
	if !ok {
		return 0, fmt.Errorf("%w: model %q is not one of %s", ErrVCPU, model, strings.Join(Models(), ", "))
	}
	family, number, stepping := m[0], m[1], m[2]
	return (family-15)<<20 | (number>>4)<<16 | 15<<8 | (number&15)<<4 | stepping, nil
}
