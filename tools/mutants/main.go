package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// mutant is one check to remove and the test that must notice.
type mutant struct {
	Name    string `yaml:"name"`
	File    string `yaml:"file"`
	Find    string `yaml:"find"` // must stand in File exactly once
	Replace string `yaml:"replace"`
	Package string `yaml:"package"`
	Test    string `yaml:"test"` // regular expression for -run
	Tags    string `yaml:"tags"`
}

func main() {
	list := flag.String("list", "tools/mutants/mutants.yaml", "file that lists the mutants")
	only := flag.String("only", "", "run mutants whose name matches this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	begun := time.Now()
	err := run(ctx, *list, *only)
	fmt.Printf("took %v\n", time.Since(begun).Round(time.Second))
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, list, only string) error {
	filter, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	mutants, err := read(list)
	if err != nil {
		return err
	}
	known, err := newBaseline()
	if err != nil {
		return err
	}
	defer os.RemoveAll(known.dir)
	passed, failed := 0, 0
	for _, m := range mutants {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !filter.MatchString(m.Name) {
			continue
		}
		if err := m.try(ctx, known); err != nil {
			failed++
			fmt.Printf("SURVIVED %s: %v\n", m.Name, err)
			continue
		}
		passed++
		fmt.Printf("killed   %s (by %s in %s)\n", m.Name, m.Test, m.Package)
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		return errors.New("not every mutant was killed")
	}
	return nil
}

func read(path string) ([]mutant, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []mutant
	d := yaml.NewDecoder(bytes.NewReader(src))
	d.KnownFields(true)
	return out, d.Decode(&out)
}

// try runs the test on the code as it is, where it must pass, then on the mutant, where it must fail.
func (m mutant) try(ctx context.Context, known *baseline) error {
	if err := known.passes(ctx, m); err != nil {
		return fmt.Errorf("test does not pass without the mutation: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir)
	if err != nil {
		return err
	}
	out, err := m.mutated(ctx, overlay)
	switch {
	case err == nil:
		return errors.New("the test passes without the check")
	case !bytes.Contains(out, []byte("--- FAIL")) && !bytes.Contains(out, []byte("panic: test timed out")):
		return fmt.Errorf("did not build or run: %s", firstLines(out))
	}
	return nil
}

func firstLines(out []byte) string {
	lines := strings.SplitN(string(out), "\n", 6)
	return strings.Join(lines[:min(5, len(lines))], " | ")
}

// mutated runs the test with the overlay in the environment, so that what the test builds itself has the mutation too.
func (m mutant) mutated(ctx context.Context, overlay string) ([]byte, error) {
	args := []string{"test", "-vet=off", "-count=1", "-v", "-timeout=3m", "-run", m.Test}
	if m.Tags != "" {
		args = append(args, "-tags", m.Tags)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, m.Package)...)
	cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	return cmd.CombinedOutput()
}

// overlay writes the mutated file and the go command's overlay description.
func (m mutant) overlay(dir string) (string, error) {
	path, err := filepath.Abs(m.File)
	if err != nil {
		return "", err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(src, []byte(m.Find)); n != 1 {
		return "", fmt.Errorf("text to mutate stands %d times in %s, want once", n, m.File)
	}
	mutated := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(mutated, bytes.Replace(src, []byte(m.Find), []byte(m.Replace), 1), 0o600); err != nil {
		return "", err
	}
	desc, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, desc, 0o600)
}
