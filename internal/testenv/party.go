package testenv

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/party/agent"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/statement"
)

// Party has an agent that runs, and talks to it as the command line does: over its socket.
type Party struct {
	*api.Client
	Name  string
	Clock Clock

	env  *Env
	dir  home.Dir
	ring *keyring.Keyring
	root *keyring.KeyFile // nil: it is in ring
	stop func()
}

// Party makes a party and starts its agent. The agent signs pools of these names without asking.
func (e *Env) Party(name string, joinPools ...string) *Party {
	e.Helper()
	ring, err := keyring.New(name)
	e.Must(err)
	dir, err := home.Create(filepath.Join(e.dir, name))
	e.Must(err)
	e.Must(dir.WriteConfig(home.Config{
		Name: name, Fingerprint: ring.Fingerprint(), Key: ring.Root().String(), CreatedMS: time.Now().UnixMilli(),
	}))
	p := &Party{Name: name, env: e, dir: dir, ring: ring}
	if e.offlineRoots {
		p.takeRoot()
	}
	p.Client, err = api.New(dir)
	e.Must(err)
	p.Start(joinPools...)
	e.Cleanup(func() { p.Stop() })
	return p
}

// takeRoot moves the party's root key out of its keyring, which gets an online key.
func (p *Party) takeRoot() {
	p.env.Helper()
	root, err := p.ring.TakeRoot()
	p.env.Must(err)
	p.root = root
	if p.env.place != nil {
		p.ring = p.env.place(p)
		return
	}
	p.newKey()
}

func (p *Party) newKey() {
	p.env.Helper()
	ring, err := p.ring.WithOnlineKey(p.root, keyring.Terms{From: time.Now().Add(-24 * time.Hour), Until: time.Now().Add(24 * time.Hour)})
	p.env.Must(err)
	p.ring = ring
}

// Start runs the agent until Stop.
func (p *Party) Start(joinPools ...string) {
	p.env.Helper()
	a, err := agent.Open(agent.Options{
		Home: p.dir, Keyring: p.ring, Exchange: p.env.URL, Verifiers: Verifiers(), JoinPools: joinPools, Now: p.Clock.Now, Log: p.env.log,
	})
	p.env.Must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		err := a.Serve(ctx, func() { close(ready) })
		done <- errors.Join(err, a.Close())
	}()
	select {
	case <-ready:
	case err := <-done:
		p.env.Fatalf("agent of %s: %v", p.Name, err)
	case <-time.After(Patience):
		p.env.Fatalf("agent of %s is not ready", p.Name)
	}
	p.stop = func() {
		cancel()
		if err := <-done; err != nil {
			p.env.Errorf("agent of %s: %v", p.Name, err)
		}
	}
}

// Stop ends the agent as SIGTERM does.
func (p *Party) Stop() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

// Verifiers of the evidence that in-process enclaves have.
func Verifiers() evidence.Verifiers { return evidence.Verifiers{simulated.Kind: simulated.Verify} }

// Fingerprint of the party.
func (p *Party) Fingerprint() statement.Fingerprint { return p.ring.Fingerprint() }

func (p *Party) pin() api.Party { return api.Party{Name: p.Name, Fingerprint: p.Fingerprint()} }

// Publish offers a CSV under a policy.
func (p *Party) Publish(ctx context.Context, csv, dataset, policy string) (*api.Dataset, error) {
	return p.publish(ctx, csv, dataset, policy, Schema)
}

func (p *Party) publish(ctx context.Context, csv, dataset, policy, schema string) (*api.Dataset, error) {
	out := &api.Dataset{}
	return out, p.Stream(ctx, api.PathPublish, api.Publish{
		Path: csv, Dataset: dataset, Policy: []byte(policy), RowID: UnitColumn, Schema: schema,
	}, out, func(api.Progress) {})
}

// Propose proposes a contract over data, and waits until its owners have granted.
func (p *Party) Propose(ctx context.Context, until time.Duration, data ...string) (*api.Contract, error) {
	out := &api.Contract{}
	return out, p.Call(ctx, api.PathContractPropose, proposal(p.env, until, data...), out)
}

func proposal(e *Env, until time.Duration, data ...string) api.ContractPropose {
	return api.ContractPropose{
		Data: data, Purpose: Purpose, Builds: []statement.Digest{Build}, Operators: []string{string(e.Operator.Fingerprint())},
		Evidence: []string{simulated.Kind}, Perimeters: []string{Form},
		UntilMS: time.Now().Add(until).UnixMilli(), WaitMS: Patience.Milliseconds(),
	}
}

// Ask runs a query and waits for its end, at most so long; 0 submits it only.
func (p *Party) Ask(ctx context.Context, contract statement.Digest, sql string, wait time.Duration) (*api.Job, error) {
	return p.AskClass(ctx, "", contract, sql, wait)
}

// AskClass is Ask for a job of a class.
func (p *Party) AskClass(ctx context.Context, class string, contract statement.Digest, sql string, wait time.Duration) (*api.Job, error) {
	out := &api.Job{}
	return out, p.Stream(ctx, api.PathRun, api.Query{
		Contract: contract, SQL: sql, Class: class, ExpireMS: time.Minute.Milliseconds(), WaitMS: wait.Milliseconds(),
	}, out, func(api.Progress) {})
}

// Open opens a result.
func (p *Party) Open(ctx context.Context, job statement.Digest) (*result.Table, error) {
	var r api.Result
	if err := p.Call(ctx, api.PathResult, api.JobRef{Job: job}, &r); err != nil {
		return nil, err
	}
	return result.Decode(r.Table)
}

// Receipt is the account of a job.
func (p *Party) Receipt(ctx context.Context, job statement.Digest) (*api.Receipt, error) {
	var r api.Receipt
	return &r, p.Call(ctx, api.PathReceipt, api.JobRef{Job: job}, &r)
}

// Ledger of the party.
func (p *Party) Ledger() *api.LedgerView {
	p.env.Helper()
	var v api.LedgerView
	p.env.Must(p.Call(context.Background(), api.PathLedger, api.Empty{}, &v))
	return &v
}
