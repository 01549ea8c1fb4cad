package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// outage is something that the exchange stands on, or a party's way to it, gone for a while.
type outage struct {
	name  string
	begin func() error
	end   func() error
	part  string // of GET /readyz that says so; "" where the exchange itself can't know
}

// endured is how an outage went.
type endured struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Said    string  `json:"said"`  // what an analyst's command said in its middle
	Ready   string  `json:"ready"` // what GET /readyz said
	Again   float64 `json:"again"` // seconds from its end to a result of a job that was submitted then
}

// outages are all that a world can have. Networks are cut where processes have one of their own.
func (w *world) outages() []outage {
	stands := func(name, part string, signal func(syscall.Signal) error) outage {
		return outage{name: name + " stands still", part: part, begin: func() error { return signal(syscall.SIGSTOP) }, end: func() error { return signal(syscall.SIGCONT) }}
	}
	pg, s3 := w.backends[0], w.backends[1]
	bucket := func(s syscall.Signal) error { return w.s3.Signal(s) }
	out := []outage{
		stopped(pg, "store"), stands("postgresql", "store", w.pg.Signal), slow("postgresql", w.pg.Signal),
		stopped(s3, "lake"), stands("s3", "lake", bucket), slow("s3", bucket),
		stands(w.exchanges[0].called, "", w.exchanges[0].signal),
	}
	for _, process := range []string{w.hosts[0].called, "agent-" + owners[0], "agent-" + institute} {
		if space := w.spaces[process]; space != "" {
			out = append(out, outage{name: process + " is cut off", begin: func() error { return w.net.cut(space, true) }, end: func() error { return w.net.cut(space, false) }})
		}
	}
	return out
}

func stopped(b *backend, part string) outage {
	return outage{name: b.called + " is stopped", part: part,
		begin: func() error { b.set(false); return b.end() },
		end: func() error {
			var err error
			for range 10 {
				if err = b.begin(); err == nil {
					b.set(true)
					return nil
				}
				time.Sleep(time.Second)
			}
			return err
		}}
}

func (b *backend) set(up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up = up
}

// slow has all processes of a server stand still for four fifths of the time, in pieces of 200 ms, as a disk does that has no time for
// anybody. What a server waits for on a real slow disk this can't choose: it is everything.
func slow(name string, signal func(syscall.Signal) error) outage {
	var over chan struct{}
	var work sync.WaitGroup
	return outage{name: name + " is slow",
		begin: func() error {
			over = make(chan struct{})
			work.Go(func() {
				for {
					_ = signal(syscall.SIGSTOP) // one that is not there is slow enough
					time.Sleep(200 * time.Millisecond)
					_ = signal(syscall.SIGCONT)
					select {
					case <-over:
						return
					case <-time.After(50 * time.Millisecond):
					}
				}
			})
			return nil
		},
		end: func() error { close(over); work.Wait(); return nil }}
}

// backTime bounds how long after an outage a job may take that is submitted then.
const backTime = 90 * time.Second

// endure has an outage for so long, while work goes on, and then a job that must end in a result.
func (w *world) endure(ctx context.Context, all *records, o outage, d time.Duration) (*endured, killing, error) {
	k := killing{Of: o.name, At: time.Now()}
	e := &endured{Name: o.name, Seconds: d.Seconds()}
	if err := o.begin(); err != nil {
		return nil, k, fmt.Errorf("%s: %w", o.name, err)
	}
	w.say("%s", o.name)
	said := make(chan string, 1)
	go func() { said <- w.command(ctx, o) }()
	e.Ready = w.readiness(ctx, o, d)
	sleep(ctx, time.Until(k.At.Add(d)))
	if err := o.end(); err != nil {
		return nil, k, fmt.Errorf("the end of: %s: %w", o.name, err)
	}
	ended, r := time.Now(), &records{}
	for len(r.jobs) == 0 && time.Since(ended) < backTime && ctx.Err() == nil {
		if !askOnce(ctx, w, r, w.contracts[3]) {
			sleep(ctx, 200*time.Millisecond)
		}
	}
	e.Again, e.Said = time.Since(ended).Seconds(), <-said
	if len(r.jobs) == 0 || !r.jobs[0].Opened {
		w.note("after: %s, no job ended in a result within %s", o.name, backTime)
	}
	all.add(func() { all.jobs, all.unanswered = append(all.jobs, r.jobs...), all.unanswered+r.unanswered })
	w.say("%s: %s; %s; a result %.1f s after it", o.name, e.Said, e.Ready, e.Again)
	return e, k, nil
}

