package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// pair is an owner, an institute with a granted contract, an exchange and a host, each a process of its own.
type pair struct {
	*world
	exchangeArgs     []string
	exchangeProc     *process
	owner, institute *process
	host             *process
	hostHome, form   string
	kind             string // of evidence
	image            string // folder of a virtual machine's, where that is the perimeter
	build, operator  string
	contract         string
}

// places say where what can be filled lies; "" is the folder of the test.
type places struct {
	exchange, owner, institute, host string
	front                            bool // between the owner and the exchange
	machine                          bool // the perimeter is a virtual machine
}

const bySize = "SELECT size, count(*) AS n FROM alpha.strikes GROUP BY size"

// pairPolicy is for one owner alone.
const pairPolicy = `policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [benchmarking]
analysts: [any]
operators: [%s]
evidence: {accept: [%s], builds: ["%s"], perimeters: [%s]}
valid: {from: 2020-01-01, until: 2999-01-01}
max_queries: {per_analyst: 200, period: 30d}
price: 3
`

func newPair(t *testing.T, at func(*world) places) (*pair, *front) {
	t.Helper()
	p := &pair{world: newWorld(t)}
	where := at(p.world)
	home := func(given, name string) string {
		if given == "" {
			return p.home(name)
		}
		return given
	}
	if where.machine {
		p.image = p.makeImage()
	}
	exchange := where.exchange
	if exchange == "" {
		exchange = p.path("exchange")
	}
	p.exchangeArgs = []string{"exchange", "serve", "--home", exchange, "--lease", "1s", "--json", "--listen"}
	p.startExchangeAt("127.0.0.1:0")
	var f *front
	url := p.exchange
	if where.front {
		f = newFront(t, p.exchange)
		url = f.url
	}
	p.initParty("alpha", home(where.owner, "alpha"))
	p.initParty("institute", home(where.institute, "institute"))
	p.hostHome = home(where.host, "hangar")
	p.operator = p.initParty("hangar", p.hostHome)
	p.owner = p.serve("alpha", home(where.owner, "alpha"), url)
	p.institute = p.serve("institute", home(where.institute, "institute"), p.exchange)
	p.startHost()
	p.agree(home(where.owner, "alpha"), home(where.institute, "institute"))
	return p, f
}

func (p *pair) startExchangeAt(address string) {
	p.Helper()
	var ready struct{ URL string }
	p.exchangeProc = p.start("exchange", &ready, append(slices.Clone(p.exchangeArgs), address)...)
	p.exchange = ready.URL
}

// exchangeAgain starts the exchange where it was.
func (p *pair) exchangeAgain() {
	p.Helper()
	p.startExchangeAt(strings.TrimPrefix(p.exchange, "http://"))
}

func (p *pair) hostArgs() []string {
	args := []string{"host", "serve", "--home", p.hostHome, "--exchange", p.exchange, "--passphrase-file", p.passphrase("hangar"), "--json"}
	if p.image != "" {
		return append(args, "--image", p.image, "--perimeter", "vm", "--idle", "small=1")
	}
	return append(args, "--enclave", p.enclave, "--perimeter", "strongest", "--idle", "small=1")
}

func (p *pair) startHost() {
	p.Helper()
	var ready struct{ Build, Form, Evidence string }
	p.host = p.start("host", &ready, p.hostArgs()...)
	p.build, p.form, p.kind = ready.Build, ready.Form, ready.Evidence
}

func (p *pair) publishArgs(home string) []string {
	csv, policy := p.path("premises", "alpha.csv"), p.path("premises", "alpha.yaml")
	p.must(os.WriteFile(csv, []byte("size\n"+strings.Repeat("Large\nSmall\n", 20)), 0o600))
	p.must(os.WriteFile(policy, fmt.Appendf(nil, pairPolicy, p.operator, p.kind, p.build, p.form), 0o600))
	return []string{"dataset", "publish", csv, "--home", home, "--name", "strikes", "--policy", policy, "--row-id", "report_id", "--schema", "size:varchar!", "--even-if-unchanged"}
}

func (p *pair) proposeArgs(home string) []string {
	return []string{"contract", "propose", "--home", home, "--data", "alpha.strikes", "--purpose", "benchmarking", "--build", p.build,
		"--operator", p.operator, "--evidence", p.kind, "--perimeter", p.form, "--until", "1d"}
}

func (p *pair) agree(owner, institute string) {
	p.Helper()
	var made struct{ Digest string }
	p.must(p.json(&made, p.publishArgs(owner)...))
	p.must(p.json(&made, p.proposeArgs(institute)...))
	p.contract = made.Digest
	_, err := p.cordonRun("contract", "grant", p.contract, "--home", owner)
	p.must(err)
}

func (p *pair) runArgs(institute string) []string {
	return []string{"query", "run", bySize, "--home", institute, "--contract", p.contract, "--wait", "60s"}
}

// ask runs the query and opens its result.
func (p *pair) ask(institute string) (string, error) {
	out, err := p.cordonRun(p.runArgs(institute)...)
	if err != nil {
		return "", err
	}
	job := strings.TrimSpace(string(out))
	table, err := p.cordonRun("result", "open", job, "--home", institute, "--format", "csv")
	if err == nil && !strings.Contains(string(table), `"Large",20`) {
		err = fmt.Errorf("result %q", table)
	}
	return job, err
}

// counts the owner's entries of a kind: about a job, or about any.
func (p *pair) counts(home, kind, job string) (n int) {
	p.Helper()
	var l ledger
	p.must(p.json(&l, "ledger", "show", "--home", home))
	for _, e := range l.Entries {
		if e.Kind == kind && (job == "" || e.Job == job) {
			n++
		}
	}
	return n
}
