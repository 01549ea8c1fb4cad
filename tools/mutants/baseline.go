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
)

// baseline knows which tests pass on the code as it is. Each package's test program is linked once.
type baseline struct {
	dir      string
	programs map[string]program
	results  map[string]error
}

type program struct {
	file, dir string
	err       error
}

func newBaseline() (*baseline, error) {
	dir, err := os.MkdirTemp("", "baseline")
	if err != nil {
		return nil, err
	}
	return &baseline{dir: dir, programs: map[string]program{}, results: map[string]error{}}, nil
}

// passes runs a mutant's test without the mutation, once for all mutants of one test.
func (b *baseline) passes(ctx context.Context, m mutant) error {
	key := m.Package + " " + m.Tags + " " + m.Test
	if err, done := b.results[key]; done {
		return err
	}
	err := b.run(ctx, m)
	b.results[key] = err
	return err
}

func (b *baseline) run(ctx context.Context, m mutant) error {
	p := b.program(ctx, m)
	if p.err != nil {
		return p.err
	}
	cmd := exec.CommandContext(ctx, p.file, "-test.v", "-test.count=1", "-test.timeout=5m", "-test.run", m.Test)
	cmd.Dir = p.dir
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

func (b *baseline) program(ctx context.Context, m mutant) program {
	key := m.Package + " " + m.Tags
	if p, done := b.programs[key]; done {
		return p
	}
	p := program{file: filepath.Join(b.dir, fmt.Sprint(len(b.programs))), dir: m.Package}
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-tags", m.Tags, "-o", p.file, m.Package).CombinedOutput()
	if err != nil {
		p.err = fmt.Errorf("%w: %s", err, firstLines(out))
	}
	b.programs[key] = p
	return p
}
