package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// outcome of a mutant: killed, or why not.
type outcome struct {
	err         error
	build, test time.Duration
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
func (m mutant) try(ctx context.Context, known *baseline, jobs int) outcome {
	began := time.Now()
	if err := known.passes(ctx, m); err != nil {
		return outcome{err: fmt.Errorf("test does not pass without the mutation: %w", err), test: time.Since(began)}
	}
	o := outcome{test: time.Since(began)}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		o.err = err
		return o
	}
	defer os.RemoveAll(dir)
	began = time.Now()
	program, env, err := m.build(ctx, dir, jobs)
	o.build = time.Since(began)
	if err != nil {
		o.err = err
		return o
	}
	began = time.Now()
	o.err = m.mustFail(ctx, program, env)
	o.test += time.Since(began)
	return o
}

// build links the test program of the mutant. The overlay is in the environment, so that what the test builds itself has the
// mutation too. Without symbols: linking DuckDB takes half the time.
func (m mutant) build(ctx context.Context, dir string, jobs int) (program string, env []string, err error) {
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", nil, err
	}
	program = filepath.Join(dir, "program")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", fmt.Sprintf("-p=%d", max(1, runtime.NumCPU()/jobs)),
		"-tags", m.Tags, "-o", program, m.Package)
	env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("did not build: %s", firstLines(out))
	}
	return program, env, nil
}

func (m mutant) mustFail(ctx context.Context, program string, env []string) error {
	cmd := exec.CommandContext(ctx, program, "-test.v", "-test.count=1", "-test.timeout=3m", "-test.run", m.Test)
	cmd.Dir, cmd.Env = m.Package, env
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return errors.New("the test passes without the check")
	case !bytes.Contains(out, []byte("--- FAIL")) && !bytes.Contains(out, []byte("panic: test timed out")):
		return fmt.Errorf("did not run: %s", firstLines(out))
	}
	return nil
}

func firstLines(out []byte) string {
	lines := strings.SplitN(string(out), "\n", 6)
	return strings.Join(lines[:min(5, len(lines))], " | ")
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
