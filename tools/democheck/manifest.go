package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// manifestName lists every other file of out/ with its SHA-256, sorted by path.
const manifestName = "MANIFEST.sha256"

// checkManifest requires that the listed files, and no others, are there unchanged.
func checkManifest(out string) (int, error) {
	want, err := readManifest(out)
	if err != nil {
		return 0, err
	}
	found := 0
	err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(out, path)
		if err != nil || rel == manifestName {
			return err
		}
		found++
		return unchanged(out, rel, want)
	})
	if err == nil && found != len(want) {
		err = fmt.Errorf("%d of %d files are missing", len(want)-found, len(want))
	}
	return found, err
}

func readManifest(out string) (map[string]string, error) {
	src, err := os.ReadFile(filepath.Join(out, manifestName))
	if err != nil {
		return nil, err
	}
	want := map[string]string{}
	last := ""
	for s := bufio.NewScanner(strings.NewReader(string(src))); s.Scan(); {
		sum, path, ok := strings.Cut(s.Text(), "  ")
		if !ok || len(sum) != 64 || path <= last {
			return nil, fmt.Errorf("%s is damaged", manifestName)
		}
		want[path], last = sum, path
	}
	if !strings.HasSuffix(string(src), "\n") {
		return nil, fmt.Errorf("%s is cut short", manifestName)
	}
	return want, nil
}

// unchanged requires that one file is as the manifest lists it.
func unchanged(out, rel string, want map[string]string) error {
	sum, err := fileSum(filepath.Join(out, rel))
	if err != nil {
		return err
	}
	if want[rel] != sum {
		return fmt.Errorf("%s is not as the demo left it", rel)
	}
	return nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
