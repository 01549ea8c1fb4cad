package eif

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
)

func sample() *Image {
	return &Image{
		Kernel: []byte("kernel"), Cmdline: "reboot=k panic=30", Ramdisks: [][]byte{[]byte("first"), []byte("second"), []byte("third")},
		Metadata: Metadata{
			ImageName: "cordon", ImageVersion: "1",
			BuildMetadata: Build{BuildTime: "1970-01-01T00:00:00Z", BuildTool: "cordon", BuildToolVersion: "1", OperatingSystem: "Linux", KernelVersion: "6.12"},
			DockerInfo:    json.RawMessage(`{}`),
		},
		Memory: 1 << 30, CPUs: 2,
	}
}

func write(t testing.TB, m *Image) []byte {
	t.Helper()
	b, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadsBack(t *testing.T) {
	b := write(t, sample())
	if !bytes.Equal(b, write(t, sample())) {
		t.Error("the same parts, other bytes")
	}
	m, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m, sample()) {
		t.Errorf("got %+v", m)
	}
	if !bytes.Equal(write(t, m), b) {
		t.Error("written again it has other bytes")
	}
}

// TestRegistersOfOneRamdisk: the value that builders of one-ramdisk images publish for register 2, which covers no byte of
// theirs, and that such images have equal registers 0 and 1, as theirs have.
func TestRegistersOfOneRamdisk(t *testing.T) {
	m := sample()
	m.Ramdisks = m.Ramdisks[:1]
	p := m.PCRs()
	const published = "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a"
	if got := hex.EncodeToString(p[2][:]); got != published {
		t.Errorf("register 2 is %s", got)
	}
	if p[0] != p[1] {
		t.Error("registers 0 and 1 differ")
	}
}

// TestRegistersByHand does the published rule in the plainest way.
func TestRegistersByHand(t *testing.T) {
	rule := func(parts string) PCR {
		sum := sha512.Sum384([]byte(parts))
		return sha512.Sum384([]byte(strings.Repeat("\x00", 48) + string(sum[:])))
	}
	want := PCRs{rule("kernelreboot=k panic=30firstsecondthird"), rule("kernelreboot=k panic=30first"), rule("secondthird")}
	if got := sample().PCRs(); got != want {
		t.Errorf("got %x", got)
	}
}

func TestPartsRefused(t *testing.T) {
	for name, change := range map[string]func(*Image){
		"no kernel":         func(m *Image) { m.Kernel = nil },
		"no command line":   func(m *Image) { m.Cmdline = "" },
		"a NUL in it":       func(m *Image) { m.Cmdline = "a\x00b" },
		"a long one":        func(m *Image) { m.Cmdline = strings.Repeat("a", 4096) },
		"no ramdisk":        func(m *Image) { m.Ramdisks = nil },
		"an empty ramdisk":  func(m *Image) { m.Ramdisks[1] = nil },
		"too many ramdisks": func(m *Image) { m.Ramdisks = make([][]byte, 30) },
		"odd metadata":      func(m *Image) { m.Metadata.DockerInfo = json.RawMessage("{") },
	} {
		t.Run(name, func(t *testing.T) {
			m := sample()
			change(m)
			if b, err := m.Bytes(); !errors.Is(err, ErrParts) || b != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// resum puts the right checksum over changed bytes, so that another check must find the change.
func resum(b []byte) []byte {
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Update(crc32.ChecksumIEEE(b[:crcAt]), crc32.IEEETable, b[headerSize:]))
	return b
}

func TestImagesRefused(t *testing.T) {
	good := write(t, sample())
	kernel := headerSize
	cmdline := kernel + sectionHdr + len("kernel")
	meta := cmdline + sectionHdr + len("reboot=k panic=30")
	change := func(at int, c byte) []byte { b := bytes.Clone(good); b[at] = c; return resum(b) }
	for name, b := range map[string][]byte{
		"nothing":                     nil,
		"another magic":               change(0, 'x'),
		"another version":             change(5, 3),
		"another processor":           change(7, 1),
		"a reserved bit":              change(25, 1),
		"another reserved bit":        change(crcAt-1, 1),
		"a wrong checksum":            append(bytes.Clone(good[:len(good)-1]), 'x'),
		"fewer sections than it has":  change(countAt+1, 5),
		"more sections than it has":   change(countAt+1, 7),
		"too many sections":           change(countAt+1, 33),
		"a section elsewhere":         change(offsetsAt+7, 0xff),
		"a section of another size":   change(sizesAt+7, 5),
		"a header of another size":    change(kernel+11, 5),
		"flags of a section":          change(kernel+3, 1),
		"an unknown kind":             change(kernel+1, 9),
		"two kernels":                 change(cmdline+1, kindKernel),
		"two command lines":           change(meta+1, kindCmdline),
		"the command line first":      change(kernel+1, kindCmdline),
		"a ramdisk before the kernel": change(kernel+1, kindRamdisk),
		"a signature":                 change(meta+1, kindSignature),
		"no metadata":                 change(meta+1, kindRamdisk),
		"metadata that is not JSON":   change(meta+sectionHdr, 'x'),
		"bytes behind":                resum(append(bytes.Clone(good), 0)),
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := Read(b); !errors.Is(err, ErrImage) || m != nil {
				t.Errorf("got %v, %v", m, err)
			}
		})
	}
}

// TestSectionsTwice: all that must be there is there, and one thing twice.
func TestSectionsTwice(t *testing.T) {
	m := sample()
	m.Ramdisks[0] = []byte("{}")
	good := write(t, m)
	at := []int{headerSize}
	for i := range 5 {
		at = append(at, at[i]+sectionHdr+int(binary.BigEndian.Uint64(good[sizesAt+8*i:])))
	}
	for name, kinds := range map[string][6]byte{
		"kernel":       {kindKernel, kindKernel, kindCmdline, kindMetadata, kindRamdisk, kindRamdisk},
		"command line": {kindKernel, kindCmdline, kindCmdline, kindMetadata, kindRamdisk, kindRamdisk},
		"metadata":     {kindKernel, kindCmdline, kindMetadata, kindMetadata, kindRamdisk, kindRamdisk},
	} {
		b := bytes.Clone(good)
		for i, k := range kinds {
			b[at[i]+1] = k
		}
		if m, err := Read(resum(b)); !errors.Is(err, ErrImage) || m != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(write(f, sample()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= headerSize {
			b = resum(bytes.Clone(b))
		}
		m, err := Read(b)
		if err != nil {
			return
		}
		again, err := m.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Read(again); err != nil || n.PCRs() != m.PCRs() {
			t.Errorf("written again it measures otherwise: %v", err)
		}
	})
}
