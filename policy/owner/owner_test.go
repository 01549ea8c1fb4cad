package owner

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/cordon-exchange/cordon/policy"
)

func fingerprint(c string) string { return "cordon1" + strings.Repeat(c, 64) }

func filled(preset string) Draft {
	return Draft{Preset: preset, Analysts: []string{fingerprint("a")}, Operators: []string{fingerprint("b")}, Contributors: []string{fingerprint("c"), fingerprint("d")},
		Builds: []string{"sha256:" + strings.Repeat("0", 64)}, Evidence: []string{"simulated"}, Perimeters: []string{"process"}, Partner: "media.views",
		From: time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC)}
}

func TestPresets(t *testing.T) {
	for name, dataset := range Presets() {
		t.Run(name, func(t *testing.T) {
			text, err := New(filled(name))
			if err != nil {
				t.Fatal(err)
			}
			p, err := policy.Parse(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if p.Dataset() != dataset || !p.ValidUntil().Equal(time.Date(2027, 2, 28, 0, 0, 0, 0, time.UTC)) {
				t.Error("data set or validity", p.Dataset(), p.ValidUntil())
			}
			d := filled(name)
			d.Dataset = "mine"
			if text, err = New(d); err != nil || !strings.Contains(string(text), "dataset: mine\n") {
				t.Error(err)
			}
		})
	}
	if _, err := New(Draft{Preset: "nobody"}); !errors.Is(err, ErrPreset) {
		t.Error(err)
	}
}

// What is not filled in is refused where it stands.
func TestPlaceholdersAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		preset, word string
		drop         func(*Draft)
	}{
		"analysts":     {"patients", "ANALYST", func(d *Draft) { d.Analysts = nil }},
		"operators":    {"patients", "OPERATOR", func(d *Draft) { d.Operators = nil }},
		"builds":       {"patients", "BUILD", func(d *Draft) { d.Builds = nil }},
		"evidence":     {"patients", "EVIDENCE", func(d *Draft) { d.Evidence = nil }},
		"perimeters":   {"patients", "PERIMETER", func(d *Draft) { d.Perimeters = nil }},
		"contributors": {"competitors", "CONTRIBUTOR", func(d *Draft) { d.Contributors = nil }},
		"partner":      {"audience", "PARTNER", func(d *Draft) { d.Partner = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			d := filled(c.preset)
			c.drop(&d)
			text, err := New(d)
			if err != nil {
				t.Fatal(err)
			}
			_, err = policy.Parse(text)
			var s *policy.SyntaxError
			if !errors.As(err, &s) || s.Hint == "" {
				t.Fatalf("%v", err)
			}
			if rest := strings.Split(string(text), "\n")[s.Line-1][s.Col-1:]; !strings.HasPrefix(rest, c.word) {
				t.Errorf("the fault stands at %q", rest)
			}
		})
	}
}

