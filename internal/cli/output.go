package cli

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// writeWhole makes the file at path from what fill writes: all of it, on the disk, or nothing. It is written beside its
// place under another name, readable by its owner alone, and renamed at the end.
func writeWhole(path string, fill func(*os.File) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeThrough(path, fill)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".cordon-*.tmp")
	if err != nil {
		return fault.New(fault.LocalStorage, "can't write the output", "choose a place with -o that can be written", err)
	}
	defer os.Remove(f.Name())
	if err := fill(f); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fault.New(fault.LocalStorage, "can't write the output", "free some space on the disk", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fault.New(fault.LocalStorage, "can't write the output", "choose a place with -o that can be written", err)
	}
	syncFolder(dir)
	return nil
}

// writeThrough writes to what is there and is no file, such as /dev/stdout: a rename would put a file in its place.
func writeThrough(path string, fill func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fault.New(fault.LocalStorage, "can't write the output", "choose a place with -o that can be written", err)
	}
	if err := fill(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return fault.New(fault.LocalStorage, "can't write the output", "choose a place with -o that can be written", err)
	}
	return nil
}

// syncFolder makes the new name durable. Some systems can't sync folders; there the rename is as durable as it gets.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
