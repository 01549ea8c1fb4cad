package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

const usage = `Usage: evidence [flags] FOLDER

Replay recorded evidence. FOLDER holds cases.json, and is then named after its kind
(or -kind says which it is), or folders that do. Judged are the verdict, the stage
of refusal, and every value that a case lists.

One line for each failure: FAILED ID (expected EXPECT): REASON; last "N passed, N failed".
A kind without a verifier fails all its cases.

Exit codes: 0 all passed, 1 a failure, or not judged, 2 usage.

Example:
  go run ./tools/evidence evidence/testdata

Flags:
`

type options struct {
	folder, kind  string
	json, verbose bool
}

var errFailed = errors.New("not every case passed")

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	err = run(o, kinds(), os.Stdout)
	if err != nil && !errors.Is(err, errFailed) {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

func parse(args []string, w io.Writer) (o options, err error) {
	f := flag.NewFlagSet("evidence", flag.ContinueOnError)
	f.SetOutput(w)
	f.Usage = func() { fmt.Fprint(w, usage); f.PrintDefaults() }
	f.StringVar(&o.kind, "kind", "", "kind of evidence in FOLDER, if its name does not say")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.verbose, "v", false, "say of every case what came out")
	// Flags may stand behind the folder as well.
	var folders []string
	for err = f.Parse(args); err == nil && f.NArg() > 0; err = f.Parse(f.Args()[1:]) {
		folders = append(folders, f.Arg(0))
	}
	if err != nil {
		return o, err
	}
	if len(folders) != 1 {
		fmt.Fprintln(w, "error: name one folder (see --help)")
		return o, errors.New("usage")
	}
	o.folder = folders[0]
	return o, nil
}

// verdict on one case.
type verdict struct {
	ID      string   `json:"id"` // kind and id
	Expect  string   `json:"expect"`
	Passed  bool     `json:"passed"`
	Wrong   []string `json:"wrong,omitempty"`
	Refusal string   `json:"refusal,omitempty"`
}

func run(o options, kinds map[string]kindOf, w io.Writer) error {
	folders, err := find(o)
	if err != nil {
		return err
	}
	var all []verdict
	for _, f := range folders {
		list, err := cases.Load(f.dir)
		if err != nil {
			return err
		}
		for _, c := range list {
			all = append(all, one(f.kind, c, kinds[f.kind]))
		}
	}
	return report(o, all, w)
}

type folder struct{ kind, dir string }

// find lists the folders with cases. To find none is an error.
func find(o options) (out []folder, err error) {
	dir, err := filepath.Abs(o.folder)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, cases.FileName)); err == nil {
		if o.kind == "" {
			o.kind = filepath.Base(dir)
		}
		return []folder{{o.kind, dir}}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		sub := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(sub, cases.FileName)); err == nil {
			out = append(out, folder{e.Name(), sub})
		}
	}
	if len(out) == 0 || o.kind != "" {
		return nil, fmt.Errorf("no %s in %s, or in a folder of it where -kind is not given", cases.FileName, o.folder)
	}
	return out, nil
}

func one(kind string, c *cases.Case, of kindOf) verdict {
	v := verdict{ID: kind + "/" + c.ID, Expect: c.Expect}
	if c.RejectStage != "" {
		v.Expect += " at " + c.RejectStage
	}
	if of == nil {
		v.Wrong = []string{"no verifier for evidence of kind " + kind}
		return v
	}
	o := judge(c, of(c))
	if o.Err != nil {
		v.Refusal = o.Err.Error()
	}
	v.Wrong = c.Compare(o)
	v.Passed = len(v.Wrong) == 0
	return v
}

func report(o options, all []verdict, w io.Writer) error {
	failed := len(all) - len(slices.DeleteFunc(slices.Clone(all), func(v verdict) bool { return !v.Passed }))
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(map[string]any{"passed": len(all) - failed, "failed": failed, "verdicts": all}); err != nil {
			return err
		}
	} else {
		for _, v := range all {
			v.write(w, o.verbose)
		}
		fmt.Fprintf(w, "%d passed, %d failed\n", len(all)-failed, failed)
	}
	if failed > 0 {
		return errFailed
	}
	return nil
}

func (v verdict) write(w io.Writer, verbose bool) {
	switch {
	case !v.Passed:
		fmt.Fprintf(w, "FAILED %s (expected %s): %s\n", v.ID, v.Expect, strings.Join(v.Wrong, "; "))
	case verbose && v.Refusal != "":
		fmt.Fprintf(w, "passed %s (expected %s): %s\n", v.ID, v.Expect, v.Refusal)
	case verbose:
		fmt.Fprintf(w, "passed %s (expected %s)\n", v.ID, v.Expect)
	}
}
