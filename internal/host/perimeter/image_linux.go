package perimeter

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Image is an enclave program in sealed memory, with its measurement. The file it was read from plays no part any
// more, so nothing can be swapped between measuring and executing. One Image serves many enclaves, from any goroutine.
type Image struct {
	file        *os.File
	measurement string
}

// imageSeals make the bytes final; F_SEAL_SEAL makes the seals final.
const imageSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// LoadImage reads the program at path once, seals the copy, and measures the sealed copy.
func LoadImage(path string) (*Image, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("perimeter: open enclave program: %w", err)
	}
	defer src.Close()
	file, err := execMemfd()
	if err != nil {
		return nil, err
	}
	img := &Image{file: file}
	if err := img.fill(src); err != nil {
		file.Close()
		return nil, err
	}
	return img, nil
}

func (i *Image) fill(src io.Reader) error {
	if _, err := io.Copy(i.file, src); err != nil {
		return fmt.Errorf("perimeter: copy enclave program: %w", err)
	}
	if _, err := unix.FcntlInt(i.file.Fd(), unix.F_ADD_SEALS, imageSeals); err != nil {
		return fmt.Errorf("perimeter: seal enclave program: %w", err)
	}
	// Hash after sealing: these are the bytes that execveat will run, not the ones that were meant to be.
	sum, err := hashFrom(i.file)
	if err != nil {
		return err
	}
	i.measurement = sum
	return checkStatic(i.file)
}

func hashFrom(f io.ReaderAt) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		return "", fmt.Errorf("perimeter: measure enclave program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// checkStatic refuses a program that asks for an interpreter: its loader and libraries would not be measured, and
// there is no file system from which to load them.
func checkStatic(f io.ReaderAt) error {
	prog, err := elf.NewFile(f)
	if err != nil {
		return ErrImage
	}
	for _, p := range prog.Progs {
		if p.Type == elf.PT_INTERP {
			return ErrImage
		}
	}
	return nil
}

// execMemfd makes an executable memory file. Kernels before 6.3 don't know MFD_EXEC and need no such flag.
func execMemfd() (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("cordon-enclave", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("cordon-enclave", flags)
	}
	if errors.Is(err, unix.EACCES) {
		return nil, missingMemfdExec(err)
	}
	if err != nil {
		return nil, fmt.Errorf("perimeter: memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), "enclave image"), nil
}

// Measurement is the SHA-256 of the program, in hex.
func (i *Image) Measurement() string { return i.measurement }

// Close gives the memory back. Enclaves that already run are not affected.
func (i *Image) Close() error { return i.file.Close() }
