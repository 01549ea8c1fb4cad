package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A golden file is a list of cases. A case has lines "key: value" that change the request, the SQL, "----", and what
// comes of it: the plan and its explanation, or the refusal as the analyst sees it. A line of "====" ends it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, c := range strings.Split(strings.TrimSuffix(string(b), "====\n"), "====\n") {
		question, want, _ := strings.Cut(c, "----\n")
		got := answer(t, question)
		if got != want && !*update {
			t.Errorf("%s\nhas now\n%s\nwant\n%s", question, got, want)
		}
		out.WriteString(question + "----\n" + got + "====\n")
	}
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func answer(t *testing.T, question string) string {
	policies := "strikes strikes strikes"
	var settings []string
	for {
		line, rest, ok := strings.Cut(question, "\n")
		if !ok || !strings.Contains(line, ": ") || strings.HasPrefix(line, "SELECT") || strings.HasPrefix(line, "WITH") || strings.HasPrefix(line, "--") {
			break
		}
		if p, is := strings.CutPrefix(line, "policies: "); is {
			policies = p
		} else {
			settings = append(settings, line)
		}
		question = rest
	}
	var r policy.Request
	if policies == "free" { // those of the corpus, which take the whole grammar
		r = freeWorld(t)
	} else {
		r = world(t, strings.Fields(policies)...)
	}
	for _, s := range settings {
		set(t, &r, s)
	}
	r.SQL = strings.TrimSuffix(question, "\n")
	plan, err := policy.Compile(r)
	var ref *policy.Refusal
	if errors.As(err, &ref) {
		return ref.Render(r.SQL)
	}
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, plan.Encode(), "", " "); err != nil {
		t.Fatal(err)
	}
	return plan.Explain().Text() + plan.Digest() + "\n" + indented.String() + "\n"
}

func set(t *testing.T, r *policy.Request, line string) {
	key, value, _ := strings.Cut(line, ": ")
	switch key {
	case "requester":
		r.Requester = fingerprint(value)
	case "recipients":
		r.Recipients = nil
		for _, c := range strings.Fields(value) {
			r.Recipients = append(r.Recipients, fingerprint(c))
		}
	case "purpose":
		r.Purpose = value
	case "encoding":
		r.Encoding = value
	case "operator":
		r.Operator = fingerprint(value)
	case "year":
		year := map[string]int{"2025": -1, "2027": 1}[value]
		r.At = r.At.AddDate(year, 0, 0)
	case "param":
		typ, v, _ := strings.Cut(value, " ")
		r.Params = append(r.Params, policy.Param{Type: policy.Type(typ), Value: v})
	default:
		t.Fatalf("unknown setting %q", line)
	}
}
