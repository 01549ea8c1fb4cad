package debian

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Errors of getting files.
var (
	ErrPackage = errors.New("a package can't be had")
	ErrDigest  = errors.New("a package is not the pinned one")
	ErrFile    = errors.New("a file is not in the package")
)

// Package is one version of a package, and the digest that Debian's signed index states for it.
type Package struct{ Name, Version, SHA256 string }

// Kernel is Debian's for clouds, of the release that has what guests of SEV-SNP and TDX need.
func Kernel() Package {
	return Package{"linux-image-6.12.117+deb12-cloud-amd64-unsigned", "6.12.117-1~deb12u1", "670b2688bcf94c24693f7c7e1fc9776ff2e202ff15553a2614f79415d48a6607"}
}

// Stub has the head of unified kernel images.
func Stub() Package {
	return Package{"systemd-boot-efi", "252.39-1~deb12u2", "8f2b81bdcfafc466882a0cae460272dbf10d8d97c6a3c1c6ea33038c155a2f5e"}
}

// Fetch returns the path of the package in a folder, downloaded by apt-get where it is not there already.
func (p Package) Fetch(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, p.SHA256+".deb")
	if _, err := os.Stat(path); err == nil {
		return path, p.check(path)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(folder, "download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(ctx, "apt-get", "download", "-q", p.Name+"="+p.Version)
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s %s: %w: %s", ErrPackage, p.Name, p.Version, err, out)
	}
	all, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(all) != 1 {
		return "", fmt.Errorf("%w: apt-get left %d files", ErrPackage, len(all))
	}
	if err := p.check(all[0]); err != nil {
		return "", err
	}
	return path, os.Rename(all[0], path)
}

func (p Package) check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("%w: %s has sha256 %s, want %s", ErrDigest, p.Name, got, p.SHA256)
	}
	return nil
}

// maxFile bounds a file of a package.
const maxFile = 128 << 20

// Files reads the named files out of the package at path: every one of them, or an error.
func (p Package) Files(ctx context.Context, path string, names ...string) (map[string][]byte, error) {
	if err := p.check(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", path)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPackage, err)
	}
	found, err := pick(tar.NewReader(pipe), names)
	cancel() // the rest is not wanted
	_ = cmd.Wait()
	return found, err
}

func pick(r *tar.Reader, names []string) (map[string][]byte, error) {
	wanted, found := map[string]bool{}, map[string][]byte{}
	for _, n := range names {
		wanted[n] = true
	}
	for len(found) < len(wanted) {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, missing(names, found)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPackage, err)
		}
		if !wanted[h.Name] {
			continue
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxFile || found[h.Name] != nil {
			return nil, fmt.Errorf("%w: %s is no file, too large, or there twice", ErrFile, h.Name)
		}
		if found[h.Name], err = io.ReadAll(r); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPackage, err)
		}
	}
	return found, nil
}

func missing(names []string, found map[string][]byte) error {
	for _, n := range names {
		if found[n] == nil {
			return fmt.Errorf("%w: %s", ErrFile, n)
		}
	}
	return nil
}
