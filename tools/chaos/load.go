package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	chances "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/statement"
)

// analyst is a client with a key of its own, a contract, and jobs.
type analyst struct {
	*client.Client
	ring     *keyring.Keyring
	contract statement.Digest
	jobs     []statement.Digest
}

// thinking is how long an analyst pauses between two things, on average.
const thinking = 3 * time.Second

// waits is how long a job of the load waits for a host: none takes it.
const waits = 30 * time.Second

// burden is what a run of load has shown.
type burden struct {
	Analysts int               `json:"analysts"`
	Seconds  float64           `json:"seconds"`
	Took     map[string]*times `json:"took"`
	Memory   []memory          `json:"memory"`
	Asked    *account          `json:"asked"` // by the institute's analysts meanwhile, in enclaves
	Errors   []string          `json:"errors"`
}

// times of one kind of call, in milliseconds.
type times struct {
	N        int     `json:"n"`
	P50, P99 float64 `json:"-"`
	all      []time.Duration
}

// memory of an exchange process, in MiB: in the second quarter of the run, and in the last.
type memory struct {
	Before, After float64
}

// measured are calls as they are made.
type measured struct {
	mu     sync.Mutex
	took   map[string]*times
	errors []string
}

func (m *measured) call(name string, f func() error) error {
	began := time.Now()
	err := f()
	took := time.Since(began)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.errors = append(m.errors, fmt.Sprintf("%s: %v", name, err))
		return err
	}
	if m.took[name] == nil {
		m.took[name] = &times{}
	}
	m.took[name].N++
	m.took[name].all = append(m.took[name].all, took)
	return nil
}

func (m *measured) sorted() map[string]*times {
	for _, t := range m.took {
		slices.Sort(t.all)
		at := func(share float64) float64 {
			return float64(t.all[min(len(t.all)-1, int(share*float64(len(t.all))))].Microseconds()) / 1000
		}
		t.P50, t.P99 = at(0.50), at(0.99)
	}
	return m.took
}

// newAnalyst registers a party.
func (w *world) newAnalyst(ctx context.Context, name string) (*analyst, error) {
	ring, err := keyring.New(name)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Options{URL: w.urls, Signer: ring.Signer()})
	if err != nil {
		return nil, err
	}
	a := &analyst{Client: c, ring: ring}
	return a, post(ctx, a, statement.Party{Name: name, Key: ring.Root().String(), Box: ring.Box().Public(), CreatedMS: time.Now().UnixMilli()}, nil)
}

// post signs a statement and hands it over.
func post[T any, P interface {
	*T
	statement.Statement
}](ctx context.Context, a *analyst, s T, digest *statement.Digest) error {
	e, err := statement.Sign[T, P](s, a.ring.Signer())
	if err != nil {
		return err
	}
	d, err := a.PostStatement(ctx, e)
	if err == nil && digest != nil {
		*digest = d
	}
	return err
}

// depot is an owner whose data the analysts' contracts name. It has no agent: their jobs end by themselves.
func (w *world) depot(ctx context.Context) (*analyst, statement.Digest, error) {
	d, err := w.newAnalyst(ctx, "depot")
	if err != nil {
		return nil, "", err
	}
	object := []byte("ciphertext")
	path := client.ObjectPath(d.ring.Fingerprint(), "stock", "1", "part.parquet")
	if err := d.PutObject(ctx, path, client.Upload{Size: int64(len(object)), Digest: statement.Sum(object),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(object)), nil }}); err != nil {
		return nil, "", err
	}
	commit := statement.Sum([]byte("key"))
	var offer statement.Digest
	return d, offer, post(ctx, d, statement.Offer{Owner: d.ring.Fingerprint(), Dataset: "stock", Version: "1",
		Schema:      []statement.Column{{Name: "cost", Type: "int64"}},
		Files:       []statement.File{{Object: path, Bytes: int64(len(object)), Rows: 1, AADPrefix: "a"}},
		Commitments: []statement.Commitment{{Key: "cost", Commit: commit}, {Key: statement.FooterKey, Commit: commit}},
		Policy:      "policy", CreatedMS: 1}, &offer)
}

