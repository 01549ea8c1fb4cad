package home

import (
	"os"
	"path/filepath"
	"runtime"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// WriteFile puts b in a file that is either the old one or the new one, whole,
// whatever happens. When it returns, b is durable.
func WriteFile(path string, b []byte) error {
	if err := replace(path, b, true); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteCache is WriteFile for what may be lost: whole or not there, but not
// durable. Its folder is made where there is none.
func WriteCache(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Storage("can't make folder", err)
	}
	return replace(path, b, false)
}

func replace(path string, b []byte, sync bool) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return Storage("can't write", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err == nil && sync {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return Storage("can't write "+filepath.Base(path), err)
	}
	return nil
}

// SyncDir makes what was renamed into or removed from a folder durable. Windows has no such call: NTFS logs its metadata.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return Storage("can't sync folder", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return Storage("can't sync folder", err)
	}
	return nil
}

// MkdirAll makes a folder below the home, durably.
func MkdirAll(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return Storage("can't make folder", err)
	}
	return SyncDir(filepath.Dir(path))
}

// Storage is the error of a disk that does not do what it should.
func Storage(msg string, err error) error {
	return fault.New(fault.LocalStorage, msg, "check free space and permissions of the home folder", err)
}
