package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// options of one run.
type options struct {
	bin    string
	rows   int
	rounds int
	cold   int
	only   string
	json   bool
	work   string
	quiet  bool

	evidence string
}

// Parts that can be measured alone.
const (
	onlyFixed    = "fixed"    // leaves out all that needs the large table
	onlyGuard    = "guard"    // leaves out all that takes a job
	onlyEvidence = "evidence" // leaves out all that needs a process
)

const usage = `Usage: bench [flags]

Measure what confidentiality costs on this machine. Makes a table in the shape of
TPC-H's lineitem, starts an exchange, a host and parties, publishes the table
sealed, and asks the same question by turns: of plain DuckDB over plain Parquet, of
the sealed file in this process (decrypt, scan, release rules), and of the whole
exchange. Answers are compared; if they disagree, no figure is printed.

One line for each figure: "bench: NAME ratio=… goal=… (…)", or "ms=…" for the fixed
cost of a job and for verifying evidence; MISS stands behind a goal that was missed. Processes and files of a
run are removed at its end.

Exit codes: 0 measured (goals met or not), 1 not measured, 2 usage.

Example:
  bench -bin bin
  bench -bin bin -rows 600000 -rounds 3 -json
  bench -bin bin -only fixed -cold 50
  bench -bin bin -only guard -rounds 9
  bench -only evidence

Flags:
`

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func parse(args []string, w io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(w)
	f.Usage = func() { fmt.Fprint(w, usage); f.PrintDefaults() }
	f.StringVar(&o.bin, "bin", "bin", "folder of cordon and cordon-enclave")
	f.IntVar(&o.rows, "rows", 6_000_000, "rows of the table")
	f.IntVar(&o.rounds, "rounds", 5, "whole jobs for each figure; what takes no job is measured three times as often")
	f.IntVar(&o.cold, "cold", 20, "jobs over a tiny table, for the fixed cost")
	f.StringVar(&o.only, "only", "", "measure one part: fixed (the fixed cost of a job; no large table is made then), guard (scan and rules over opened data; no job runs then) or evidence (verifying recorded evidence; nothing is started)")
	f.StringVar(&o.evidence, "evidence", "evidence/testdata", "folder of recorded evidence")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.quiet, "quiet", false, "do not say what is under way")
	f.StringVar(&o.work, "work", "", "folder to work in, below which one is made and removed; default the system's")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.only != "" && o.only != onlyFixed && o.only != onlyGuard && o.only != onlyEvidence {
		fmt.Fprintln(w, "error: -only must be fixed, guard or evidence")
		return o, errors.New("usage")
	}
	if o.rows < 10_000 || o.rounds < 1 || o.cold < 10 || f.NArg() > 0 {
		fmt.Fprintln(w, "error: -rows must be 10000 or more, -rounds 1, -cold 10, and nothing may follow the flags")
		return o, errors.New("usage")
	}
	return o, nil
}

func run(ctx context.Context, o options) (err error) {
	r := &report{Machine: machine(o.rows), say: func(string, ...any) {}}
	if !o.quiet {
		r.say = func(format string, args ...any) { fmt.Fprintf(os.Stderr, "# "+format+"\n", args...) }
	}
	m := &measurement{report: r, threads: runtime.GOMAXPROCS(0)}
	if o.only == "" || o.only == onlyEvidence {
		if err := m.evidence(ctx, o.evidence); err != nil {
			return err
		}
	}
	if o.only == onlyEvidence {
		return r.write(os.Stdout, o.json)
	}
	dir, err := os.MkdirTemp(o.work, "cordon-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &world{dir: dir, out: r.say}
	defer w.stopAll()
	if err := w.prepare(ctx, o); err != nil {
		return err
	}
	m.world = w
	if err := m.all(ctx, o); err != nil {
		return err
	}
	r.asked = true
	return r.write(os.Stdout, o.json)
}