func nonce() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return b
}

// proposes a contract whose only operator has no host.
func (a *analyst) proposes(ctx context.Context, owner statement.Fingerprint, offer statement.Digest) error {
	me := a.ring.Fingerprint()
	return post(ctx, a, statement.Contract{Nonce: nonce(), Requester: me, Recipients: []statement.Fingerprint{me}, Purpose: purpose,
		Tables: []statement.Table{{Name: "depot.stock", Members: []statement.Member{{Owner: owner, Offer: offer}}}},
		Builds: []statement.Digest{statement.Sum([]byte("build"))}, Operators: []statement.Fingerprint{me}, Evidence: []string{"simulated"},
		Perimeters: []string{"process"}, PlanEncoding: "plan/1", FromMS: 1, UntilMS: 1 << 50, CreatedMS: 1}, &a.contract)
}

func (a *analyst) submits(ctx context.Context, owner statement.Fingerprint) error {
	me := a.ring.Fingerprint()
	j := statement.Job{Nonce: nonce(), Contract: a.contract, Requester: me, Owners: []statement.Fingerprint{owner}, Class: "small",
		Commitment: statement.Sum([]byte("body")), CreatedMS: 1, ExpiresMS: time.Now().Add(waits).UnixMilli(),
		Bodies: []statement.SealedBody{{To: owner, Sealed: []byte("sealed")}, {To: me, Sealed: []byte("sealed")}}}
	e, err := statement.Sign(j, a.ring.Signer())
	if err != nil {
		return err
	}
	d, err := a.SubmitJob(ctx, e)
	a.jobs = append(a.jobs, d)
	return err
}

// works is a day in an analyst's life: looks for data, at contracts and who granted them, into its mailbox, after its job; now and then
// it submits another one.
func (a *analyst) works(ctx context.Context, m *measured, owner statement.Fingerprint, chance *chances.Rand) {
	list := func(q client.Query) func() error {
		return func() error { _, err := a.AllStatements(ctx, q); return err }
	}
	for n := chance.IntN(8); ; n++ {
		sleep(ctx, thinking/3+time.Duration(chance.Int64N(int64(thinking*4/3))))
		if ctx.Err() != nil {
			return
		}
		switch {
		case len(a.jobs) == 0 || n%8 == 0:
			_ = m.call("submit a job", func() error { return a.submits(ctx, owner) })
		case n%8 < 3:
			_ = m.call("search the catalog", list(client.Query{Kind: client.Offers}))
		case n%8 < 4:
			_ = m.call("find a data set by its name", list(client.Query{Kind: client.Offers, Name: "strikes"}))
		case n%8 < 5:
			_ = m.call("list contracts", list(client.Query{Kind: client.Contracts}))
		case n%8 < 6:
			_ = m.call("list grants of a contract", list(client.Query{Kind: client.Grants, About: []statement.Digest{a.contract}}))
		default:
			_ = m.call("status of a job", func() error { _, err := a.Job(ctx, a.jobs[len(a.jobs)-1]); return err })
		}
	}
}

// listens as an agent does: one long poll at a time.
func (a *analyst) listens(ctx context.Context, m *measured) {
	var after int64
	for ctx.Err() == nil {
		page, err := a.Mailbox(ctx, after, 25*time.Second)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			_ = m.call("long poll of the mailbox", func() error { return err })
			sleep(ctx, time.Second)
		case len(page.Items) > 0:
			after = page.Next
			_ = m.call("acknowledge a mailbox", func() error { return a.AckMailbox(ctx, after) })
		}
	}
}

