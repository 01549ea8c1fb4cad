package enclavebuild

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

func sample() *Manifest {
	d := statement.Sum([]byte("x"))
	return &Manifest{
		Type: ManifestType, Program: File{ProgramName, d, 1}, SBOM: File{SBOMName, d, 2}, Source: Source{Commit: strings.Repeat("ab", 20)},
		Go: Go{"go1.26.8", "linux", "amd64", "runtimesecret"}, Compiler: "gcc 12", Linker: "ld 2", Recipe: Build{"CGO_ENABLED=1", "-trimpath"}, Filter: d,
	}
}

func TestManifest(t *testing.T) {
	b := must(sample().Encode())(t)
	if m, err := DecodeManifest(b); err != nil || *m != *sample() {
		t.Fatalf("%+v %v", m, err)
	}
	for name, spoil := range map[string]func(*Manifest){
		"type":      func(m *Manifest) { m.Type += "0" },
		"program":   func(m *Manifest) { m.Program.Name = "other" },
		"digest":    func(m *Manifest) { m.Program.Digest = "sha256:" },
		"bytes":     func(m *Manifest) { m.Program.Bytes = 0 },
		"sbom":      func(m *Manifest) { m.SBOM.Name = "../sbom" },
		"commit":    func(m *Manifest) { m.Source.Commit = "main" },
		"filter":    func(m *Manifest) { m.Filter = "" },
		"flags":     func(m *Manifest) { m.Recipe.Flags = "" },
		"version":   func(m *Manifest) { m.Go.Version = "" },
		"long word": func(m *Manifest) { m.Linker = strings.Repeat("x", maxWord+1) },
	} {
		m := sample()
		spoil(m)
		b := must(statement.Marshal(m))(t)
		if _, err := DecodeManifest(b); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := m.Encode(); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func FuzzManifest(f *testing.F) {
	b, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeManifest(b)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("another form: %v", err)
		}
	})
}

// TestRecipe: the environment pins what the go command would otherwise take from the caller's.
func TestRecipe(t *testing.T) {
	r := must(ReadRecipe("../.."))(t)
	mod := must(os.ReadFile("../../go.mod"))(t)
	version := regexp.MustCompile(`(?m)^go (.+)$`).FindSubmatch(mod)
	for _, want := range []string{"GOTOOLCHAIN=go" + string(version[1]) + " ", "GOEXPERIMENT=runtimesecret ", "GOFLAGS= ", "CGO_CFLAGS=", "CGO_LDFLAGS=", "GOAMD64=v1 "} {
		if !strings.Contains(r.Env, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	for _, want := range []string{"-trimpath", "-buildvcs=false", "-buildid=", `-extldflags "-static"`} {
		if !strings.Contains(r.Flags, want) {
			t.Errorf("the flags lack %s", want)
		}
	}
	tag := strings.TrimSpace(string(must(exec.Command("../../scripts/ipsecmb").Output())(t)))
	if !strings.Contains(r.Flags, " -tags netgo,osusergo,"+tag+" ") || strings.Contains(r.Flags, "`") {
		t.Errorf("the flags name no tags: %s", r.Flags)
	}
	if _, err := (Recipe{Flags: "-trimpath"}).Listing("x"); !errors.Is(err, ErrNotStatic) {
		t.Error("flags that do not link statically")
	}
	if _, err := ReadRecipe(t.TempDir()); err == nil {
		t.Error("no Makefile")
	}
}
