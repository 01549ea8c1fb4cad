package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// account is what a run has shown.
type account struct {
	Seed       uint64    `json:"seed"`
	Kills      []killing `json:"kills"`
	Seconds    float64   `json:"seconds"`
	Jobs       int       `json:"jobs"`    // confirmed
	Results    int       `json:"results"` // opened, each with its receipt
	Again      int       `json:"again"`   // results that took more than one attempt
	Excused    []*job    `json:"excused"` // without a result, each with the kill that ended it
	Agreements int       `json:"agreements"`
	Grants     int       `json:"grants"`
	Orders     int       `json:"orders"`
	Sold       int64     `json:"sold"` // credits
	Logs       int       `json:"logs"` // parties for whom the log verifies
	Unanswered int       `json:"unanswered"`
	Charges    int       `json:"charges"`
	Unused     int       `json:"unused"` // charges of jobs without a result
	Open       int       `json:"open"`   // exposures without a receipt
	Checked    checked   `json:"checked"`
	Away       absence   `json:"away"`
	Faults     []string  `json:"faults"`
}

// checked is what fsck looked at.
type checked struct {
	Statements, Parties, Jobs, Items, Objects, Faults int64
}

// absence is how long each kind of process was away at longest, in seconds.
type absence map[string]float64

// resultShare of the confirmed jobs must have ended in a result.
const resultShare = 0.95

// prove looks for everything that was confirmed, and at what was charged. A share of the jobs at least must have ended in a result.
func (w *world) prove(ctx context.Context, r *records, kills []killing, share float64) *account {
	a := &account{Kills: kills, Jobs: len(r.jobs), Agreements: len(r.agreements), Unanswered: r.unanswered, Away: absence{}}
	w.judgeJobs(a, r.jobs, share)
	w.fsck(ctx, a)
	w.confirmed(ctx, a, r)
	w.logs(ctx, a)
	charged := map[string]map[string]int{}
	for _, o := range owners {
		charged[o] = w.ledger(ctx, a, o)
	}
	w.judgeCharges(a, r.jobs, charged)
	w.judgeMoney(ctx, a, r)
	for _, s := range slices.Concat(w.exchanges, w.hosts, agentsOf(w)) {
		kind, _, _ := strings.Cut(s.called, "-")
		a.Away[kind] = max(a.Away[kind], s.longest.Seconds())
	}
	a.Faults = w.faults()
	return a
}

// judgeJobs counts results, and finds the kill for every job that has none.
func (w *world) judgeJobs(a *account, jobs []*job, share float64) {
	for _, j := range jobs {
		if j.State == "done" && j.Opened {
			a.Results++
			if j.Attempts > 1 {
				a.Again++
			}
			continue
		}
		if j.State != "failed" {
			continue // told when it was seen
		}
		if j.Kill = blame(j, a.Kills); j.Kill == "" {
			w.note("job %s failed with %q and no kill explains it", j.Digest, j.Code)
			continue
		}
		a.Excused = append(a.Excused, j)
	}
	switch {
	case len(jobs) == 0:
		w.note("%v", errNothing)
	case float64(a.Results) < share*float64(len(jobs)):
		w.note("%d of %d jobs have a result: less than %.0f %%", a.Results, len(jobs), 100*share)
	}
}

// fsck runs the command as an operator does.
func (w *world) fsck(ctx context.Context, a *account) {
	out, err := w.run(ctx, "exchange", "fsck", "--store", w.database, "--lake", w.lake, "--json")
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if bad := json.Unmarshal([]byte(lines[len(lines)-1]), &a.Checked); err != nil || bad != nil || a.Checked.Statements == 0 {
		w.note("fsck: %v: %s", errors.Join(err, bad), out)
	}
}

// logs has every party verify the log: that it goes on from what its witness saw before, and has all that the exchange accepted from the
// party or delivered to it.
func (w *world) logs(ctx context.Context, a *account) {
	for _, s := range agentsOf(w) {
		name := strings.TrimPrefix(s.called, "agent-")
		var err error
		for deadline := time.Now().Add(w.moment); ; sleep(ctx, restartPause/4) {
			if _, err = w.run(ctx, "log", "verify", "--home", w.home(name)); err == nil || !away(err) || time.Now().After(deadline) {
				break
			}
		}
		if err != nil {
			w.note("log, as %s verifies it: %v", name, err)
			continue
		}
		a.Logs++
	}
}

