package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// options of one run.
type options struct {
	bin      string
	only     []string
	scale    float64
	jobScale float64
	jobClass string
	rows     int
	rounds   int
	cold     int
	evidence string
	work     string
	data     string
	json     string
	write    bool
	docs     string
	profiles string
	quiet    bool
}

const usage = `Usage: bench [flags]

Measure what confidentiality costs on this machine. Makes the tables of TPC-H, seals
them, and asks by turns: plain DuckDB over plain Parquet, and ours over the sealed
files. Starts an exchange, a host and parties where whole jobs are measured. A ratio
is printed only if both sides gave the same answer.

One line for each figure: "bench: NAME ratio=… goal=… (a=… b=… n=…)", or "ms=…" and
others for what has no counterpart; a goal that ends in + is a least value. MISS
stands behind a goal that was missed, FAIL where nothing could be measured. Processes
and files of a run are removed at its end.

Parts:
%s
Exit codes: 0 measured (goals met or not), 1 not measured, 2 usage.

Example:
  bench -bin bin
  bench -bin bin -only fixed -cold 50
  bench -bin bin -only tpch,cold -sf 10 -write

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
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func parse(args []string, w io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(w)
	f.Usage = func() { fmt.Fprintf(w, usage, describe()); f.PrintDefaults() }
	f.StringVar(&o.bin, "bin", "bin", "folder of the programs, and of bench/py/bin/tpchgen-cli")
	only := f.String("only", "", "parts to measure, with commas between them; default all")
	f.Float64Var(&o.scale, "sf", scaleOf(os.Getenv("BENCH_SF")), "scale factor of TPC-H; default BENCH_SF, or 1")
	f.Float64Var(&o.jobScale, "job-sf", 30, "scale factor of the table that whole jobs are asked over")
	f.StringVar(&o.jobClass, "job-class", "large", "class of those jobs' enclaves")
	f.IntVar(&o.rows, "rows", 8, "size of the largest table of part rows, as a power of ten: 8, or 7 to make less")
	f.IntVar(&o.rounds, "rounds", 5, "turns of each pair of sides; what is quick is measured more often")
	f.IntVar(&o.cold, "cold", 40, "jobs over a tiny table, for the fixed cost")
	f.StringVar(&o.evidence, "evidence", "evidence/testdata", "folder of recorded evidence")
	f.StringVar(&o.work, "work", "", "folder to work in, below which one is made and removed; default the system's")
	f.StringVar(&o.data, "data", "", "folder to keep generated tables in, and to take them from; default none is kept")
	f.StringVar(&o.json, "json", "", "write all figures into this file, too")
	f.BoolVar(&o.write, "write", false, "write the figures of the parts measured, and the page made of all parts'")
	f.StringVar(&o.docs, "docs", "docs", "folder of the page and its figures, for -write and -render")
	render := f.Bool("render", false, "measure nothing: make the page again of texts and figures that are there")
	f.StringVar(&o.profiles, "cpuprofile", "", "folder for a profile of the bench's own process in each part")
	f.BoolVar(&o.quiet, "quiet", false, "do not say what is under way")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
			fmt.Fprintf(w, "error: no part %q\n", name)
			return o, errors.New("usage")
		}
	}
	if !(o.scale >= 0.01) || !(o.jobScale >= 0.01) || o.rounds < 1 || o.rows <= leastRows || o.rows > mostRows || o.cold < 10 || f.NArg() > 0 {
		fmt.Fprintln(w, "error: -sf and -job-sf must be 0.01 or more, -rows 7 or 8, -rounds 1, -cold 10, and nothing may follow the flags")
		return o, errors.New("usage")
	}
	if *render {
		o.only = []string{}
	}
	return o, nil
}

// scaleOf is 1 of nothing, and 0, which is refused, of what is no number.
func scaleOf(s string) float64 {
	if s == "" {
		return 1
	}
	v, _ := strconv.ParseFloat(s, 64)
	return v
}
