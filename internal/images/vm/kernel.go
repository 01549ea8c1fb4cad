package vm

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

// Kernel is the package that the kernel comes from: Debian's, for clouds, of the release that has virtio, TPM and Landlock built in, so
// that no module is loaded. A newer one is taken by naming it here, with its digest from Debian's signed index.
var Kernel = Package{
	Name:    "linux-image-6.12.117+deb12-cloud-amd64-unsigned",
	Version: "6.12.117-1~deb12u1",
	SHA256:  "670b2688bcf94c24693f7c7e1fc9776ff2e202ff15553a2614f79415d48a6607",
	Path:    "./boot/vmlinuz-6.12.117+deb12-cloud-amd64",
}

// Package is a Debian package, and the one file of it that is wanted.
type Package struct{ Name, Version, SHA256, Path string }

// Errors of getting a kernel.
var (
	ErrPackage  = errors.New("the kernel's package can't be had")
	ErrDigest   = errors.New("the kernel's package is not the pinned one")
	maxKernel   = int64(64 << 20)
	errNoKernel = errors.New("no kernel in the package")
)

// Fetch returns the path of the package in folder, downloaded by apt where it is not there already. It is not installed.
func (p Package) Fetch(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, p.SHA256+".deb")
	if _, err := os.Stat(path); err == nil {
		return path, p.check(path)
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
		return fmt.Errorf("%w: sha256 %s, want %s", ErrDigest, got, p.SHA256)
	}
	return nil
}

// Unpack reads the wanted file out of the package at path. Its scripts do not run, and nothing is written.
func (p Package) Unpack(ctx context.Context, path string) ([]byte, error) {
	if err := p.check(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPackage, err)
	}
	b, err := p.find(tar.NewReader(out))
	cancel() // the rest is not wanted
	_ = cmd.Wait()
	return b, err
}

func (p Package) find(r *tar.Reader) ([]byte, error) {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: %w", ErrPackage, errNoKernel)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPackage, err)
		}
		if h.Name != p.Path {
			continue
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxKernel {
			return nil, fmt.Errorf("%w: %w", ErrPackage, errNoKernel)
		}
		return io.ReadAll(r)
	}
}
