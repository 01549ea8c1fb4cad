package ledger

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vector is a ledger with its head, and ways to spoil it (docs/spec/ledger.md, section 6).
type vector struct {
	Owner  statement.Fingerprint `json:"owner"`
	Lines  []string              `json:"lines"`
	Head   Head                  `json:"head"`
	Refuse []struct {
		Name  string   `json:"name"`
		Lines []string `json:"lines"`
		Entry int      `json:"damaged_at"`
	} `json:"refuse"`
}

func story() []Entry {
	job, contract := digest("job"), digest("contract")
	asker := statement.Fingerprint("cordon1" + "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
	return []Entry{
		{Kind: KindPublish, About: digest("offer"), Name: "strikes", Version: "1"},
		{Kind: KindGrant, Contract: contract, Requester: asker, Grant: digest("grant"), Authority: statement.ByRule},
		{Kind: KindCharge, Job: job, Contract: contract, Requester: asker, Plan: digest("plan"), Grant: digest("grant"), Charged: 7},
		{
			Kind: KindRelease, Job: job, Contract: contract, Requester: asker, Session: digest("session"), Plan: digest("plan"), Evidence: digest("evidence"),
			Ready: digest("ready"), Grant: digest("grant"), Release: digest("release"), Number: 1, Charged: 7,
			Columns: []statement.Opening{{Offer: digest("offer"), Columns: []string{"cost", "size"}}},
		},
		{Kind: KindClose, Job: job, Release: digest("release"), Receipt: digest("receipt"), Outcome: "result", Bytes: 4711},
		{Kind: KindRefusal, Job: job, Contract: contract, Requester: asker, Stage: "hello", Code: "replayed", Reason: "a receipt closed this job: it is not answered again"},
		{
			Kind: KindBudget, Job: job, Contract: contract, Requester: asker, Release: digest("question"), Name: "strikes",
			Epsilon: "1/10", Rho: "1/200", Delta: "1/4000000",
		},
		{Kind: KindApprove, About: digest("list"), Requester: asker, Name: "officers", Approval: digest("approval")},
		{Kind: KindOfficers, About: digest("list")},
		{Kind: KindExhaust, About: digest("record"), Name: "strikes"},
		{Kind: KindRepair, About: digest("record"), Reason: "disk lost"},
		{Kind: KindKey, About: digest("operation"), Name: "rotate"},
		{
			Kind: KindCharge, Job: digest("another job"), Contract: contract, Requester: asker, Plan: digest("plan"), Grant: digest("grant"), Charged: 135,
			Offers: []statement.Digest{digest("offer"), digest("another offer")}, UntilMS: 1_700_000_600_000, Flat: []statement.Digest{digest("offer")},
			Day: []statement.Digest{digest("another offer"), digest("offer")},
		},
	}
}

func TestVectors(t *testing.T) {
	file := filepath.Join("testdata", "ledger.json")
	if *update {
		writeVectors(t, file)
	}
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(src, &v); err != nil || len(v.Lines) != len(story()) || len(v.Refuse) == 0 {
		t.Fatalf("%d lines, %d to refuse: %v", len(v.Lines), len(v.Refuse), err)
	}
	entries, head, _, err := parse(joined(v.Lines), v.Owner)
	if err != nil || head != v.Head || len(entries) != len(v.Lines) {
		t.Fatalf("%d entries, head %v: %v", len(entries), head, err)
	}
	for i, e := range entries { // what this code writes today is what stands there
		want := story()[i]
		want.Seq, want.Previous, want.AtMS = e.Seq, e.Previous, e.AtMS
		if line, err := encodeEntry(want); err != nil || string(line) != v.Lines[i] {
			t.Errorf("entry %d is written otherwise: %v", e.Seq, err)
		}
	}
	for _, c := range v.Refuse {
		if _, _, _, err := parse(joined(c.Lines), v.Owner); err == nil || !contains(err, fmt.Sprintf("entry %d:", c.Entry)) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

func joined(lines []string) []byte { return []byte(strings.Join(lines, "\n") + "\n") }

func contains(err error, s string) bool { return strings.Contains(err.Error(), s) }

func writeVectors(t *testing.T, file string) {
	t.Helper()
	f := &flaky{room: -1}
	l, err := load(f, nil, owner, clock)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range story() {
		e.AtMS = clock().UnixMilli() + int64(i)
		if _, err := l.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSuffix(string(f.b), "\n"), "\n")
	v := vector{Owner: owner, Lines: lines, Head: l.Head()}
	spoil := func(name string, at int, change func([]string) []string) {
		v.Refuse = append(v.Refuse, struct {
			Name  string   `json:"name"`
			Lines []string `json:"lines"`
			Entry int      `json:"damaged_at"`
		}{name, change(slices.Clone(lines)), at})
	}
	spoil("an entry removed", 3, func(l []string) []string { return slices.Delete(l, 2, 3) })
	spoil("the first entry removed", 1, func(l []string) []string { return l[1:] })
	spoil("entries swapped", 2, func(l []string) []string { l[1], l[2] = l[2], l[1]; return l })
	spoil("a number changed", 5, func(l []string) []string { l[3] = strings.Replace(l[3], `"number":1`, `"number":2`, 1); return l })
	spoil("an unknown field", 1, func(l []string) []string { l[0] = strings.Replace(l[0], "{", `{"x":1,`, 1); return l })
	spoil("a space", 1, func(l []string) []string { l[0] += " "; return l })
	spoil("an unknown kind", 1, func(l []string) []string { l[0] = strings.Replace(l[0], `"publish"`, `"other"`, 1); return l })
	spoil("a release without its evidence", 4, func(l []string) []string {
		l[3] = strings.Replace(l[3], `"evidence":"`+string(digest("evidence"))+`",`, "", 1)
		return l
	})
	for _, c := range []struct{ name, from, to string }{
		{"a budget's charge of no data set", `,"name":"strikes","epsilon"`, `,"epsilon"`},
		{"a budget's charge without a cost", `,"rho":"1/200"`, ``},
		{"a budget's charge of nothing", `"rho":"1/200"`, `"rho":"0"`},
		{"a budget's charge not in lowest terms", `"rho":"1/200"`, `"rho":"2/400"`},
		{"a budget's charge below zero", `"rho":"1/200"`, `"rho":"-1/200"`},
		{"a budget's charge without delta", `,"delta":"1/4000000"`, ``},
		{"a budget's charge with another epsilon", `"epsilon":"1/10"`, `"epsilon":"0.1"`},
		{"a budget's charge of nobody", `,"requester":"cordon1` + strings.Repeat("b", 64) + `"`, ``},
	} {
		spoil(c.name, 7, func(l []string) []string { l[6] = strings.Replace(l[6], c.from, c.to, 1); return l })
	}
	for _, c := range []struct{ name, from, to string }{
		{"a charge of a day of an offer that it is not for", `"day":["` + string(digest("another offer")), `"day":["` + string(digest("x"))},
		{"a charge of one day twice", `"day":["` + string(digest("another offer")), `"day":["` + string(digest("offer"))},
		{"a charge of a contract without an end", `,"until_ms":1700000600000`, ``},
	} {
		spoil(c.name, 13, func(l []string) []string { l[12] = strings.Replace(l[12], c.from, c.to, 1); return l })
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll("testdata", 0o755)
	}
	if err == nil {
		err = os.WriteFile(file, append(b, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