// carry has so many analysts work for so long, while the institute's submit jobs at the rate that the hosts take.
func carry(ctx context.Context, w *world, analysts int, d time.Duration, seed uint64) (*burden, error) {
	depot, offer, err := w.depot(ctx)
	if err != nil {
		return nil, err
	}
	var all []*analyst
	for n := range analysts {
		a, err := w.newAnalyst(ctx, fmt.Sprintf("analyst%d", n))
		if err == nil {
			err = a.proposes(ctx, depot.ring.Fingerprint(), offer)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	w.say("%d analysts have a contract each", len(all))
	m, r := &measured{took: map[string]*times{}}, &records{}
	working, end := context.WithTimeout(ctx, d)
	defer end()
	var work sync.WaitGroup
	for n, a := range append(all, depot) {
		work.Go(func() { a.listens(working, m) })
		if a != depot {
			work.Go(func() { a.works(working, m, depot.ring.Fingerprint(), chances.New(chances.NewPCG(seed, uint64(n)))) })
		}
	}
	for n := range hosts {
		work.Go(func() { askAndOpen(working, w, r, chances.New(chances.NewPCG(seed, uint64(1000+n)))) })
	}
	used := w.watchMemory(working, d)
	work.Wait()
	for _, a := range append(all, depot) {
		a.Close()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &burden{Analysts: analysts, Seconds: d.Seconds(), Took: m.sorted(), Memory: used}
	// Calls that were under way at the end were cut off by it.
	b.Errors = slices.DeleteFunc(m.errors, func(s string) bool { return strings.Contains(s, context.DeadlineExceeded.Error()) })
	b.Asked = w.prove(ctx, r, nil, 1)
	return b, nil
}

// watchMemory looks at the exchanges' memory each second.
func (w *world) watchMemory(ctx context.Context, d time.Duration) []memory {
	began := time.Now()
	before, after := make([][]float64, exchanges), make([][]float64, exchanges)
	for ctx.Err() == nil {
		for n, s := range w.exchanges {
			mib, err := resident(s.pid())
			switch share := float64(time.Since(began)) / float64(d); {
			case err != nil:
				w.note("memory of %s: %v", s.called, err)
			case share >= 0.25 && share < 0.5:
				before[n] = append(before[n], mib)
			case share >= 0.75:
				after[n] = append(after[n], mib)
			}
		}
		sleep(ctx, time.Second)
	}
	out := make([]memory, exchanges)
	for n := range out {
		out[n] = memory{median(before[n]), median(after[n])}
		if out[n].After > out[n].Before*flatShare+flatMiB {
			w.note("memory of exchange %d grows: from %.0f to %.0f MiB", n+1, out[n].Before, out[n].After)
		}
	}
	return out
}

// Memory is flat where it grows by less than this between the second and the last quarter.
const (
	flatShare = 1.15
	flatMiB   = 4
)

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

var errNoMemory = errors.New("no line about resident memory")

// resident memory of a process, in MiB.
func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			return kib / 1024, err
		}
	}
	return 0, errNoMemory
}

// section is what docs/reliability.md says of load.
func (b *burden) section() string {
	var out strings.Builder
	fmt.Fprintf(&out, "`make load FOR=%s`\n\n| call of an analyst | calls | p50 | p99 |\n|---|---|---|---|\n", time.Duration(b.Seconds*float64(time.Second)))
	calls := 0
	for _, name := range slices.Sorted(maps.Keys(b.Took)) {
		t := b.Took[name]
		calls += t.N
		fmt.Fprintf(&out, "| %s | %d | %.1f ms | %.1f ms |\n", name, t.N, t.P50, t.P99)
	}
	fmt.Fprintf(&out, "\n%d analysts for %.0f s: %d calls, %.0f a second, **%d errors**; beside them %d long polls, and %d jobs of the institute in enclaves, %d of them with a result. Memory of the exchanges, second quarter of the time and last:",
		b.Analysts, b.Seconds, calls, float64(calls)/b.Seconds, len(b.Errors), b.Analysts+1, b.Asked.Jobs, b.Asked.Results)
	for n, m := range b.Memory {
		fmt.Fprintf(&out, " %.0f and %.0f MiB%s", m.Before, m.After, map[bool]string{true: ".\n", false: ","}[n == len(b.Memory)-1])
	}
	return out.String()
}
