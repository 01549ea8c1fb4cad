//go:build !windows

package cli

import (
	"encoding/binary"
	"encoding/json"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cordon-exchange/cordon/internal/images/eif"
	"github.com/cordon-exchange/cordon/internal/images/uki"
)

// writeGuest writes files of a guest: firmware.fd and, with the same metadata but no page for hashes, plain.fd; kernel, initrd;
// cordon.eif; stub.efi and cordon.efi.
func writeGuest(ts *testscript.TestScript, _ bool, _ []string) {
	for name, b := range map[string][]byte{
		"firmware.fd": testFirmware(true), "plain.fd": testFirmware(false), "kernel": []byte("kernel"), "initrd": []byte("initrd"),
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), b, 0o600))
	}
	m := eif.Image{
		Kernel: []byte("kernel"), Cmdline: "quiet", Ramdisks: [][]byte{[]byte("first"), []byte("second")},
		Metadata: eif.Metadata{DockerInfo: json.RawMessage("{}")},
	}
	b, err := m.Bytes()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("cordon.eif"), b, 0o600))
	u := uki.Image{Kernel: []byte("kernel"), Initrd: []byte("initrd"), Cmdline: "quiet", Release: "ID=cordon\n"}
	b, err = u.Bytes(testStub())
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("cordon.efi"), b, 0o600))
}

// testFirmware is a page of firmware: metadata of two sections, and the table that leads to it.
func testFirmware(hashes bool) []byte {
	le := binary.LittleEndian
	b := make([]byte, 4096)
	meta := b[len(b)-1024:]
	copy(meta, "ASEV")
	kind := uint32(1)
	if hashes {
		kind = 16
	}
	for i, v := range []uint32{40, 1, 2, 0x800000, 0x1000, 1, 0x810000, 0x1000, kind} {
		le.PutUint32(meta[4+4*i:], v)
	}
	var table []byte
	for _, e := range []struct {
		guid  string
		value uint32
	}{
		{"\x1f\x37\x55\x72\x3b\x3a\x04\x4b\x92\x7b\x1d\xa6\xef\xa8\xd4\x54", 0x810c00},
		{"\xde\x71\xf7\x00\x7e\x1a\xcb\x4f\x89\x0e\x68\xc7\x7e\x2f\xb4\x4e", 0x80b004},
		{"\x66\x65\x88\xdc\x4a\x98\x98\x47\xa7\x5e\x55\x85\xa7\xbf\x67\xcc", 1024},
	} {
		table = le.AppendUint16(le.AppendUint32(table, e.value), 22)
		table = append(table, e.guid...)
	}
	table = le.AppendUint16(table, uint16(len(table)+18))
	table = append(table, "\xde\x82\xb5\x96\xb2\x1f\xf7\x45\xba\xea\xa3\x66\xc5\x5a\x08\x2d"...)
	copy(b[len(b)-32-len(table):], table)
	return b
}

// testStub is a program of UEFI with one section.
func testStub() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0x600)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], 0x80)
	copy(b[0x80:], "PE\x00\x00\x64\x86\x01\x00")
	le.PutUint16(b[0x80+20:], 240)
	optional := b[0x80+24:]
	le.PutUint16(optional, 0x20b)
	for at, v := range map[int]uint32{32: 0x1000, 36: 0x200, 60: 0x400, 108: 16} {
		le.PutUint32(optional[at:], v)
	}
	section := optional[240:]
	copy(section, ".text")
	for i, v := range []uint32{0x100, 0x1000, 0x200, 0x400} {
		le.PutUint32(section[8+4*i:], v)
	}
	return b
}
