package e2e

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/canary"
)

const bySpecies = "SELECT species, count(*) AS n, sum(cost) AS c FROM pool.strikes GROUP BY species ORDER BY species"

var owners = []string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot"}

// planted are the marked values of one owner. None of them can be in a result: species that only one row of one owner has
// are suppressed, key and all; notes have no role; sums of costs are rounded.
type planted struct {
	species, notes []string
	costs          []int64
}

// market is six owners with a pool, an institute with a granted contract, and a host, each a process of its own.
type market struct {
	*world
	fingerprints map[string]string
	planted      map[string]planted
	operator     string
	host         *process
	build, form  string
	front        *front // between foxtrot and the exchange
	wire         *capture
	contract     string
}

func newMarket(t *testing.T) *market {
	m := &market{world: newWorld(t), fingerprints: map[string]string{}, planted: map[string]planted{}}
	m.wire = startCapture(t)
	m.startExchange()
	m.front = newFront(t, m.exchange)
	m.wire.watch(t, m.exchange, m.front.url)
	for _, o := range owners {
		url := m.exchange
		if o == "foxtrot" {
			url = m.front.url
		}
		m.fingerprints[o] = m.initParty(o, m.home(o))
		m.serve(o, m.home(o), url).owner = o
	}
	m.fingerprints["institute"] = m.initParty("institute", m.home("institute"))
	m.serve("institute", m.home("institute"), m.exchange)
	m.operator = m.initParty("hangar", m.home("hangar"))
	m.startHost()
	m.publish()
	m.formPool()
	m.agree()
	return m
}

func (m *market) startHost() {
	m.Helper()
	var ready struct{ Build, Form string }
	m.host = m.start("host", &ready, "host", "serve", "--home", m.home("hangar"), "--exchange", m.exchange,
		"--enclave", m.enclave, "--perimeter", "strongest", "--passphrase-file", m.passphrase("hangar"), "--json")
	m.build, m.form = ready.Build, ready.Form
}

func word() string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// cost is between 10^15 and about twice that.
func cost() int64 {
	var b [8]byte
	rand.Read(b[:])
	return 1_000_000_000_000_000 + int64(binary.LittleEndian.Uint64(b[:])>>14)
}

const rowsEach = 20

