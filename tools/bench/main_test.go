package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		only []string
		ok   bool
	}{
		{"all parts", nil, nil, true},
		{"one part", []string{"-only", "tpch"}, []string{"tpch"}, true},
		{"two parts", []string{"-only", "tpch,cold"}, []string{"tpch", "cold"}, true},
		{"none, to render", []string{"-render"}, []string{}, true},
		{"a part that is not there", []string{"-only", "tpch,tcph"}, nil, false},
		{"an empty name", []string{"-only", "tpch,"}, nil, false},
		{"a space before a name", []string{"-only", "tpch, cold"}, nil, false},
		{"something behind the flags", []string{"tpch"}, nil, false},
		{"no scale", []string{"-sf", "0"}, nil, false},
		{"a scale that is no number", []string{"-sf", "NaN"}, nil, false},
		{"no rounds", []string{"-rounds", "0"}, nil, false},
		{"one size of rows", []string{"-rows", "6"}, nil, false},
		{"too many rows", []string{"-rows", "9"}, nil, false},
		{"few jobs", []string{"-cold", "9"}, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := parse(tc.args, io.Discard)
			if (err == nil) != tc.ok {
				t.Fatal(err)
			}
			if tc.ok && ((o.only == nil) != (tc.only == nil) || !slices.Equal(o.only, tc.only)) {
				t.Errorf("%q, not %q", o.only, tc.only)
			}
		})
	}
	if _, err := parse([]string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

func TestScaleOf(t *testing.T) {
	for s, want := range map[string]float64{"": 1, "10": 10, "0.01": 0.01, "ten": 0} {
		if got := scaleOf(s); got != want {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// The page in docs, once figures stand beside it, is what -render makes of them: nobody wrote into it by hand.
func TestPageIsRendered(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	p, err := page(docs)
	if err != nil {
		t.Fatal(err)
	}
	compare := func(path string, want []byte) {
		got, err := os.ReadFile(filepath.Join(docs, path))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("docs/%s is not its render: run 'go run ./tools/bench -render'", path)
		}
	}
	compare("benchmarks.md", p.Text)
	for name, svg := range p.Plots {
		compare(filepath.Join(figure.Folder, name), svg)
	}
}
