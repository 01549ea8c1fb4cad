package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
	"github.com/cordon-exchange/cordon/tools/bench/text"
)

// part is what can be measured by itself. Its figures are one file of docs/benchmarks.
type part struct {
	name    string
	about   string
	measure func(context.Context, *bench, *figure.Report) error
}

// parts in the order in which they are measured: what needs the fewest things first.
//
// To add one: write its function, name it here, and place its tables in a text of tools/bench/text.
func parts() []part {
	return []part{
		{"evidence", "verifying recorded evidence, as a broker does", evidenceRows},
		{"start", "start of cordon, and of cordon-enclave to its first request", startRows},
		{"releases", "releases of keys on one processor, by kind of evidence", releaseRows},
		{"log", "the exchange's transparency log beside bare Tessera, and how soon there is a proof", logRows},
		{"fixed", "the fixed cost of a job, cold and with an idle enclave; jobs at once", fixedRows},
		{"publish", "sealing a table beside writing it in plain, and beside pyarrow", publishRows},
		{"tpch", "open and query, the 22 queries of TPC-H", tpchRows},
		{"cold", "the same for some of them with nothing in the page cache", coldRows},
		{"opening", "opening alone beside bare AES-GCM", openingRows},
		{"guard", "the guard's rewriting beside the analyst's own aggregate", guardRows},
		{"jobs", "whole jobs beside the analyst's own SQL", jobRows},
		{"rows", "the same query over tables of 10^6 rows and more", scaleRows},
	}
}

func describe() string {
	var b strings.Builder
	for _, p := range parts() {
		fmt.Fprintf(&b, "  %-9s %s\n", p.name, p.about)
	}
	return b.String()
}

// bench is one run: what its parts share.
type bench struct {
	o       options
	dir     string // removed at the end
	threads int
	say     func(string, ...any)

	tables *tables
	world  *world
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.only != nil && len(o.only) == 0 {
		return writePage(o.docs)
	}
	dir, err := os.MkdirTemp(o.work, "cordon-bench-")
	if err != nil {
		return err
	}
	b := &bench{o: o, dir: dir, threads: runtime.GOMAXPROCS(0), say: func(string, ...any) {}}
	if !o.quiet {
		b.say = func(format string, args ...any) { fmt.Fprintf(os.Stderr, "# "+format+"\n", args...) }
	}
	defer func() { err = errors.Join(err, b.close()) }()
	reports, err := b.all(ctx, out)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "bench: answers of both sides agreed in every ratio; evidence was simulated, so what confidential hardware costs is in none of these figures")
	if o.json != "" {
		if err := writeJSON(o.json, reports); err != nil {
			return err
		}
	}
	if !o.write {
		return nil
	}
	return writePage(o.docs)
}

func (b *bench) close() error {
	if b.world != nil {
		b.world.stopAll()
	}
	return os.RemoveAll(b.dir)
}

func (b *bench) all(ctx context.Context, out io.Writer) ([]*figure.Report, error) {
	var reports []*figure.Report
	for _, p := range parts() {
		if b.o.only != nil && !slices.Contains(b.o.only, p.name) {
			continue
		}
		r, err := b.one(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if err := r.Print(out); err != nil {
			return nil, err
		}
		reports = append(reports, r)
		if b.o.write { // at once: a part that can't be measured loses no other
			if err := writeReport(filepath.Join(b.o.docs, figure.Folder, r.Part+".json"), r); err != nil {
				return nil, err
			}
		}
	}
	return reports, nil
}

func (b *bench) one(ctx context.Context, p part) (*figure.Report, error) {
	b.say("%s: %s", p.name, p.about)
	r := &figure.Report{Part: p.name, Machine: figure.ThisMachine(), Date: time.Now().UTC().Format(time.DateOnly), Command: b.command(p)}
	stop, err := profile(b.o.profiles, p.name)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	err = errors.Join(p.measure(ctx, b, r), stop())
	r.Seconds = float64(time.Since(began).Round(time.Second) / time.Second)
	r.Judge()
	if err == nil && len(r.Figures) == 0 {
		err = errors.New("no figures")
	}
	return r, err
}

// command that measures the part again.
func (b *bench) command(p part) string {
	c := "go run ./tools/bench -bin bin -only " + p.name
	if b.o.scale != 1 {
		c += fmt.Sprintf(" -sf %g", b.o.scale)
	}
	return c
}

// profile writes a profile of this process until stop is called; of no folder, none.
func profile(folder, name string) (stop func() error, err error) {
	if folder == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(folder, name+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// writePage makes docs/benchmarks.md and its plots of the texts and of the figures that are there.
func writePage(docs string) error {
	p, err := page(docs)
	if err != nil {
		return err
	}
	for name, svg := range p.Plots {
		if err := os.WriteFile(filepath.Join(docs, figure.Folder, name), svg, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(docs, "benchmarks.md"), p.Text, 0o644)
}

// page of the figures that are there, in the order of the parts.
func page(docs string) (*figure.Page, error) {
	var reports []*figure.Report
	for _, p := range parts() {
		r, err := figure.Load(filepath.Join(docs, figure.Folder, p.name+".json"))
		if errors.Is(err, os.ErrNotExist) {
			r = &figure.Report{Part: p.name, Figures: nil}
		} else if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return figure.Render(text.Files, reports)
}

func writeReport(path string, r *figure.Report) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return toFile(path, r.Encode)
}

func writeJSON(path string, reports []*figure.Report) error {
	return toFile(path, func(w io.Writer) error {
		for _, r := range reports {
			if err := r.Encode(w); err != nil {
				return err
			}
		}
		return nil
	})
}

func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
