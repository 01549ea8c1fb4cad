package cpio

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// ErrArchive is of bytes that Write did not write.
var ErrArchive = errors.New("not an archive in the one form that is written here")

// Read reads an archive that Write wrote and refuses every other: owners, times, order, padding and spelling of numbers
// are all as Write makes them. The files share the memory of b.
func Read(b []byte) ([]File, error) {
	var files []File
	rest := b
	for {
		f, n, err := readOne(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
		if f.Name == trailer {
			break
		}
		if files = append(files, f); len(files) > maxFiles {
			return nil, fmt.Errorf("%w: more than %d files", ErrArchive, maxFiles)
		}
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow", ErrArchive, len(rest))
	}
	return files, sameAgain(files, b)
}

// sameAgain is where everything that readOne passes over is checked: written again, the files give the same bytes.
func sameAgain(files []File, b []byte) error {
	var again bytes.Buffer
	if err := Write(&again, files); err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	if !bytes.Equal(again.Bytes(), b) {
		return fmt.Errorf("%w: written again it has other bytes", ErrArchive)
	}
	return nil
}

func readOne(b []byte) (File, int, error) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return File{}, 0, fmt.Errorf("%w: no header", ErrArchive)
	}
	var v [13]uint32
	for i := range v {
		at := len(magic) + 8*i
		n, err := strconv.ParseUint(string(b[at:at+8]), 16, 32)
		if err != nil {
			return File{}, 0, fmt.Errorf("%w: a number", ErrArchive)
		}
		v[i] = uint32(n)
	}
	if v[11] < 2 || v[11] > maxName+1 || v[6] > maxData {
		return File{}, 0, fmt.Errorf("%w: a length", ErrArchive)
	}
	nameEnd := headerSize + int(v[11])
	start := nameEnd + pad(nameEnd)
	end := start + int(v[6])
	if end+pad(int(v[6])) > len(b) {
		return File{}, 0, fmt.Errorf("%w: cut short", ErrArchive)
	}
	f := File{Name: string(b[headerSize : nameEnd-1]), Mode: mode(v[1]), Data: b[start:end], Major: v[9], Minor: v[10]}
	return f, end + pad(int(v[6])), nil
}

func mode(v uint32) fs.FileMode {
	m := fs.FileMode(v).Perm()
	switch v &^ 0o777 {
	case kindRegular:
		return m
	case kindDir:
		return m | fs.ModeDir
	case kindLink:
		return m | fs.ModeSymlink
	case kindChar:
		return m | fs.ModeDevice | fs.ModeCharDevice
	}
	return m | fs.ModeIrregular
}
