package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// programs are those that make build made.
func programs(t *testing.T) options {
	t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cordon", "cordon-enclave"} {
		_, err := os.Stat(filepath.Join(bin, name))
		need.That(t, err == nil, "bin/"+name+" is not built: run make build")
	}
	for name, of := range map[string]string{"versitygw": "make deps", "pg_dump": "apt-get install postgresql-15", "ip": "apt-get install iproute2"} {
		_, err := exec.LookPath(name)
		need.That(t, err == nil, name+" is not installed: "+of)
	}
	out, err := os.MkdirTemp("", "chaos-") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(out)
		}
	})
	began := time.Now()
	return options{bin: bin, out: out, lease: 5 * time.Second, say: func(format string, args ...any) {
		t.Logf("%7.1fs  %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}}
}

// TestKills: thirty processes are killed, one after the other, and nothing is lost. It takes about 80 seconds.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes over a minute")
	}
	t.Parallel()
	const kills = 30
	o := programs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	seed := rand.Uint64()
	a, err := chaos(ctx, o, kills, 2*time.Second, seed)
	if err != nil {
		t.Fatalf("seed %d: %v (logs in %s)", seed, err, o.out)
	}
	t.Log(a)
	for _, f := range a.Faults {
		t.Errorf("seed %d: %s (logs in %s)", seed, f, o.out)
	}
	if len(a.Kills) != kills || a.Jobs < kills || a.Agreements == 0 || a.Logs != len(owners)+1 || a.Orders == 0 || a.Sold == 0 || a.Checked.Statements == 0 || a.Checked.Objects == 0 {
		t.Errorf("seed %d: too little went on to show anything: %s", seed, a)
	}
}

// TestProofsFail: each proof finds what it is for.
func TestProofsFail(t *testing.T) {
	now := time.Now()
	kill := func(of string, ago time.Duration) killing { return killing{N: 1, Of: of, At: now.Add(-ago)} }
	failed := func(code string) *job {
		return &job{Digest: "sha256:f", Owners: []string{"alpha"}, Submitted: now.Add(-10 * time.Second), Ended: now, State: "failed", Code: code}
	}
	again := func(j *job) *job { j.Attempts = 2; return j }
	good := func() []*job {
		var out []*job
		for i := range 40 {
			out = append(out, &job{Digest: fmt.Sprint("sha256:", i), Owners: []string{"alpha"}, State: "done", Opened: true})
		}
		return out
	}
	charge := func(job string, n int64) entry { return entry{Kind: "charge", Job: job, Charged: n} }
	goodCharges := func() []entry {
		var out []entry
		for _, j := range good() {
			out = append(out, charge(j.Digest, price), entry{Kind: "release", Job: j.Digest})
		}
		return out
	}
	for name, c := range map[string]struct {
		jobs    []*job
		kills   []killing
		entries []entry
		want    string // "": no fault
	}{
		"all is well":             {good(), nil, goodCharges(), ""},
		"excused by its kill":     {append(good(), failed("no-answer:alpha")), []killing{kill("agent-alpha", 5*time.Second)}, goodCharges(), ""},
		"no kill":                 {append(good(), failed("no-answer:alpha")), nil, goodCharges(), "no kill explains it"},
		"kill of another":         {append(good(), failed("no-answer:alpha")), []killing{kill("agent-bravo", 5*time.Second)}, goodCharges(), "no kill explains it"},
		"kill long before":        {append(good(), failed("no-answer:alpha")), []killing{kill("agent-alpha", time.Hour)}, goodCharges(), "no kill explains it"},
		"kill afterwards":         {append(good(), failed("no-answer:alpha")), []killing{kill("agent-alpha", -time.Second)}, goodCharges(), "no kill explains it"},
		"refused at once":         {append(good(), failed("refused:alpha")), []killing{kill("host-1", 5*time.Second)}, goodCharges(), "no kill explains it"},
		"refused after a loss":    {append(good(), again(failed("refused:alpha"))), []killing{kill("enclave of host-1", 5*time.Second)}, goodCharges(), ""},
		"what no kill can do":     {append(good(), failed("bad-data:alpha")), []killing{kill("s3", 5*time.Second)}, goodCharges(), "no kill explains it"},
		"too few results":         {append(good(), failed("host-lost"), failed("host-lost"), failed("host-lost")), []killing{kill("host-1", 5*time.Second)}, goodCharges(), "less than 95 %"},
		"nothing was done":        {nil, nil, nil, "nothing was submitted"},
		"charged twice":           {good(), nil, append(goodCharges(), charge("sha256:3", price)), "charged job sha256:3 2 times"},
		"not charged":             {good(), nil, goodCharges()[2:], "charged it 0 times"},
		"released before":         {good(), nil, append([]entry{{Kind: "release", Job: "sha256:0"}}, goodCharges()...), "before it was charged"},
		"another price":           {good(), nil, append(goodCharges()[2:], charge("sha256:0", price-1)), "its price is 3"},
		"charged by another":      {[]*job{{Digest: "sha256:0", Owners: []string{"bravo"}, State: "done", Opened: true}}, nil, []entry{charge("sha256:0", price)}, "not about its data"},
		"failed and charged once": {append(good(), failed("host-lost")), []killing{kill("host-1", 5*time.Second)}, append(goodCharges(), charge("sha256:f", price)), ""},
	} {
		w := &world{options: options{say: t.Logf}}
		a := &account{Kills: c.kills}
		w.judgeJobs(a, c.jobs, resultShare)
		w.judgeCharges(a, c.jobs, map[string]map[string]int{"alpha": w.charges(a, "alpha", c.entries)})
		got := strings.Join(w.faults(), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestLostIsFound: what was confirmed and is not there is found, and what fsck finds.
func TestLostIsFound(t *testing.T) {
	o := programs(t)
	w, err := newWorld(t.Context(), o)
	defer w.stop()
	if err != nil {
		t.Fatal(err)
	}
	r := &records{}
	if !askOnce(t.Context(), w, r, w.contracts[3]) {
		t.Fatal("no job was submitted")
	}
	if a := w.prove(t.Context(), r, nil, resultShare); len(a.Faults) > 0 || a.Results != 1 || a.Charges != 2 {
		t.Fatalf("%s: %v", a, a.Faults)
	}
	w.moment = time.Second
	lost := "sha256:" + strings.Repeat("0", 64)
	r.orders = append(r.orders, lost)
	r.jobs = append(r.jobs, &job{Digest: lost, State: "done", Opened: true})
	r.agreements = append(r.agreements, &agreement{contract: lost}, &agreement{contract: w.contracts[0].digest, granted: []string{"alpha", "bravo"}})
	// Credits that nobody paid in.
	var out json.RawMessage
	if err := w.json(t.Context(), &out, "exchange", "credit", "deposit", "--home", w.path("exchange-2"), "--party", w.buyer, "--amount", "1", "--reference", "bank-2"); err != nil {
		t.Fatal(err)
	}
	// The object of an offer in force.
	if err := os.RemoveAll(filepath.Join(w.s3.Dir, "lake")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(w.s3.Dir, "lake"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(w.prove(t.Context(), r, nil, resultShare).Faults, "\n")
	for _, want := range []string{"job " + lost + " was confirmed", "contract " + lost + " was confirmed", "and has 1 grants", "fsck: exit 4", "order " + lost + " was confirmed", "money: "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}
