package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// baseline knows which tests pass on the code as it is. Each package's test program is linked once, each test runs once.
type baseline struct {
	dir      string
	mu       sync.Mutex
	programs map[string]func() (string, error)
	results  map[string]func() error
}

func newBaseline() (*baseline, error) {
	dir, err := os.MkdirTemp("", "baseline")
	if err != nil {
		return nil, err
	}
	return &baseline{dir: dir, programs: map[string]func() (string, error){}, results: map[string]func() error{}}, nil
}

// passes runs a mutant's test without the mutation. It may be called concurrently.
func (b *baseline) passes(ctx context.Context, m mutant) error {
	b.mu.Lock()
	program := b.programs[m.Package+" "+m.Tags]
	if program == nil {
		file := filepath.Join(b.dir, fmt.Sprint(len(b.programs)))
		program = sync.OnceValues(func() (string, error) { return link(ctx, m, file) })
		b.programs[m.Package+" "+m.Tags] = program
	}
	key := m.Package + " " + m.Tags + " " + m.Test
	result := b.results[key]
	if result == nil {
		result = sync.OnceValue(func() error { return mustPass(ctx, m, program) })
		b.results[key] = result
	}
	b.mu.Unlock()
	return result()
}

func link(ctx context.Context, m mutant, file string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-tags", m.Tags, "-o", file, m.Package).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, firstLines(out))
	}
	return file, nil
}

func mustPass(ctx context.Context, m mutant, program func() (string, error)) error {
	file, err := program()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, file, "-test.v", "-test.count=1", "-test.timeout=5m", "-test.run", m.Test)
	cmd.Dir = m.Package
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s", err, lastLines(out))
	case !passedAll(out, strings.Count(m.Test, "/")):
		return errors.New("no test of that name ran")
	}
	return nil
}

// passedAll wants a test, or a subtest where the expression names one, that ran and passed.
func passedAll(out []byte, depth int) bool {
	return bytes.Contains(out, []byte(strings.Repeat("    ", depth)+"--- PASS"))
}

func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}
