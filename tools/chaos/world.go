package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/internal/tests3"
)

// options of a run.
type options struct {
	bin      string // folder of cordon and cordon-enclave
	out      string // folder that everything is written to
	lease    time.Duration
	front    func(party, urls string) string // what a party takes for the exchange's addresses; nil: those
	postgres []string                        // of the environment of PostgreSQL
	say      func(format string, args ...any)
}

const (
	exchanges = 3
	hosts     = 2
	purpose   = "benchmarking"
	institute = "institute"
	price     = 3 // credits for a query, by every owner
)

// owners have an agent each, as the institute has.
var owners = []string{"alpha", "bravo", "charlie"}

// world is everything that runs.
type world struct {
	options
	cordon, enclave string
	net             *network          // nil: everything shares one
	spaces          map[string]string // namespaces, by the process in them
	database        string            // URL
	lake            string
	env             []string // credentials of the lake
	urls            string   // of the exchange, with commas between
	pg              *testpg.Server
	s3              *tests3.Server

	exchanges, hosts []*server
	agents           map[string]*server
	backends         []*backend
	operators        []string // fingerprints
	build, form      string
	contracts        []contract    // that all is asked under
	settlement       string        // fingerprint of who settles orders
	settlementKey    string        // its file
	buyer            string        // fingerprint of the institute
	moment           time.Duration // that agents have to post what they charged

	mu    sync.Mutex
	wrong []string // what must not have happened
}

// contract that is granted, with what can be asked under it.
type contract struct {
	digest string
	owners []string
	sql    string
	want   string // a line of its result
}

// note keeps something that must not have happened.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	w.wrong = append(w.wrong, line)
	w.say("WRONG: %s", line)
}

func (w *world) faults() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.wrong...)
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.out}, parts...)...)
}

func (w *world) home(party string) string       { return w.path("homes", party) }
func (w *world) passphrase(party string) string { return w.path("premises", party+".passphrase") }

func (w *world) server(name string, within, env []string, args ...string) *server {
	return &server{called: name, argv: append(append(within, w.cordon), args...), env: env, log: w.path("logs", name+".log"), note: w.note}
}

