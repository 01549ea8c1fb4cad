package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// options of one run.
type options struct {
	policies, fixture, file string
	only                    *regexp.Regexp
	json, verbose, answers  bool
	times                   bool
}

const usage = `Usage: corpus --policies FILE --fixture FILE [flags] QUERIES.jsonl

Judge a file of hostile and legitimate queries by the real compiler and the real
engine over the fixture: deny must be refused, allow must run and answer, suppress
may run if no cell that the policies hide can be read. What is safe is recomputed
from the fixture by the judge itself. doc.go states the rules.

One line for each failure: ID CLASS (expected EXPECT): REASON; last "N passed, N failed".

` + defaultsText + `
Exit codes: 0 all passed, 1 a failure, or not judged, 2 usage.

Example:
  go run ./tools/corpus --policies tools/corpus/testdata/policies.yaml \
    --fixture policy/testdata/corpus-fixture.sql policy/testdata/queries-dev.jsonl

Flags:
`

var errFailed = errors.New("not every query passed")

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
	err = run(ctx, o, os.Stdout, progress(os.Stderr))
	if err != nil && !errors.Is(err, errFailed) {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

func parse(args []string, w io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("corpus", flag.ContinueOnError)
	f.SetOutput(w)
	f.Usage = func() { fmt.Fprint(w, usage); f.PrintDefaults() }
	f.StringVar(&o.policies, "policies", "", "required: the policies assumed, in YAML")
	f.StringVar(&o.fixture, "fixture", "", "required: SQL that builds the data")
	only := f.String("only", "", "judge queries whose id or class matches this regular expression")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.verbose, "v", false, "say of every query what was done, and what is worth a note")
	f.BoolVar(&o.answers, "answers", false, "print the answers as well")
	f.BoolVar(&o.times, "times", false, "judge nothing: say how long the compiler takes")
	// Flags may stand behind the file as well.
	for err := f.Parse(args); ; err = f.Parse(f.Args()[1:]) {
		if err != nil {
			return o, err
		}
		if f.NArg() == 0 {
			break
		}
		if o.file != "" {
			o.file = ""
			break
		}
		o.file = f.Arg(0)
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil || o.policies == "" || o.fixture == "" || o.file == "" {
		fmt.Fprintln(w, "error: --policies, --fixture and one file of queries are required; -only takes a regular expression (see --help)")
		return o, errors.New("usage")
	}
	return o, nil
}

// progress writes to a terminal only.
func progress(f *os.File) func(done, all int) {
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return func(int, int) {}
	}
	return func(done, all int) {
		end := ""
		if done == all {
			end = "\r\x1b[K"
		}
		fmt.Fprintf(f, "\r%d of %d%s", done, all, end)
	}
}

func run(ctx context.Context, o options, w io.Writer, tell func(done, all int)) error {
	policies, err1 := os.ReadFile(o.policies)
	fixture, err2 := os.ReadFile(o.fixture)
	queries, err3 := os.ReadFile(o.file)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	lines, err := readLines(queries)
	if err != nil {
		return err
	}
	lines = slices.DeleteFunc(lines, func(l line) bool { return !o.only.MatchString(l.ID) && !o.only.MatchString(l.Class) })
	if len(lines) == 0 {
		return errors.New("no query to judge")
	}
	s, err := newSystem(ctx, policies, string(fixture))
	if err != nil {
		return err
	}
	defer s.close()
	if o.times {
		return s.compileTimes(w, lines)
	}
	j := &judge{system: s, ask: s.ask, tell: tell}
	verdicts, err := j.all(ctx, lines)
	if err != nil {
		return err
	}
	return report(w, verdicts, o)
}

// readLines reads a corpus. What it does not know is an error.
func readLines(src []byte) (out []line, err error) {
	sc := bufio.NewScanner(bytes.NewReader(src))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		if strings.TrimSpace(sc.Text()) == "" {
			continue
		}
		d := json.NewDecoder(strings.NewReader(sc.Text()))
		d.DisallowUnknownFields()
		var l line
		if err := d.Decode(&l); err != nil || l.ID == "" || l.SQL == "" || !slices.Contains([]string{"deny", "allow", "suppress"}, l.Expect) {
			return nil, fmt.Errorf("line %d is not a query of a corpus", n)
		}
		out = append(out, l)
	}
	return out, sc.Err()
}

func report(w io.Writer, verdicts []*verdict, o options) error {
	failed := 0
	for _, v := range verdicts {
		if !v.Passed {
			failed++
		}
	}
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err := e.Encode(map[string]any{"passed": len(verdicts) - failed, "failed": failed, "verdicts": verdicts})
		if err != nil || failed == 0 {
			return err
		}
		return errFailed
	}
	for _, v := range verdicts {
		v.write(w, o.verbose)
		if o.answers && v.answer != nil {
			if err := v.answer.WriteText(w); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", len(verdicts)-failed, failed)
	if failed > 0 {
		return errFailed
	}
	return nil
}

func (v *verdict) write(w io.Writer, verbose bool) {
	switch {
	case !v.Passed:
		fmt.Fprintf(w, "FAILED %s %s (expected %s): %s\n", v.ID, v.Class, v.Expect, v.Reason)
	case verbose && v.Reason != "":
		fmt.Fprintf(w, "passed %s %s (expected %s): %s\n", v.ID, v.Class, v.Expect, v.Reason)
	case verbose:
		fmt.Fprintf(w, "passed %s %s (expected %s): it ran\n", v.ID, v.Class, v.Expect)
	}
	if verbose {
		for _, n := range v.Notes {
			fmt.Fprintf(w, "  note: %s\n", n)
		}
	}
}
