package cpio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ErrFiles is of files that can't stand in an archive.
var ErrFiles = errors.New("these files can't be an archive")

// File is one file of an archive. All files are root's, made at the epoch.
type File struct {
	// Name is a clean relative path with slashes: "init", "dev/console".
	Name string
	// Mode has permissions and at most one kind: fs.ModeDir, fs.ModeSymlink, fs.ModeDevice|fs.ModeCharDevice, or none.
	// Set-user-id and the like are refused.
	Mode fs.FileMode
	// Data is the contents of a regular file, the target of a link.
	Data []byte
	// Major and Minor are the numbers of a device.
	Major, Minor uint32
}

// Field values of the format.
const (
	magic      = "070701"
	trailer    = "TRAILER!!!"
	headerSize = 110
	align      = 4

	kindDir     = 0o040000
	kindRegular = 0o100000
	kindLink    = 0o120000
	kindChar    = 0o020000
)

// Write writes the files in the order of their names, so that the order in which they come makes no difference. Every
// folder must be among them: what unpacks an archive makes none of its own.
func Write(w io.Writer, files []File) error {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	if err := valid(sorted); err != nil {
		return err
	}
	for i, f := range sorted {
		if err := writeOne(w, uint32(i)+1, f); err != nil {
			return err
		}
	}
	return record(w, [13]uint32{4: 1}, trailer, nil)
}

// valid checks files that are sorted by name.
func valid(files []File) error {
	if len(files) > maxFiles {
		return fmt.Errorf("%w: more than %d", ErrFiles, maxFiles)
	}
	folders := map[string]bool{".": true}
	last := ""
	for _, f := range files {
		if f.Name == last {
			return fmt.Errorf("%w: %q twice", ErrFiles, f.Name)
		}
		last = f.Name
		if err := validOne(f); err != nil {
			return err
		}
		if !folders[path.Dir(f.Name)] {
			return fmt.Errorf("%w: %q is in no folder of the archive", ErrFiles, f.Name)
		}
		folders[f.Name] = f.Mode.IsDir()
	}
	return nil
}

func validOne(f File) error {
	if !fs.ValidPath(f.Name) || f.Name == "." || f.Name == trailer || len(f.Name) > maxName || strings.ContainsRune(f.Name, 0) {
		return fmt.Errorf("%w: name %q", ErrFiles, f.Name)
	}
	if _, err := kind(f.Mode); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrFiles, f.Name, err)
	}
	device := f.Mode&fs.ModeDevice != 0
	if (device || f.Mode.IsDir()) && len(f.Data) > 0 || !device && (f.Major != 0 || f.Minor != 0) || len(f.Data) > maxData {
		return fmt.Errorf("%w: %q has contents that its kind has not", ErrFiles, f.Name)
	}
	if f.Mode.Type() == fs.ModeSymlink && len(f.Data) == 0 {
		return fmt.Errorf("%w: link %q leads nowhere", ErrFiles, f.Name)
	}
	return nil
}

var errMode = errors.New("a mode that an image has no use for")

func kind(m fs.FileMode) (uint32, error) {
	switch m &^ fs.ModePerm {
	case 0:
		return kindRegular, nil
	case fs.ModeDir:
		return kindDir, nil
	case fs.ModeSymlink:
		return kindLink, nil
	case fs.ModeDevice | fs.ModeCharDevice:
		return kindChar, nil
	}
	return 0, errMode
}

func writeOne(w io.Writer, inode uint32, f File) error {
	k, err := kind(f.Mode)
	if err != nil {
		return err
	}
	links := uint32(1)
	if f.Mode.IsDir() {
		links = 2
	}
	return record(w, [13]uint32{
		0: inode, 1: k | uint32(f.Mode.Perm()), 4: links, 6: uint32(len(f.Data)), 9: f.Major, 10: f.Minor,
	}, f.Name, f.Data)
}

// record writes one header with its name and data, each padded. Fields in order: inode, mode, uid, gid, links, mtime,
// size, device (2), device named (2), length of the name, checksum (0 in this format).
func record(w io.Writer, fields [13]uint32, name string, data []byte) error {
	fields[11] = uint32(len(name)) + 1
	var b bytes.Buffer
	b.WriteString(magic)
	for _, v := range fields {
		fmt.Fprintf(&b, "%08X", v)
	}
	b.WriteString(name)
	b.WriteByte(0)
	b.Write(make([]byte, pad(b.Len())))
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, pad(len(data))))
	return err
}

func pad(n int) int { return (align - n%align) % align }
