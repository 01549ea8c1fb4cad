package enclavebuild

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

// ManifestType is the type of a manifest (docs/spec/enclave-manifest.md).
const ManifestType = "https://cordon-exchange.github.io/enclave-manifest/v1"

// Names of the files of a release.
const (
	ProgramName  = "cordon-enclave"
	ManifestName = "cordon-enclave.manifest.json"
	SBOMName     = "cordon-enclave.cdx.json"
)

// ErrManifest is of bytes that are no manifest.
var ErrManifest = errors.New("enclavebuild: not a manifest of an enclave's build")

// Manifest says what one program was built from, and how.
type Manifest struct {
	Type    string `json:"type"`
	Program File   `json:"program"`
	SBOM    File   `json:"sbom"`
	Source  Source `json:"source"`
	Go      Go     `json:"go"`
	// Compiler and Linker of the C side, as they name themselves.
	Compiler string `json:"compiler"`
	Linker   string `json:"linker"`
	Recipe   Build  `json:"recipe"`
	// Filter is the digest of the system call filter that the program puts itself under.
	Filter statement.Digest `json:"filter"`
}

// File of a release, in the manifest's folder.
type File struct {
	Name   string           `json:"name"`
	Digest statement.Digest `json:"digest"`
	Bytes  int64            `json:"bytes"`
}

// Source is the commit that was checked out. Modified says that files differed from it: such a build is nobody's release.
type Source struct {
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
}

// Go is what the Go tool chain wrote into the program.
type Go struct {
	Version    string `json:"version"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Experiment string `json:"experiment"`
}

// Build is the recipe: the environment and the flags of go build.
type Build struct {
	Environment string `json:"environment"`
	Flags       string `json:"flags"`
}

var commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)

// DecodeManifest is strict: one form for each manifest.
func DecodeManifest(b []byte) (*Manifest, error) {
	var m Manifest
	if err := statement.UnmarshalUpTo(b, maxManifest, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if err := m.valid(); err != nil {
		return nil, err
	}
	return &m, nil
}

const (
	maxManifest = 64 << 10
	maxWord     = 4096
)

func (m *Manifest) valid() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrManifest, what) }
	switch {
	case m.Type != ManifestType:
		return bad("type")
	case m.Program.Name != ProgramName || !m.Program.valid():
		return bad("program")
	case m.SBOM.Name != SBOMName || !m.SBOM.valid():
		return bad("sbom")
	case !commitForm.MatchString(m.Source.Commit):
		return bad("source")
	case !m.Filter.Valid():
		return bad("filter")
	}
	for _, word := range []string{m.Go.Version, m.Go.OS, m.Go.Arch, m.Compiler, m.Linker, m.Recipe.Environment, m.Recipe.Flags} {
		if word == "" || len(word) > maxWord {
			return bad("a field that is empty or too long")
		}
	}
	if len(m.Go.Experiment) > maxWord {
		return bad("experiment")
	}
	return nil
}

func (f File) valid() bool { return f.Digest.Valid() && f.Bytes > 0 && f.Bytes < 1<<53 }

// Encode gives the one form of a manifest.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.valid(); err != nil {
		return nil, err
	}
	return statement.Marshal(m)
}

// fileOf measures a file.
func fileOf(name, path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return File{Name: name, Digest: statement.Digest("sha256:" + hex.EncodeToString(h.Sum(nil))), Bytes: n}, err
}

// goOf reads what the Go tool chain wrote into a program.
func goOf(info *buildinfo.BuildInfo) Go {
	g := Go{}
	g.Version, _, _ = strings.Cut(info.GoVersion, "-X:") // experiments follow, which the settings name
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS":
			g.OS = s.Value
		case "GOARCH":
			g.Arch = s.Value
		case "GOEXPERIMENT":
			g.Experiment = s.Value
		}
	}
	return g
}
