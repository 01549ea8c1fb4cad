// Package docs_test keeps the pages together: what a page or a doc.go names exists.
package docs_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root of the repository, from this folder.
const root = ".."

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	fence    = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$|`[^`\n]*`")
	spec     = regexp.MustCompile(`(?s)// Spec: (.*?)(?:\npackage |\n//\n)`)
	page     = regexp.MustCompile(`([\w./-]+\.md)( of )?`)
	citation = regexp.MustCompile(`docs/spec/([a-z0-9-]+\.md)(?:, section (\d+(?:\.\d+)?))?`)
	heading  = regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)?)\.? `)
)

// pages lists README.md and every page under docs.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(p, ".md") {
			rel, relErr := filepath.Rel(root, p)
			if relErr != nil {
				return relErr
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 5 {
		t.Fatalf("only %d pages found", len(out))
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
	return err == nil
}

func TestRelativeLinksResolve(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		text := fence.ReplaceAllString(read(t, p), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			found++
			if to := path.Join(path.Dir(p), target); strings.HasPrefix(to, "../") || !exists(to) {
				t.Errorf("%s links to %s, which is not there", p, m[1])
			}
		}
	}
	if found == 0 {
		t.Fatal("no link found: the test looks for the wrong thing")
	}
}

// goFiles calls f for every Go file of the repository but testdata.
func goFiles(t *testing.T, f func(name, src string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "out" || (strings.HasPrefix(d.Name(), ".") && p != root)) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		f(name, read(t, name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSpecLines: the Spec line of a doc.go names a page of this repository, or
// one "of" somewhere else.
func TestSpecLines(t *testing.T) {
	found := 0
	goFiles(t, func(name, src string) {
		if path.Base(name) != "doc.go" {
			return
		}
		for _, m := range spec.FindAllStringSubmatch(src, -1) {
			found++
			named := page.FindAllStringSubmatch(m[1], -1)
			if len(named) == 0 {
				t.Errorf("%s: its Spec line names no page", name)
			}
			for _, p := range named {
				if p[2] == "" && !exists(p[1]) {
					t.Errorf("%s: its Spec line names %s, which is not there", name, p[1])
				}
			}
		}
	})
	if found < 10 {
		t.Fatalf("only %d Spec lines found", found)
	}
}

// TestCitations: where a comment cites a page of docs/spec, the page is there, and
// so is the section. Pages without numbered sections are cited as a whole.
func TestCitations(t *testing.T) {
	found := 0
	goFiles(t, func(name, src string) {
		if name == "docs/docs_test.go" {
			return
		}
		text := regexp.MustCompile(`\n\s*//\s*`).ReplaceAllString(src, " ")
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			found++
			if !exists("docs/spec/" + m[1]) {
				t.Errorf("%s cites docs/spec/%s, which is not there", name, m[1])
				continue
			}
			if m[2] != "" && !hasSection(read(t, "docs/spec/"+m[1]), m[2]) {
				t.Errorf("%s cites section %s of docs/spec/%s, which has none", name, m[2], m[1])
			}
		}
	})
	if found < 10 {
		t.Fatalf("only %d citations found", found)
	}
}

func hasSection(text, number string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		if m[1] == number {
			return true
		}
	}
	return false
}