// confirmed looks for every statement and job that somebody was told is accepted.
func (w *world) confirmed(ctx context.Context, a *account, r *records) {
	h, err := exchange.View(ctx, exchange.Place{Store: w.database})
	if err != nil {
		w.note("the store can't be looked at: %v", err)
		return
	}
	defer h.Close()
	for _, j := range r.jobs {
		kept, err := h.Store.Job(ctx, statement.Digest(j.Digest))
		if err != nil || kept.State != j.State {
			w.note("job %s was confirmed, and seen as %q: %v", j.Digest, j.State, err)
		}
	}
	all := r.agreements
	for _, c := range w.contracts {
		all = append(all, &agreement{contract: c.digest, granted: c.owners})
	}
	for _, g := range all {
		d := statement.Digest(g.contract)
		if _, err := h.Store.Statement(ctx, d); err != nil {
			w.note("contract %s was confirmed: %v", d, err)
			continue
		}
		list, err := h.Store.List(ctx, store.Query{Kind: store.KindGrant, Refs: []statement.Digest{d}, Page: store.Page{Items: 16, Bytes: 1 << 20}})
		if err != nil || len(list) < len(g.granted) {
			w.note("contract %s was granted by %v, and has %d grants: %v", d, g.granted, len(list), err)
		}
		a.Grants += len(g.granted)
	}
}

// entry of an owner's ledger.
type entry struct {
	Kind, Job string
	Charged   int64
}

// ledger verifies an owner's ledger, and returns how often each job was charged.
func (w *world) ledger(ctx context.Context, a *account, owner string) map[string]int {
	var l struct {
		Exposures []struct{ Receipt string }
		Entries   []entry
	}
	if err := w.json(ctx, &l, "ledger", "show", "--home", w.home(owner)); err != nil {
		w.note("ledger of %s: %v", owner, err)
		return nil
	}
	if _, err := w.run(ctx, "ledger", "verify", "--home", w.home(owner)); err != nil {
		w.note("ledger of %s does not verify: %v", owner, err)
	}
	for _, x := range l.Exposures {
		if x.Receipt == "" {
			a.Open++
		}
	}
	return w.charges(a, owner, l.Entries)
}

// charges counts, and checks that each is of the price, and that no key left for a job that was not charged before.
func (w *world) charges(a *account, owner string, entries []entry) map[string]int {
	charged := map[string]int{}
	for _, e := range entries {
		switch e.Kind {
		case "charge":
			charged[e.Job]++
			a.Charges++
			if e.Charged != price {
				w.note("%s charged %d credits for job %s, its price is %d", owner, e.Charged, e.Job, price)
			}
		case "release":
			if charged[e.Job] == 0 {
				w.note("%s released keys for job %s before it was charged", owner, e.Job)
			}
		}
	}
	return charged
}

// judgeCharges: every job at most once by each of its owners, every result exactly once, and by nobody else.
func (w *world) judgeCharges(a *account, jobs []*job, charged map[string]map[string]int) {
	known := map[string]*job{}
	for _, j := range jobs {
		known[j.Digest] = j
		for _, o := range j.Owners {
			if n := charged[o][j.Digest]; j.Opened && n != 1 {
				w.note("job %s has a result, and %s charged it %d times", j.Digest, o, n)
			}
		}
	}
	for o, of := range charged {
		for d, n := range of {
			j := known[d]
			if n > 1 {
				w.note("%s charged job %s %d times", o, d, n)
			}
			if j != nil && !slices.Contains(j.Owners, o) {
				w.note("%s charged job %s, which is not about its data", o, d)
			}
			if j == nil || !j.Opened {
				a.Unused++
			}
		}
	}
}

func (a *account) String() string {
	return fmt.Sprintf("%d kills in %.0f s: %d jobs, %d results (%d after more than one attempt), %d ended by a kill; %d contracts, %d grants, %d orders for %d credits; %d charges, %d of them without a result; %d exposures open; %d faults",
		len(a.Kills), a.Seconds, a.Jobs, a.Results, a.Again, len(a.Excused), a.Agreements, a.Grants, a.Orders, a.Sold, a.Charges, a.Unused, a.Open, len(a.Faults))
}
