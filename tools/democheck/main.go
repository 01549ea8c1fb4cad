package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

// summary is what the demo says it did; everything in it is checked.
type summary struct {
	Format   string    `json:"format"`
	Airlines []airline `json:"airlines"`
	Jobs     []job     `json:"jobs"`
	Memory   []string  `json:"memory_hits"` // canaries the demo found in running processes
}

type airline struct {
	Name        string `json:"name"`
	Operator    string `json:"operator"` // as the CSV has it
	Fingerprint string `json:"fingerprint"`
}

// job is one job that has a receipt. Those without a result have no Result file.
type job struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"`
	Table     string `json:"table"`
	Dimension string `json:"dimension"` // CSV header of the grouping column
	Asker     string `json:"asker"`     // party's name
	Bundle    string `json:"bundle"`
	Result    string `json:"result,omitempty"`
}

const summaryFormat = "cordon-demo/1"

func main() {
	csv := flag.String("csv", "examples/birdstrikes/birdstrikes.csv", "the demo's input")
	out := flag.String("out", "out", "folder that the demo wrote")
	tamper := flag.Bool("tamper", false, "then change one byte at a time in a copy, and require that each is noticed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *csv, *out, *tamper); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		fmt.Fprintln(os.Stderr, "hint: run 'make demo' again; if it happens again, out/ was changed or Cordon computed something else")
		os.Exit(1)
	}
}

func run(ctx context.Context, csv, out string, tamper bool) error {
	c := &checker{csv: csv, out: out, say: func(format string, args ...any) { fmt.Printf("check: "+format+"\n", args...) }}
	n, err := c.all(ctx)
	if err != nil {
		return err
	}
	if tamper {
		if err := tamperAll(ctx, csv, out); err != nil {
			return err
		}
	}
	fmt.Printf("demo: %d jobs, %d receipts verified, %d canaries outside the enclave\n", n.jobs, n.receipts, n.canaries)
	return nil
}

type checker struct {
	csv, out     string
	say          func(string, ...any)
	skipManifest bool // only to show that the other checks notice by themselves
}

// counts are found, not repeated from the summary.
type counts struct{ jobs, receipts, canaries int }

func (c *checker) all(ctx context.Context) (counts, error) {
	var n counts
	if !c.skipManifest {
		files, err := checkManifest(c.out)
		if err != nil {
			return n, err
		}
		c.say("%d files are as the demo left them", files)
	}
	s, err := c.summary()
	if err != nil {
		return n, err
	}
	if n.receipts, err = c.receipts(ctx, s); err != nil {
		return n, err
	}
	cells, err := c.results(ctx, s)
	if err != nil {
		return n, err
	}
	c.say("%d released or suppressed cells recomputed from the CSV", cells)
	if n.canaries, err = c.search(ctx, s); err != nil {
		return n, err
	}
	n.jobs = len(s.Jobs)
	if n.jobs == 0 || n.receipts != n.jobs {
		return n, fmt.Errorf("%d jobs but %d verified receipts", n.jobs, n.receipts)
	}
	if n.canaries > 0 {
		return n, fmt.Errorf("%d canaries outside the enclave", n.canaries)
	}
	return n, nil
}

func (c *checker) summary() (*summary, error) {
	src, err := os.ReadFile(filepath.Join(c.out, "summary.json"))
	if err != nil {
		return nil, err
	}
	var s summary
	if err := json.Unmarshal(src, &s); err != nil {
		return nil, fmt.Errorf("summary.json: %w", err)
	}
	if s.Format != summaryFormat || len(s.Airlines) == 0 {
		return nil, fmt.Errorf("summary.json is not %s", summaryFormat)
	}
	return &s, nil
}
