package vm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cordon-exchange/cordon/evidence/tpm/measured"
	"github.com/cordon-exchange/cordon/internal/images/cpio"
	"github.com/cordon-exchange/cordon/statement"
)

// kernelOf makes the header of a kernel of that release.
func kernelOf(release string) []byte {
	b := make([]byte, minimalImage)
	copy(b[bootMagicAt:], bootMagic)
	binary.LittleEndian.PutUint16(b[releaseAt:], 0x400-releaseBase)
	copy(b[0x400:], release)
	return b
}

func TestRead(t *testing.T) {
	program := []byte("program")
	initramfs, err := Initramfs(program)
	if err != nil {
		t.Fatal(err)
	}
	about, err := Read(kernelOf("6.1.0-test (builder) #1"), initramfs)
	if err != nil {
		t.Fatal(err)
	}
	if about.Kernel != "6.1.0-test" || about.Program != statement.Sum(program) || about.Build != measured.Build(sha256.Sum256(program)) {
		t.Errorf("%+v", about)
	}
	again, err := Initramfs(program)
	if err != nil || !bytes.Equal(again, initramfs) {
		t.Error("the same program gives another image")
	}
	other, err := Read(kernelOf("6.1.1-test (builder) #1"), initramfs)
	if err != nil || other.Image == about.Image || other.Build != about.Build {
		t.Errorf("another kernel: %+v, %v", other, err)
	}
}

// TestNothingBesideTheEnclave: an image with anything else in it is none.
func TestNothingBesideTheEnclave(t *testing.T) {
	good := kernelOf("6.1.0-test (builder) #1")
	with := func(change func([]cpio.File) []cpio.File) []byte {
		var b bytes.Buffer
		if err := cpio.Write(&b, change(files([]byte("program")))); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	same := func(f []cpio.File) []cpio.File { return f }
	if _, err := Read(good, with(same)); err != nil {
		t.Fatal(err)
	}
	writable := func(f []cpio.File) []cpio.File {
		for i := range f {
			if f[i].Name == "init" {
				f[i].Mode |= 0o222
			}
		}
		return f
	}
	for name, c := range map[string]struct{ kernel, initramfs []byte }{
		"a shell": {good, with(func(f []cpio.File) []cpio.File {
			return append(f, cpio.File{Name: "sh", Mode: 0o755, Data: []byte("shell")})
		})},
		"writable program": {good, with(writable)},
		"no program":       {good, with(func(f []cpio.File) []cpio.File { return f[:2] })},
		"trailing bytes":   {good, append(with(same), 0, 0, 0, 0)},
		"truncated":        {good, with(same)[:100]},
		"no kernel":        {nil, with(same)},
		"not a kernel":     {make([]byte, minimalImage), with(same)},
		"another magic":    {bytes.Replace(good, []byte(bootMagic), []byte("HdrX"), 1), with(same)},
		"no release":       {kernelOf(""), with(same)},
		"release unended":  {kernelOf(string(bytes.Repeat([]byte("x"), 200))), with(same)},
		"release beyond":   {kernelOf("6.1 x")[:minimalImage-1], with(same)},
	} {
		if a, err := Read(c.kernel, c.initramfs); !errors.Is(err, ErrImage) || a != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	initramfs, err := Initramfs([]byte("program"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kernelOf("6.1.0-test (b) #1"), initramfs)
	f.Fuzz(func(t *testing.T, kernel, initramfs []byte) {
		a, err := Read(kernel, initramfs)
		if (a == nil) == (err == nil) {
			t.Fatal("an image or an error")
		}
	})
}