// newWorld starts everything, and agrees on contracts. Whatever it returns is to be stopped.
func newWorld(ctx context.Context, o options) (*world, error) {
	w := &world{options: o, cordon: filepath.Join(o.bin, "cordon"), enclave: filepath.Join(o.bin, "cordon-enclave"), agents: map[string]*server{}, spaces: map[string]string{}, moment: 30 * time.Second}
	for _, dir := range []string{"logs", "homes", "premises"} {
		if err := os.MkdirAll(w.path(dir), 0o700); err != nil {
			return w, err
		}
	}
	for _, step := range []func(context.Context) error{w.startBackends, w.startNetwork, w.settler, w.startExchanges, w.startAgents, w.startHosts, w.publish, w.agree, w.openShop} {
		if err := step(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world) startBackends(context.Context) error {
	pg, server, link, err := newPostgres(w.postgres, w.note)
	if err != nil {
		return err
	}
	w.pg, w.database, w.backends = server, link, append(w.backends, pg)
	s3, bucket, env, err := newS3(w.out, w.note)
	if err != nil {
		return err
	}
	w.s3, w.env, w.backends = bucket, env, append(w.backends, s3)
	w.lake = bucket.URL("")
	return nil
}

func (w *world) startNetwork(context.Context) error {
	n, err := newNetwork()
	if errors.Is(err, errNoNetwork) {
		w.say("hosts share the network of this machine: %v", err)
		return nil
	}
	w.net = n
	return err
}

// space makes a namespace for a process, where that is possible, and returns what to put before its command.
func (w *world) space(process string) (within []string, err error) {
	if w.net == nil {
		return nil, nil
	}
	w.spaces[process], within, err = w.net.space()
	return within, err
}

func (w *world) startExchanges(ctx context.Context) error {
	address := "127.0.0.1"
	if w.net != nil {
		address = w.net.gateway()
	}
	var urls []string
	for n := range exchanges {
		port, err := freePort(address)
		if err != nil {
			return err
		}
		at := fmt.Sprintf("%s:%d", address, port)
		name := fmt.Sprintf("exchange-%d", n+1)
		if err := os.MkdirAll(w.path(name), 0o700); err != nil { // its operator's socket lies there
			return err
		}
		s := w.server(name, nil, w.env, "exchange", "serve", "--home", w.path(name), "--settlement-key", w.settlementKey, "--store", w.database, "--lake", w.lake,
			"--lease", w.lease.String(), "--listen", at, "--json")
		w.exchanges, urls = append(w.exchanges, s), append(urls, "http://"+at)
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	w.urls = strings.Join(urls, ",")
	return nil
}

func (w *world) initParty(ctx context.Context, name string) (string, error) {
	var made struct{ Fingerprint string }
	err := w.json(ctx, &made, "party", "init", "--home", w.home(name), "--name", name, "--generate-passphrase", w.passphrase(name))
	return made.Fingerprint, err
}

func (w *world) startAgents(ctx context.Context) error {
	for _, name := range append([]string{institute}, owners...) {
		fingerprint, err := w.initParty(ctx, name)
		if err != nil {
			return err
		}
		if name == institute {
			w.buyer = fingerprint
		}
		urls := w.urls
		if w.front != nil {
			urls = w.front(name, urls)
		}
		within, err := w.space("agent-" + name)
		if err != nil {
			return err
		}
		s := w.server("agent-"+name, within, nil, "party", "serve", "--home", w.home(name), "--exchange", urls,
			"--passphrase-file", w.passphrase(name), "--json")
		w.agents[name] = s
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) startHosts(ctx context.Context) error {
	for n := range hosts {
		name := fmt.Sprintf("hangar%d", n+1)
		operator, err := w.initParty(ctx, name)
		if err != nil {
			return err
		}
		called := fmt.Sprintf("host-%d", n+1)
		within, err := w.space(called)
		if err != nil {
			return err
		}
		s := w.server(called, within, nil, "host", "serve", "--home", w.home(name), "--exchange", w.urls,
			"--enclave", w.enclave, "--perimeter", "strongest", "--jobs", "2", "--passphrase-file", w.passphrase(name), "--json")
		w.operators, w.hosts = append(w.operators, operator), append(w.hosts, s)
		if err := s.start(ctx); err != nil {
			return err
		}
		var ready struct{ Build, Form string }
		if err := s.said(&ready); err != nil {
			return err
		}
		w.build, w.form = ready.Build, ready.Form
	}
	return nil
}

const rowsEach = 20

func (w *world) publish(ctx context.Context) error {
	policy := fmt.Sprintf(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: guard-free
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [%s]
analysts: [any]
operators: [%s]
evidence: {accept: [simulated], builds: ["%s"], perimeters: [%s]}
valid: {from: 2020-01-01, until: 2999-01-01}
max_queries: {per_analyst: 1000000, period: 30d}
price: %d
`, purpose, strings.Join(w.operators, ", "), w.build, w.form, price)
	for file, text := range map[string]string{
		"strikes.yaml": policy, "more.yaml": strings.Replace(policy, "dataset: strikes", "dataset: more", 1),
		"rows.csv": "size\n" + strings.Repeat("Large\nSmall\n", rowsEach),
	} {
		if err := os.WriteFile(w.path("premises", file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, o := range owners {
		var offer json.RawMessage
		if err := w.json(ctx, &offer, w.publishArgs(o, "strikes")...); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) publishArgs(owner, dataset string) []string {
	return []string{"dataset", "publish", w.path("premises", "rows.csv"), "--home", w.home(owner), "--name", dataset,
		"--policy", w.path("premises", dataset+".yaml"), "--row-id", "report_id", "--schema", "size:varchar!"}
}

// proposeArgs propose a contract over the owners' data.
func (w *world) proposeArgs(owners []string) []string {
	args := []string{"contract", "propose", "--home", w.home(institute), "--purpose", purpose, "--build", w.build,
		"--evidence", "simulated", "--perimeter", w.form, "--until", "1d"}
	for _, o := range w.operators {
		args = append(args, "--operator", o)
	}
	for _, o := range owners {
		args = append(args, "--data", o+".strikes")
	}
	return args
}

func (w *world) grant(ctx context.Context, owner, contract string) error {
	_, err := w.run(ctx, "contract", "grant", contract, "--home", w.home(owner))
	return err
}

// agree makes a contract with each owner, and one with two that have none with each other.
func (w *world) agree(ctx context.Context) error {
	for _, o := range owners {
		w.contracts = append(w.contracts, contract{owners: []string{o}, want: `"Large",20`,
			sql: "SELECT size, count(*) AS n FROM " + o + ".strikes GROUP BY size ORDER BY size"})
	}
	w.contracts = append(w.contracts, contract{owners: owners[:2], want: `"Large",20,20`,
		sql: `WITH a AS (SELECT size, count(*) AS n FROM alpha.strikes GROUP BY size), b AS (SELECT size, count(*) AS n FROM bravo.strikes GROUP BY size)
		SELECT a.size, a.n AS of_alpha, b.n AS of_bravo FROM a JOIN b ON a.size = b.size ORDER BY a.size`})
	for i := range w.contracts {
		c := &w.contracts[i]
		var made struct{ Digest string }
		if err := w.json(ctx, &made, w.proposeArgs(c.owners)...); err != nil {
			return err
		}
		c.digest = made.Digest
		for _, o := range c.owners {
			if err := w.grant(ctx, o, c.digest); err != nil {
				return err
			}
		}
	}
	return nil
}

// victims are all that may be killed.
func (w *world) victims() []victim {
	var out []victim
	for _, s := range w.exchanges {
		out = append(out, s)
	}
	for _, s := range w.hosts {
		out = append(out, s, &enclaves{host: s})
	}
	for _, name := range append([]string{institute}, owners...) {
		out = append(out, w.agents[name])
	}
	for _, b := range w.backends {
		out = append(out, b)
	}
	return out
}

// allReady waits until everything runs again.
func (w *world) allReady(ctx context.Context) {
	for _, v := range w.victims() {
		if s, ok := v.(*server); ok {
			if err := s.waitReady(ctx, readyTime); err != nil {
				w.note("%v", err)
			}
		}
	}
}

// stop ends everything that was started: parties first, what they stand on last.
func (w *world) stop() {
	for _, group := range [][]*server{w.hosts, agentsOf(w), w.exchanges} {
		var all sync.WaitGroup
		for _, s := range group {
			all.Go(s.stop)
		}
		all.Wait()
	}
	for _, b := range w.backends {
		b.stop()
	}
	if w.net != nil {
		w.net.remove()
	}
}

func agentsOf(w *world) (out []*server) {
	for _, s := range w.agents {
		out = append(out, s)
	}
	return out
}

// failure is a command that did not end well.
type failure struct {
	exit   int
	stderr string
}

func (f *failure) Error() string { return fmt.Sprintf("exit %d: %s", f.exit, f.stderr) }

// commandTime bounds one command.
const commandTime = 90 * time.Second

// run runs one command as a person does, and returns what it prints.
func (w *world) run(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.cordon, args...)
	cmd.Env = append(os.Environ(), w.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, &failure{exit.ExitCode(), strings.TrimSpace(stderr.String())}
	}
	return out, err
}

// json runs a command and decodes what it prints.
func (w *world) json(ctx context.Context, v any, args ...string) error {
	out, err := w.run(ctx, append(args, "--json")...)
	if err != nil {
		return fmt.Errorf("cordon %s: %w", strings.Join(args[:2], " "), err)
	}
	return json.Unmarshal(out, v)
}

// away reports whether a command ended because something did not answer.
func away(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.exit == 7
}
