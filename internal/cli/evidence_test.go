package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/evidence/exhibit"
	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

const recorded = "../../evidence/testdata"

// argumentsOf are the words that judge a case as its collection demands.
func argumentsOf(c *cases.Case, dir string) []string {
	in := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	args := []string{"evidence", "verify", in(c.File), "--json", "--at", c.At.Format("2006-01-02T15:04:05Z")}
	add := func(is bool, words ...string) {
		if is {
			args = append(args, words...)
		}
	}
	add(c.Collateral != "", "--collateral", in(c.Collateral))
	for _, e := range c.Endorsements {
		add(true, "--endorsement", in(e))
	}
	add(strings.HasSuffix(c.Root, ".pem"), "--root", in(c.Root))
	add(c.RequireText("iss") != "", "--issuer", c.RequireText("iss"))
	add(c.RequireText("aud") != "", "--audience", c.RequireText("aud"))
	add(c.RequireText("eat_nonce") != "", "--nonce", c.RequireText("eat_nonce"))
	add(strings.HasSuffix(c.File, ".jwt") && c.RequireText("eat_nonce") == "", "--any-nonce")
	add(c.RequireBool("allow_debug"), "--allow-debug")
	nonce := c.RequireText("nonce_hex")
	if p := c.RequireText("nonce_prefix_hex"); p != "" {
		nonce = p + hex.EncodeToString(make([]byte, 64-len(p)/2))
	}
	add(nonce != "", "--nonce-hex", nonce, "--ak-as-given")
	return args
}

// TestEvidenceOfEveryCase: the command gives every recorded case its verdict, at its stage, with its debug mark and an exit code
// that fits.
func TestEvidenceOfEveryCase(t *testing.T) {
	lists, err := filepath.Glob(filepath.Join(recorded, "*", cases.FileName))
	if err != nil || len(lists) < 6 {
		t.Fatal("collections are missing", lists, err)
	}
	for _, name := range lists {
		dir := filepath.Dir(name)
		list, err := cases.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			t.Run(filepath.Base(dir)+"/"+c.ID, func(t *testing.T) { replay(t, c, argumentsOf(c, dir)) })
		}
	}
}

func replay(t *testing.T, c *cases.Case, args []string) {
	var out, errs bytes.Buffer
	code := Run(t.Context(), args, &out, &errs)
	var v verdictJSON
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatalf("exit %d, %v: %s %s", code, err, &out, &errs)
	}
	if accepted := c.Expect == cases.Accept; v.Proved != accepted || (code == 0) != accepted {
		t.Fatalf("proved %v, exit %d: %s", v.Proved, code, &errs)
	}
	if c.Debug != nil && *c.Debug && !strings.Contains(strings.Join(v.Marks, "\n"), "DEBUG: ") {
		t.Error("debug is not marked")
	}
	if c.Expect == cases.Accept {
		if v.Root == "" {
			t.Error("by whose root?")
		}
		return
	}
	checks := v.Checks
	if v.Hardware != nil {
		checks = append(checks, v.Hardware.Checks...)
	}
	failed := map[string]bool{}
	for _, x := range checks {
		failed[x.Name] = failed[x.Name] || x.State == exhibit.Failed
	}
	if !failed[c.RejectStage] {
		t.Errorf("not refused at %s: %+v", c.RejectStage, checks)
	}
	want := map[string]int{"tcb-status": 6, "tcb-nolevel": 6, "debug": 6}[c.RejectStage]
	switch {
	case failed["parse"]: // one has data behind the quote as well
		want = 3
	case want == 0, failed["no-collateral"]:
		want = 4
	}
	if code != want {
		t.Errorf("exit %d, want %d: %s", code, want, &errs)
	}
}

// TestEvidenceEscapes: text out of evidence can't take over a terminal.
func TestEvidenceEscapes(t *testing.T) {
	if got := ascii("a\x1b[2J\u009b\u202eb\nc"); got != `a\u001b[2J\u009b\u202eb; c` {
		t.Errorf("%q", got)
	}
}