// command is one that needs the exchange, its database and, where that is what is away, its lake. It succeeds, however long it takes, or
// says that something does not answer.
func (w *world) command(ctx context.Context, o outage) string {
	began, during := time.Now(), o.name
	args := []string{"dataset", "list", "--of", owners[0], "--home", w.home(institute), "--json"}
	if o.part == "lake" {
		args = append(w.publishArgs(owners[2], "more"), "--even-if-unchanged", "--json")
	}
	_, err := w.run(ctx, args...)
	took := time.Since(began).Round(100 * time.Millisecond)
	if err == nil {
		return fmt.Sprintf("`%s` succeeded after %s", strings.Join(args[:2], " "), took)
	}
	var f *failure
	if !errors.As(err, &f) || f.exit != 7 {
		w.note("while %s, a command ended with %v", during, err)
		return err.Error()
	}
	var text struct{ Error, Hint string }
	last := f.stderr[strings.LastIndex(f.stderr, "\n")+1:]
	if json.Unmarshal([]byte(last), &text) != nil || text.Error == "" || text.Hint == "" {
		w.note("while %s, a command gave no error with a hint: %s", during, f.stderr)
	}
	if !strings.Contains(text.Error, "exchange") && !strings.Contains(text.Error, "agent") {
		w.note("while %s, a command does not say what is away: %s", during, text.Error)
	}
	return fmt.Sprintf("`%s` ended after %s: %s", strings.Join(args[:2], " "), took, text.Error)
}

// readiness asks an exchange that can know whether it is ready, until it says what is away.
func (w *world) readiness(ctx context.Context, o outage, d time.Duration) string {
	if o.part == "" {
		return "-"
	}
	url := strings.Split(w.urls, ",")[exchanges-1] + "/readyz"
	said := ""
	for deadline := time.Now().Add(d); time.Now().Before(deadline) && ctx.Err() == nil; sleep(ctx, 250*time.Millisecond) {
		status, text := readyz(ctx, url)
		said = fmt.Sprintf("%d %s", status, text)
		if status == http.StatusServiceUnavailable && strings.Contains(text, `"`+o.part+`":"away"`) {
			return said
		}
	}
	w.note("while %s, readyz says %s", o.name, said)
	return said
}

func readyz(ctx context.Context, url string) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b := make([]byte, 512)
	n, _ := resp.Body.Read(b) // short
	return resp.StatusCode, strings.TrimSpace(string(b[:n]))
}

// hardship is what a run of outages has shown.
type hardship struct {
	*account
	Endured []*endured `json:"endured"`
}

// outlast has one outage after the other while jobs and agreements go on, and proves the same as after kills, but for the share of
// results: what was under way when something went may have ended.
func outlast(ctx context.Context, w *world, d time.Duration, seed uint64) (*hardship, error) {
	began, r, h := time.Now(), &records{}, &hardship{}
	working, end := context.WithCancel(ctx)
	defer end()
	var work sync.WaitGroup
	for i, k := range workers() {
		work.Go(func() { k.does(working, w, r, rand.New(rand.NewPCG(seed, uint64(i+1)))) })
	}
	var gone []killing
	for _, o := range w.outages() {
		e, k, err := w.endure(ctx, r, o, d)
		if err != nil {
			end()
			work.Wait()
			return nil, err
		}
		k.N = len(gone) + 1
		h.Endured, gone = append(h.Endured, e), append(gone, k)
	}
	end()
	work.Wait()
	w.allReady(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	h.account = w.prove(ctx, r, gone, 0)
	h.Seed, h.Seconds = seed, seconds
	return h, nil
}

// section is what docs/reliability.md says of outages.
func (h *hardship) section() string {
	var b strings.Builder
	fmt.Fprintf(&b, "`make outages OUTAGE=%.0fs`\n\n| for %.0f s | a command in its middle | `GET /readyz` | a job's result, after its end |\n|---|---|---|---|\n", h.Endured[0].Seconds, h.Endured[0].Seconds)
	for _, e := range h.Endured {
		ready := e.Ready
		if ready != "-" {
			ready = "`" + ready + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f s |\n", e.Name, e.Said, ready, e.Again)
	}
	fmt.Fprintf(&b, "\nMeanwhile: %d jobs confirmed, %d with a result, %d ended by an outage%s; %d charges, none twice; %d contracts and %d grants, all there; fsck: %d faults.\n",
		h.Jobs, h.Results, len(h.Excused), h.codes(), h.Charges, h.Agreements, h.Grants, h.Checked.Faults)
	return b.String()
}
