package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/repair"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// ledgerFile reads the bytes of a party's ledger.
func (p *Party) ledgerFile() []byte {
	p.env.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir.Ledger(), "ledger.ndjson"))
	p.env.Must(err)
	return b
}

// restore puts a party's ledger back, and takes from its home what it knows of its own heads: as if all of it came from a backup.
func (p *Party) restore(src []byte) {
	p.env.Helper()
	p.Stop()
	p.env.Must(os.WriteFile(filepath.Join(p.dir.Ledger(), "ledger.ndjson"), src, 0o600))
	p.env.Must(os.RemoveAll(p.dir.Heads()))
	p.Start(Pool)
}

func wantBehind(p *Party, behind bool) {
	p.env.Helper()
	var s api.Status
	p.env.Must(p.Call(p.env.Context(), api.PathStatus, api.Empty{}, &s))
	if s.LedgerBehind != behind {
		p.env.Errorf("the ledger of %s is shown as behind: %v", p.Name, s.LedgerBehind)
	}
}

func (p *Party) count(kind string) (n int) {
	for _, e := range p.Ledger().Entries {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// An owner puts its ledger back to a copy from before a job: whoever has that job's receipt makes it notice, no key leaves and
// nothing is charged, until the newer ledger is there again.
func TestRestoredLedgerIsNoticed(t *testing.T) {
	t.Parallel()
	const rule = "output: dp\ntiming: off\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 1, max_rows_per_unit: 1}"
	for name, output := range map[string]string{"lattice": "output: {lattice: [[], [size]]}", "noise": rule} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New(t).NewMarketUnder(func(p string) string { return strings.Replace(p, "output: {lattice: [[], [size]]}", output, 1) })
			m.Host(nil)
			v, err := m.Institute.Propose(t.Context(), time.Hour, "pool."+Pool)
			m.Must(err)
			ask := func(sql string) error {
				j, err := m.Institute.Ask(t.Context(), v.Digest, sql, Patience)
				if err == nil {
					_, err = m.Institute.Open(t.Context(), j.Digest)
				}
				return err
			}
			delta, others := m.Owners[3], append(append([]*Party{}, m.Owners[:3]...), m.Owners[4:]...)
			old := delta.ledgerFile()
			m.Must(ask("SELECT size, count(*) AS n FROM pool.strikes GROUP BY size"))
			newest := delta.ledgerFile()
			charged := delta.count(ledger.KindBudget)
			if (name == "noise") != (charged == 1) {
				t.Fatalf("%d charges of a budget", charged)
			}
			released := map[*Party]int{} // more than one each where a slow machine cost a host its lease
			for _, o := range m.Owners {
				if released[o] = o.count(ledger.KindRelease); released[o] == 0 {
					t.Fatalf("%s released nothing", o.Name)
				}
			}

			delta.restore(old)
			for range 2 { // the second time it refuses before it is told anything
				err = ask("SELECT size, count(*) AS n FROM pool.strikes GROUP BY size ORDER BY size")
				wantFault(t, err, fault.Refused, "delta refused at", "ask the owners named")
				if err == nil || !strings.Contains(err.Error(), "ledger-behind") {
					t.Errorf("refused with %v", err)
				}
				delta.Stop()
				delta.Start(Pool)
			}
			wantBehind(delta, true)
			wantBehind(others[0], false)
			if n := delta.count(ledger.KindBudget) + delta.count(ledger.KindRelease) + delta.count(ledger.KindCharge); n != 0 {
				t.Errorf("%d charges and releases by an old ledger", n)
			}
			for _, o := range others {
				if o.count(ledger.KindBudget) != charged || o.count(ledger.KindRelease) != released[o] {
					t.Errorf("%s was charged, or released keys, for a job that could not run", o.Name)
				}
			}

			delta.restore(newest)
			wantBehind(delta, false)
			m.Must(ask("SELECT size, count(*) AS n FROM pool.strikes GROUP BY size"))
			if n := delta.count(ledger.KindBudget); n != charged {
				t.Errorf("the same question was charged %d times", n)
			}
			if delta.count(ledger.KindRelease) <= released[delta] {
				t.Error("nothing was released by the newest ledger")
			}
		})
	}
}

// A requester that holds an acknowledgement from before is told when an owner, which nobody told in time, went on with an old ledger.
func TestRequesterIsToldOfAnOldLedger(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	open := func(job statement.Digest) (*api.Result, *api.Receipt) {
		var r api.Result
		m.Must(m.Institute.Call(t.Context(), api.PathResult, api.JobRef{Job: job}, &r))
		account, err := m.Institute.Receipt(t.Context(), job)
		m.Must(err)
		return &r, account
	}
	delta, heads := m.Owners[3], m.Institute.dir.Heads()
	old := delta.ledgerFile()
	first, err := m.Institute.Ask(t.Context(), m.Contract, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size", Patience)
	m.Must(err)
	if r, account := open(first.Digest); len(r.Warnings) != 0 || strings.Contains(account.Text, "went back") {
		t.Errorf("warned of %v", r.Warnings)
	}
	delta.restore(old)
	m.Institute.Stop() // its folder is away for one job, as if somebody else had asked
	m.Must(os.Rename(heads, heads+".away"))
	m.Institute.Start()
	j, err := m.Institute.Ask(t.Context(), m.Contract, "SELECT count(*) AS n FROM pool.strikes", Patience)
	m.Must(err)
	m.Institute.Stop()
	m.Must(os.Rename(heads+".away", heads))
	m.Institute.Start()
	r, account := open(j.Digest)
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "the ledger of delta went back") {
		t.Errorf("warned of %v", r.Warnings)
	}
	if !strings.Contains(account.Text, "the ledger of delta went back") || !strings.Contains(string(account.JSON), "the ledger of delta went back") {
		t.Errorf("the account does not say it:\n%s", account.Text)
	}
}

