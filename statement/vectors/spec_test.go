package vectors_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

var example = regexp.MustCompile("(?s)<!-- vector: ([^>]*?) -->\n```json\n(.*?)```\n")

// TestSpecExamples: the examples of the spec pages are the vectors.
func TestSpecExamples(t *testing.T) {
	pages, err := filepath.Glob("../../docs/spec/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, page := range pages {
		src, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		want := example.ReplaceAllFunc(src, func(block []byte) []byte {
			seen++
			name := string(example.FindSubmatch(block)[1])
			return []byte("<!-- vector: " + name + " -->\n```json\n" + pretty(t, exampleText(t, name)) + "```\n")
		})
		if *update && !bytes.Equal(src, want) {
			if err := os.WriteFile(page, want, 0o644); err != nil {
				t.Fatal(err)
			}
			src = want
		}
		if !bytes.Equal(src, want) {
			t.Errorf("an example in %s is not its vector; -update writes it", filepath.Base(page))
		}
	}
	if seen < 15 {
		t.Fatalf("only %d examples found", seen)
	}
}

// exampleText finds the vector that an example names.
func exampleText(t *testing.T, name string) string {
	t.Helper()
	switch kind, which, _ := strings.Cut(name, " "); kind {
	case "statement":
		for _, s := range vectors.Statements().Success {
			if s.Name == which {
				return s.Payload
			}
		}
	case "envelope":
		for _, e := range vectors.Envelopes().Success {
			if e.Name == which {
				return e.Envelope
			}
		}
	case "message":
		for _, m := range vectors.AllMessages() {
			if m.Name == which {
				return m.Text
			}
		}
	case "body":
		return vectors.AllHashes().Bodies[0].Body
	case "wrapped":
		return string(encode(t, vectors.AllSealing().Wrapped[0]))
	case "evidence":
		return vectors.AllEvidence()[0].Evidence
	case "report":
		var e statement.Evidence
		var s raw
		if json.Unmarshal([]byte(vectors.AllEvidence()[0].Evidence), &e) != nil || json.Unmarshal(e.Raw, &s) != nil {
			t.Fatal("evidence can't be read")
		}
		return string(s.Report)
	}
	t.Fatalf("no vector %q", name)
	return ""
}

// pretty prints JSON for people: short values on one line, long ones cut.
func pretty(t *testing.T, src string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(src))
	d.UseNumber()
	var out strings.Builder
	value(t, d, &out, "")
	return fold(out.String()) + "\n"
}

const longest = 110

func value(t *testing.T, d *json.Decoder, out *strings.Builder, indent string) {
	tok, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch tok := tok.(type) {
	case json.Delim:
		container(t, d, out, indent, tok)
	case string:
		out.WriteString(cut(t, tok))
	default:
		b, err := json.Marshal(tok)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
}

func container(t *testing.T, d *json.Decoder, out *strings.Builder, indent string, open json.Delim) {
	inner, n := indent+"  ", 0
	out.WriteString(open.String())
	for ; d.More(); n++ {
		var item strings.Builder
		if open == '{' {
			value(t, d, &item, inner)
			item.WriteString(": ")
		}
		value(t, d, &item, inner)
		switch {
		case open == '[' && n == 2:
			out.WriteString(",\n" + inner + "…")
		case open == '[' && n > 2:
		default:
			if n > 0 {
				out.WriteString(",")
			}
			out.WriteString("\n" + inner + item.String())
		}
	}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	if n > 0 {
		out.WriteString("\n" + indent)
	}
	out.WriteString(string(open + 2)) // '}' and ']' are two behind '{' and '['
}

// cut shortens long text, and identifiers to what tells them apart.
func cut(t *testing.T, s string) string {
	for _, prefix := range []string{"sha256:", "cordon1", "ed25519:"} {
		if strings.HasPrefix(s, prefix) && len(s) == len(prefix)+64 {
			s = s[:len(prefix)+8] + "…"
		}
	}
	if len(s) > 64 {
		s = s[:48] + "…"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// fold puts innermost objects and lists on one line where they fit.
func fold(s string) string {
	block := regexp.MustCompile(`([{\[])\n\s+([^{}\[\]]*?)\n\s*([}\]])`)
	return block.ReplaceAllStringFunc(s, func(m string) string {
		one := regexp.MustCompile(`\n\s*`).ReplaceAllString(m, " ")
		one = one[:1] + strings.TrimSpace(one[1:len(one)-1]) + one[len(one)-1:]
		if len(one) > longest {
			return m
		}
		return one
	})
}
