package uki

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "ask pesign (Debian pesign) and systemd-measure (Debian systemd) and write what they answer")

// stub makes a program of two sections, with room for more.
func stub() []byte {
	b := make([]byte, 0x600)
	copy(b, "MZ")
	const coff = 0x80
	optional, table := coff+coffSize, coff+coffSize+240
	put16 := func(at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	put32(lfanewAt, coff)
	copy(b[coff:], "PE\x00\x00")
	put16(coff+4, machineAMD64)
	put16(coff+6, 2)
	put16(coff+20, 240)
	put16(coff+22, 0x206)
	put16(optional, magicPE32p)
	put32(optional+alignAt, 0x1000)
	put32(optional+fileAlignAt, 0x200)
	put32(optional+imageSizeAt, 0x3000)
	put32(optional+headersSizeAt, 0x400)
	put32(optional+checksumAt, 0x12345678)
	put16(optional+68, 10) // an application of EFI
	put32(optional+directoriesAt, 16)
	for i, name := range []string{".text", ".data"} {
		h := table + i*sectionSize
		copy(b[h:], name)
		put32(h+8, 0x80)
		put32(h+12, uint32(0x1000*(i+1)))
		put32(h+16, 0x100)
		put32(h+20, uint32(0x400+0x100*i))
	}
	for i := 0x400; i < len(b); i++ {
		b[i] = byte(i * 7)
	}
	put32(coff+12, uint32(len(b)))
	put32(coff+16, 1)
	return append(b, "symbols that nothing needs"...)
}

func sample() *Image {
	return &Image{
		Kernel: bytes.Repeat([]byte("kernel"), 1000), Initrd: bytes.Repeat([]byte("initrd"), 700),
		Cmdline: "panic=-1 quiet", Release: "ID=cordon\n",
	}
}

func build(t testing.TB) []byte {
	t.Helper()
	b, err := sample().Bytes(stub())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadsBack(t *testing.T) {
	b := build(t)
	if !bytes.Equal(b, build(t)) {
		t.Error("the same parts, other bytes")
	}
	m, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m, sample()) {
		t.Error("the parts changed")
	}
}

// TestSameAsOtherPrograms compares with what pesign and systemd-measure computed for the same image.
func TestSameAsOtherPrograms(t *testing.T) {
	b := build(t)
	r, err := sample().Register11()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"register-11": hex.EncodeToString(r[:])}
	sum, err := Authenticode(b, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	got["authenticode-sha256"] = hex.EncodeToString(sum)
	for name, value := range got {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(ask(t, name, b)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if value != strings.TrimSpace(string(want)) {
			t.Errorf("%s is %s, of the other program %s", name, value, want)
		}
	}
}

func ask(t *testing.T, name string, image []byte) string {
	t.Helper()
	dir := t.TempDir()
	m := sample()
	for n, b := range map[string][]byte{"image": image, "linux": m.Kernel, "initrd": m.Initrd, "cmdline": []byte(m.Cmdline), "osrel": []byte(m.Release)} {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("pesign", "-h", "-P", "-i", "image")
	if name == "register-11" {
		cmd = exec.Command("/usr/lib/systemd/systemd-measure", "calculate", "--bank=sha256", "--phase=", "--linux=linux", "--initrd=initrd",
			"--cmdline=cmdline", "--osrel=osrel")
	}
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, word := range strings.FieldsFunc(string(out), func(r rune) bool { return strings.ContainsRune(" =:\n", r) }) {
		if _, err := hex.DecodeString(word); err == nil && len(word) >= 64 {
			return word
		}
	}
	t.Fatalf("%s: no value in %q", name, out)
	return ""
}

// TestStubsSymbolsAreGone: what stood behind the stub's sections is in no image.
func TestStubsSymbolsAreGone(t *testing.T) {
	b := build(t)
	if bytes.Contains(b, []byte("symbols")) || binary.LittleEndian.Uint64(b[0x80+12:]) != 0 {
		t.Error("symbols are there")
	}
}

func TestPartsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		image func(*Image)
		stub  func([]byte)
	}{
		"no kernel":       {image: func(m *Image) { m.Kernel = nil }},
		"no initrd":       {image: func(m *Image) { m.Initrd = nil }},
		"no command line": {image: func(m *Image) { m.Cmdline = "" }},
		"a NUL in it":     {image: func(m *Image) { m.Cmdline = "a\x00" }},
		"no release":      {image: func(m *Image) { m.Release = "" }},
		"a signed stub":   {stub: func(b []byte) { b[0x80+coffSize+certificatesAt] = 1 }},
		"parts in it":     {stub: func(b []byte) { copy(b[0x80+coffSize+240:], ".linux\x00") }},
		"a long name":     {stub: func(b []byte) { copy(b[0x80+coffSize+240:], "/4\x00\x00\x00\x00") }},
		"a picture in it": {stub: func(b []byte) { copy(b[0x80+coffSize+240:], ".splash\x00") }},
		"no room":         {stub: func(b []byte) { binary.LittleEndian.PutUint32(b[0x80+coffSize+headersSizeAt:], 0x80+coffSize+240+80) }},
	} {
		t.Run(name, func(t *testing.T) {
			m, s := sample(), stub()
			if c.image != nil {
				c.image(m)
			}
			if c.stub != nil {
				c.stub(s)
			}
			if b, err := m.Bytes(s); !errors.Is(err, ErrParts) || b != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestImagesRefused(t *testing.T) {
	const coff = 0x80
	optional, table := coff+coffSize, coff+coffSize+240
	for name, change := range map[string]func([]byte) []byte{
		"nothing":               func([]byte) []byte { return nil },
		"no mark":               func(b []byte) []byte { b[0] = 'X'; return b },
		"header outside":        func(b []byte) []byte { b[lfanewAt+3] = 0x7f; return b },
		"no second mark":        func(b []byte) []byte { b[coff] = 'X'; return b },
		"another processor":     func(b []byte) []byte { b[coff+4]++; return b },
		"no sections":           func(b []byte) []byte { b[coff+6] = 0; return b },
		"many sections":         func(b []byte) []byte { b[coff+7] = 1; return b },
		"a short header":        func(b []byte) []byte { b[coff+20] = 8; return b },
		"32 bits":               func(b []byte) []byte { b[optional+1] = 1; return b },
		"odd alignment":         func(b []byte) []byte { b[optional+alignAt] = 3; return b },
		"odd alignment of file": func(b []byte) []byte { b[optional+fileAlignAt] = 3; return b },
		"few directories":       func(b []byte) []byte { b[optional+directoriesAt] = 4; return b },
		"headers too long":      func(b []byte) []byte { b[optional+headersSizeAt+3] = 1; return b },
		"a section twice":       func(b []byte) []byte { copy(b[table:], ".data"); return b },
		"sections overlap":      func(b []byte) []byte { b[table+sectionSize+20] = 0; b[table+sectionSize+21] = 4; return b },
		"overlap in memory":     func(b []byte) []byte { b[table+sectionSize+13] = 0x10; return b },
		"section outside":       func(b []byte) []byte { b[table+5*sectionSize+19] = 0x7f; return b },
		"a part is cut":         func(b []byte) []byte { b[table+2*sectionSize+9] = 0xf; return b },
		"a part is missing":     func(b []byte) []byte { copy(b[table+2*sectionSize:], ".other"); return b },
		"an unknown part":       func(b []byte) []byte { copy(b[table+2*sectionSize:], ".pcrsig"); return b },
		"cut":                   func(b []byte) []byte { return b[:len(b)-1] },
	} {
		t.Run(name, func(t *testing.T) {
			b := change(build(t))
			if m, err := Read(b); !errors.Is(err, ErrImage) || m != nil {
				t.Errorf("got %v, %v", m, err)
			}
		})
	}
}

// TestOtherParts: a part that the stub would act on stands in no image that is read, beside all that must be there.
func TestOtherParts(t *testing.T) {
	for _, name := range unknownParts {
		b := build(t)
		copy(b[0x80+coffSize+240+sectionSize:], name+"\x00\x00\x00\x00")
		if m, err := Read(b); !errors.Is(err, ErrImage) || m != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNotHashed(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"signed": func(b []byte) { b[0x80+coffSize+certificatesAt+4] = 8 },
		"a gap":  func(b []byte) { b[0x80+coffSize+240+16+1] = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			b := build(t)
			change(b)
			if sum, err := Authenticode(b, crypto.SHA256); !errors.Is(err, ErrImage) || sum != nil {
				t.Errorf("got %x, %v", sum, err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(build(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = Authenticode(b, crypto.SHA256)
		m, err := Read(b)
		if err != nil {
			return
		}
		again, err := m.Bytes(stub())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Read(again); err != nil || !reflect.DeepEqual(n, m) {
			t.Errorf("written again it has other parts: %v", err)
		}
	})
}