// Acks of a result are signed about ledgers that hold them.
func TestHeadsAreHeld(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	j, err := m.Institute.Ask(t.Context(), m.Contract, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size", Patience)
	m.Must(err)
	account, err := m.Institute.Receipt(t.Context(), j.Digest)
	m.Must(err)
	b, err := receipt.Decode(account.Bundle)
	m.Must(err)
	for _, o := range m.Owners {
		entries, last, err := ledger.VerifyFile(o.dir.Ledger(), o.Fingerprint())
		m.Must(err)
		head, ok := statement.LedgerHead{}, false
		for i := range b.Acks {
			if a, err := statement.Verify[statement.Ack](&b.Acks[i], o.Fingerprint()); err == nil {
				head, ok = a.Body().Head, true
			}
		}
		if !ok || !ledger.Holds(entries, last, head) || entries[head.Seq-1].Kind != ledger.KindClose {
			t.Errorf("%s signed for entry %d, which its ledger does not hold", o.Name, head.Seq)
		}
	}
}

// repair an old ledger with what an analyst's bundle shows.
func (p *Party) repair(bundle []byte) {
	p.env.Helper()
	p.Stop()
	l, err := ledger.Open(p.dir.Ledger(), p.Fingerprint(), time.Now)
	p.env.Must(err)
	b, err := receipt.Decode(bundle)
	p.env.Must(err)
	o := repair.Options{
		Home: p.dir, Ledger: l, Heads: heads.Open(p.dir.Heads()), Self: p.Fingerprint(), Bundles: []*receipt.Bundle{b}, Reason: "disk lost", Now: time.Now,
	}
	plan, err := repair.New(o)
	p.env.Must(err)
	p.env.Must(plan.Apply(p.env.Context(), o))
	p.env.Must(l.Close())
	p.Start(Pool)
}

// An owner that has no newer copy repairs its ledger: it is no longer behind, for whoever holds whatever acknowledgement from before, and
// gives nothing back: no budget, no quota, no grant.
func TestRepairedLedgerGivesNothingBack(t *testing.T) {
	t.Parallel()
	const rule = "output: dp\ntiming: off\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 1, max_rows_per_unit: 1}"
	m := New(t).NewMarketUnder(func(p string) string { return strings.Replace(p, "output: {lattice: [[], [size]]}", rule, 1) })
	m.Host(nil)
	delta := m.Owners[3]
	old := delta.ledgerFile()
	j, err := m.Institute.Ask(t.Context(), m.Contract, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size", Patience)
	m.Must(err)
	account, err := m.Institute.Receipt(t.Context(), j.Digest)
	m.Must(err)
	released := delta.count(ledger.KindRelease)
	delta.restore(old)
	delta.repair(account.Bundle)
	wantBehind(delta, false)
	if n := delta.count(ledger.KindRelease); n < 1 || n > released {
		t.Errorf("%d releases are known again, of %d", n, released)
	}
	var budgets api.Budgets
	m.Must(delta.Call(t.Context(), api.PathBudget, api.Empty{}, &budgets))
	if len(budgets.Own) != 1 || !budgets.Own[0].GivenUp || budgets.Own[0].Left.Rho != "0" {
		t.Errorf("budgets %+v", budgets.Own)
	}
	const sql = "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size"
	_, err = m.Institute.Ask(t.Context(), m.Contract, sql, Patience)
	if err == nil || !strings.Contains(err.Error(), "grant-revoked") {
		t.Errorf("under a contract from before: %v", err)
	}
	// No rule grants any more; by hand it can, and then budget and quota are used up: the same question, too, may have been charged.
	c, err := m.Institute.Propose(t.Context(), time.Hour, "pool."+Pool)
	if c != nil && len(c.Missing) == 0 {
		t.Error("a standing rule granted")
	}
	m.Must(err)
	m.Must(delta.Call(t.Context(), api.PathContractGrant, api.About{Digest: c.Digest}, new(api.Contract)))
	before := delta.count(ledger.KindRelease)
	_, err = m.Institute.Ask(t.Context(), c.Digest, sql, Patience)
	if err == nil || !strings.Contains(err.Error(), "dp-budget") && !strings.Contains(err.Error(), "over-quota") {
		t.Errorf("asked again: %v", err)
	}
	if delta.count(ledger.KindRelease) != before || delta.count(ledger.KindBudget) != 0 {
		t.Error("keys were released, or a budget charged")
	}
	wantBehind(delta, false) // though the institute's letters name a head that is lost
	delta.Stop()
	delta.Start(Pool)
	wantBehind(delta, false)
}
