package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tamperAll changes one byte of each file in turn and requires that it is
// noticed: by the manifest, and in results and receipts by what they say.
func tamperAll(ctx context.Context, csv, out string) error {
	dir, err := os.MkdirTemp("", "democheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, err := copyTree(out, dir)
	if err != nil {
		return err
	}
	want, err := readManifest(dir)
	if err != nil {
		return err
	}
	changed, semantic := 0, 0
	for _, rel := range files {
		at, ok := place(dir, rel)
		if !ok {
			continue
		}
		changed++
		if err := flip(filepath.Join(dir, rel), at); err != nil {
			return err
		}
		if noticedByManifest(dir, rel, want) == nil {
			return fmt.Errorf("a changed byte in %s was not noticed", rel)
		}
		if says(rel) {
			semantic++
			quiet := &checker{csv: csv, out: dir, skipManifest: true, say: func(string, ...any) {}}
			if _, err := quiet.all(ctx); err == nil {
				return fmt.Errorf("a changed byte in %s was noticed by the manifest only", rel)
			}
		}
		if err := flip(filepath.Join(dir, rel), at); err != nil {
			return err
		}
	}
	fmt.Printf("check: one byte changed in each of %d files: noticed every time, in %d results and receipts without the manifest too\n", changed, semantic)
	return nil
}

// noticedByManifest is nil where the change escapes. The manifest itself is checked against all files.
func noticedByManifest(dir, rel string, want map[string]string) error {
	if rel == manifestName {
		_, err := checkManifest(dir)
		return err
	}
	return unchanged(dir, rel, want)
}

// says tells files whose contents are checked by what they say.
func says(rel string) bool {
	return strings.HasPrefix(rel, "results") || strings.HasPrefix(rel, "receipts")
}

// place is the byte to change: the first digit of a count in a result, the middle of any other file.
func place(dir, rel string) (int64, bool) {
	b, err := os.ReadFile(filepath.Join(dir, rel))
	if err != nil || len(b) == 0 {
		return 0, false
	}
	const count = `"strikes":`
	if i := strings.Index(string(b), count); strings.HasPrefix(rel, "results") && i >= 0 {
		return int64(i + len(count)), true
	}
	return int64(len(b) / 2), true
}

func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 1
	_, err = f.WriteAt(b[:], at)
	return err
}

func copyTree(from, to string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		files = append(files, rel)
		return copyFile(path, filepath.Join(to, rel))
	})
	return files, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
