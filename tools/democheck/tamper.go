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

// tamperAll changes one byte of each file in turn and requires that the check
// fails; results and receipts must be noticed even without the manifest.
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
	semantic := 0
	for _, rel := range files {
		path := filepath.Join(dir, rel)
		info, err := os.Stat(path)
		if err != nil || info.Size() == 0 {
			continue
		}
		at := info.Size() / 2
		if err := flip(path, at); err != nil {
			return err
		}
		if _, err := checkManifest(dir); err == nil {
			return fmt.Errorf("a changed byte in %s was not noticed", rel)
		}
		if strings.HasPrefix(rel, "results") || strings.HasPrefix(rel, "receipts") {
			semantic++
			quiet := &checker{csv: csv, out: dir, skipManifest: true, say: func(string, ...any) {}}
			if _, err := quiet.all(ctx); err == nil && !insignificant(path, at) {
				return fmt.Errorf("a changed byte in %s was noticed by the manifest only", rel)
			}
		}
		if err := flip(path, at); err != nil {
			return err
		}
	}
	fmt.Printf("check: one byte changed in each of %d files: noticed every time, in %d results and receipts without the manifest too\n", len(files), semantic)
	return nil
}

// insignificant: white space, or a word for people in a result's column list,
// which says nothing about a cell.
func insignificant(path string, at int64) bool {
	return strings.Contains(path, "results") && !strings.HasSuffix(path, ".json")
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