// csv writes an owner's rows: twenty of each of two species that all owners have, and three marked ones.
func (m *market) csv(owner string) string {
	var b strings.Builder
	p := planted{}
	b.WriteString("species,region,cost,notes\n")
	for range rowsEach {
		for _, s := range []string{"Gull", "Kite"} {
			fmt.Fprintf(&b, "%s,North,%d,none\n", s, cost())
		}
	}
	for range 3 {
		s, c, n := word(), cost(), word()
		p.species, p.costs, p.notes = append(p.species, s), append(p.costs, c), append(p.notes, n)
		fmt.Fprintf(&b, "%s,South,%d,%s\n", s, c, n)
	}
	for range 2 { // in cells that are shown
		c := cost()
		p.costs = append(p.costs, c)
		fmt.Fprintf(&b, "Gull,North,%d,none\n", c)
	}
	m.planted[owner] = p
	path := m.path("premises", owner+".csv")
	m.must(os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

func (p *planted) addTo(set *canary.Set, owner string) error {
	for i := range p.species {
		if err := set.Text(fmt.Sprintf("%s's species %d", owner, i), p.species[i]); err != nil {
			return err
		}
		if err := set.Text(fmt.Sprintf("%s's note %d", owner, i), p.notes[i]); err != nil {
			return err
		}
	}
	for i, c := range p.costs {
		if err := set.Number(fmt.Sprintf("%s's cost %d", owner, i), c); err != nil {
			return err
		}
	}
	return nil
}

// canaries of all owners but one.
func (m *market) canaries(except string) *canary.Set {
	set := &canary.Set{}
	for _, o := range owners {
		if p := m.planted[o]; o != except {
			m.must(p.addTo(set, o))
		}
	}
	return set
}

func (m *market) policy() string {
	var all []string
	for _, o := range owners {
		all = append(all, m.fingerprints[o])
	}
	day := func(d int) string { return time.Now().AddDate(0, 0, d).UTC().Format(time.DateOnly) }
	return fmt.Sprintf(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  species: {roles: [dimension, filter]}
  region: {roles: [dimension, filter], values: [North, South]}
  cost: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000000000000000000], scale: 0}
output: {lattice: [[species], [region]]}
guard:
  min_units: 10
  contributors: {min: 4, max_share_pct: 50, p_percent: 10, from: [%[1]s]}
  coalition: 1
  rounding: {count: 5, value_digits: 4}
purposes: [benchmarking]
analysts: [%[2]s]
operators: [%[3]s]
evidence: {accept: [simulated], builds: ["%[4]s"], perimeters: [%[5]s]}
valid: {from: %[6]s, until: %[7]s}
max_queries: {per_analyst: 200, period: 30d}
standing:
  - {analysts: [%[2]s], purposes: [benchmarking], until: %[7]s, max_contracts: 20}
`, strings.Join(all, ", "), m.fingerprints["institute"], m.operator, m.build, m.form, day(-1), day(30))
}

func (m *market) publish() {
	policy := m.path("policy.yaml")
	m.must(os.WriteFile(policy, []byte(m.policy()), 0o600))
	for _, o := range owners {
		var offer json.RawMessage
		m.must(m.json(&offer, "dataset", "publish", m.csv(o), "--home", m.home(o), "--name", "strikes", "--policy", policy,
			"--row-id", "report_id", "--schema", "species:varchar!,region:varchar!,cost:int64!,notes:varchar!"))
	}
}

func (m *market) formPool() {
	args := []string{"pool", "propose", "strikes", "--home", m.home("alpha")}
	for _, o := range owners {
		args = append(args, "--member", o+".strikes", "--pin", o+"="+m.fingerprints[o])
	}
	var proposed json.RawMessage
	m.must(m.json(&proposed, args...))
	m.until("all members have signed the pool", func() bool {
		var seen struct {
			Pools []struct{ Missing []json.RawMessage }
		}
		m.must(m.json(&seen, "pool", "show", "strikes", "--home", m.home("alpha")))
		return len(seen.Pools) == 1 && len(seen.Pools[0].Missing) == 0
	})
}

func (m *market) agree() {
	var made struct{ Digest string }
	m.must(m.json(&made, "contract", "propose", "--home", m.home("institute"), "--data", "pool.strikes", "--purpose", "benchmarking",
		"--build", m.build, "--operator", m.operator, "--evidence", "simulated", "--perimeter", m.form, "--until", "1d", "--wait", "20s"))
	m.contract = made.Digest
}

// submit sends the query, and returns the job without waiting for it.
func (m *market) submit() string {
	m.Helper()
	var job struct{ Digest string }
	m.must(m.json(&job, "query", "run", bySpecies, "--home", m.home("institute"), "--contract", m.contract, "--detach"))
	return job.Digest
}

// follow waits for the job's end.
func (m *market) follow(job string) (state, code string) {
	m.Helper()
	var s struct{ State, Code string }
	m.until("the job has ended", func() bool {
		m.must(m.json(&s, "query", "status", job, "--home", m.home("institute")))
		return s.State == "done" || s.State == "failed"
	})
	return s.State, s.Code
}

type ledger struct {
	Entries []struct{ Kind, Job, Outcome string }
}

// ledgerHas counts an owner's entries of a kind about a job.
func (m *market) ledgerHas(owner, kind, job string) (n int) {
	m.Helper()
	var l ledger
	m.must(m.json(&l, "ledger", "show", "--home", m.home(owner)))
	for _, e := range l.Entries {
		if e.Kind == kind && e.Job == job {
			n++
		}
	}
	return n
}
