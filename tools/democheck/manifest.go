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
	src, err := os.ReadFile(filepath.Join(out, manifestName))
	if err != nil {
		return 0, err
	}
	want := map[string]string{}
	last := ""
	for s := bufio.NewScanner(strings.NewReader(string(src))); s.Scan(); {
		sum, path, ok := strings.Cut(s.Text(), "  ")
		if !ok || len(sum) != 64 || path <= last {
			return 0, fmt.Errorf("%s is damaged", manifestName)
		}
		want[path], last = sum, path
	}
	if !strings.HasSuffix(string(src), "\n") {
		return 0, fmt.Errorf("%s is cut short", manifestName)
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
		sum, err := fileSum(path)
		if err != nil {
			return err
		}
		if want[rel] != sum {
			return fmt.Errorf("%s is not as the demo left it", rel)
		}
		found++
		return nil
	})
	if err == nil && found != len(want) {
		err = fmt.Errorf("%d of %d files are missing", len(want)-found, len(want))
	}
	return found, err
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