func TestParseBuilds(t *testing.T) {
	zero, one := "sha256:"+strings.Repeat("0", 64), "sha256:"+strings.Repeat("1", 64)
	got, err := ParseBuilds([]byte("# builds\n\n" + zero + "  cordon-1.0\n" + one + "\tcordon-1.1\n" + one + " newest\n"))
	if err != nil || len(got) != 3 || got["cordon-1.0"] != zero || got["cordon-1.1"] != one || got["newest"] != one {
		t.Error(got, err)
	}
	for name, text := range map[string]string{
		"name twice": zero + " a\n" + one + " a\n", "no name": zero + "\n", "no digest": "sha256:00 a\n", "more on the line": zero + " a b\n", "too large": strings.Repeat("\n", MaxBuilds+1),
	} {
		if _, err := ParseBuilds([]byte(text)); !errors.Is(err, ErrBuilds) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseBuilds: what is read has the form of names and digests.
func FuzzParseBuilds(f *testing.F) {
	f.Add([]byte("sha256:" + strings.Repeat("0", 64) + "  cordon-1.0\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := ParseBuilds(src)
		if err != nil && got != nil {
			t.Fatal("names from a file that is refused")
		}
		for name, digest := range got {
			if !bytes.Contains(src, []byte(name)) || len(digest) != 71 {
				t.Fatal(name, digest)
			}
		}
	})
}

// The preset for competitors says what its numbers are not.
func TestCompetitorsCaveat(t *testing.T) {
	text, err := New(filled("competitors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"WITHDREW it in 2023", "no safe\n# harbour"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q", want)
		}
	}
}

// samples are all policies of the tests and all presets.
func samples(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	files, err := filepath.Glob("../testdata/policies/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no policies")
	}
	for _, f := range files {
		if out[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	for name := range Presets() {
		if out["preset "+name], err = New(filled(name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, kinds := range map[string][]string{"hardware": {"tdx-dcap", "snp", "nitro"}, "intel": {"sgx-dcap"}, "amd": {"snp", "tpm-software"}, "azure on SNP": {"azure-snp"}, "azure on TDX": {"azure-tdx"}} {
		d := filled("patients")
		d.Evidence = kinds
		if out["preset on "+name], err = New(d); err != nil {
			t.Fatal(err)
		}
	}
	out["hardware"] = bytes.Replace(out["preset on hardware"], []byte("  tcb_status"), []byte("  advisories: [INTEL-SA-00615]\n  debug: host-can-read-enclave-memory\n  tcb_status"), 1)
	return out
}

// The examples of the page for owners are policies.
func TestExamplesOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[policy.Mode]bool{}
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		p, err := policy.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if err := compiled(t).Validate(instance(parsed(t, []byte(text)))); err != nil {
			t.Error(err)
		}
		seen[p.Output()] = true
	}
	if len(seen) != 3 {
		t.Errorf("examples of %v", seen)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a document as editors see it: dates are text.
func instance(n *yaml.Node) any {
	switch n.Kind {
	case yaml.DocumentNode:
		return instance(n.Content[0])
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = instance(n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, instance(c))
		}
		return out
	}
	switch n.Tag {
	case "!!int", "!!float":
		return json.Number(n.Value)
	case "!!bool":
		return n.Value == "true"
	case "!!null":
		return nil
	}
	return n.Value
}

func parsed(t *testing.T, text []byte) *yaml.Node {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		t.Fatal(err)
	}
	return &n
}

// Schema and parser agree on all samples, and on each sample with one thing wrong: a key left out, a key too many, a value of
// another kind. Of columns that others refer to the schema can't know; there it may be the weaker one, never the stricter.
func TestSchemaAgreesWithTheParser(t *testing.T) {
	schema := compiled(t)
	faults, total := 0, 0
	for name, text := range samples(t) {
		doc := parsed(t, text)
		agree := func(what string, crossing bool) {
			t.Helper()
			b, err := yaml.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			_, perr := policy.Parse(b)
			serr := schema.Validate(instance(parsed(t, b)))
			if (serr == nil) != (perr == nil) && (!crossing || perr == nil) {
				t.Errorf("%s, %s: parser %v\nschema %v", name, what, perr, serr)
			}
			if perr != nil {
				faults++
			}
		}
		agree("as it is", false)
		if faults > 0 {
			t.Fatalf("%s is not accepted", name)
		}
		if strings.HasPrefix(name, "strikes-") && name != "strikes-templates.yaml" {
			continue // variants of one
		}
		each(doc.Content[0], "", func(n *yaml.Node, path string) {
			crossing := strings.HasPrefix(path, "/columns") || strings.HasPrefix(path, "/unit/column")
			if n.Kind == yaml.MappingNode {
				before := n.Content
				for i := 0; i < len(before); i += 2 {
					n.Content = append(append([]*yaml.Node{}, before[:i]...), before[i+2:]...)
					agree("without "+path+"/"+before[i].Value, crossing)
				}
				n.Content = append(append([]*yaml.Node{}, before...), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "zzz"}, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"})
				agree("with another key in "+path, crossing)
				n.Content = before
			}
			before := *n
			for _, other := range []yaml.Node{
				{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: "?!"}, {Kind: yaml.ScalarNode, Tag: "!!int", Value: "-7"},
				{Kind: yaml.ScalarNode, Tag: "!!int", Value: "2000000000"}, {Kind: yaml.SequenceNode, Tag: "!!seq"}, {Kind: yaml.MappingNode, Tag: "!!map"},
			} {
				if strings.HasSuffix(path, "/sql") && other.Value == "?!" || strings.Contains(path, "/values/") || strings.HasPrefix(path, "/output/lattice") || strings.Contains(path, "/on/") || strings.Contains(path, "/standing/0/purposes") {
					continue // a text like others to a schema
				}
				*n = other
				agree(fmt.Sprintf("%s as %q", path, other.Tag+other.Value), crossing)
			}
			*n = before
		})
		total, faults = total+faults, 0
	}
	if total < 1000 {
		t.Errorf("only %d faults were seen", total)
	}
	t.Logf("%d faults", total)
}

var update = flag.Bool("update", false, "rewrite the golden files")

func TestExplain(t *testing.T) {
	for _, name := range []string{"strikes.yaml", "loans-free.yaml", "sales-free.yaml", "patients-dp.yaml", "strikes-ticks.yaml", "preset competitors", "preset on hardware", "preset on amd", "hardware"} {
		t.Run(name, func(t *testing.T) {
			p, err := policy.Parse(samples(t)[name])
			if err != nil {
				t.Fatal(err)
			}
			got := Explain(p).Text()
			file := filepath.Join("testdata", "explain", strings.ReplaceAll(strings.TrimSuffix(name, ".yaml"), " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s has now\n%s", file, got)
			}
		})
	}
}

func each(n *yaml.Node, path string, visit func(*yaml.Node, string)) {
	visit(n, path)
	for i := range n.Content {
		switch n.Kind {
		case yaml.MappingNode:
			if i%2 == 1 {
				each(n.Content[i], path+"/"+n.Content[i-1].Value, visit)
			}
		case yaml.SequenceNode:
			each(n.Content[i], fmt.Sprintf("%s/%d", path, i), visit)
		}
	}
}
