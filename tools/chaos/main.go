package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

var errFaults = errors.New("something was lost, charged wrongly, or did not come back: see above")

func command() error {
	var o options
	kills := flag.Int("kills", 30, "how many")
	every := flag.Duration("every", 2*time.Second, "time between two of them, on average")
	seed := flag.Uint64("seed", 0, "of chance; 0: another one each time")
	outage := flag.Duration("outage", 0, "instead of kills: each kind of outage for so long")
	load := flag.Duration("load", 0, "instead of kills: analysts for so long")
	analysts := flag.Int("analysts", 100, "how many")
	write := flag.String("write", "", "page whose section about kills is written anew")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the programs")
	flag.StringVar(&o.out, "out", "", "folder for everything that is written; default: one that is removed afterwards")
	flag.DurationVar(&o.lease, "lease", 5*time.Second, "of the exchange")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	began := time.Now()
	o.say = func(format string, args ...any) {
		fmt.Printf("%7.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	clean, err := o.prepare()
	if err != nil {
		return err
	}
	var a *account
	var section, text string
	switch {
	case *load > 0:
		b, err := burdens(ctx, o, *analysts, *load, *seed)
		if err != nil {
			return err
		}
		a, section, text = b.Asked, "load", b.section()
		a.Faults = append(a.Faults, b.Errors...)
	case *outage > 0:
		h, err := outages(ctx, o, *outage, *seed)
		if err != nil {
			return err
		}
		a, section, text = h.account, "outages", h.section()
	default:
		if a, err = chaos(ctx, o, *kills, *every, *seed); err != nil {
			return err
		}
		section, text = "chaos", a.section()
	}
	o.say("%s", a)
	if err := keep(a, filepath.Join(o.out, "account.json")); err != nil {
		return err
	}
	if len(a.Faults) > 0 {
		for _, f := range a.Faults {
			fmt.Println("fault:", f)
		}
		return fmt.Errorf("%w (seed %d, logs in %s)", errFaults, *seed, o.out)
	}
	clean()
	if *write != "" {
		return writeSection(*write, section, text)
	}
	return nil
}

// prepare makes paths absolute, and a folder where none is given.
func (o *options) prepare() (clean func(), err error) {
	clean = func() {}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return clean, err
	}
	if o.out != "" {
		o.out, err = filepath.Abs(o.out)
		return clean, errors.Join(err, os.MkdirAll(o.out, 0o700))
	}
	o.out, err = os.MkdirTemp("", "chaos-") // short: sockets lie in it
	return func() { _ = os.RemoveAll(o.out) }, err
}

func keep(v any, file string) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

// burdens runs a world under load.
func burdens(ctx context.Context, o options, analysts int, d time.Duration, seed uint64) (*burden, error) {
	w, err := newWorld(ctx, o)
	defer w.stop()
	if err != nil {
		return nil, err
	}
	return carry(ctx, w, analysts, d, seed)
}

// outages runs a world with one outage after the other.
func outages(ctx context.Context, o options, d time.Duration, seed uint64) (*hardship, error) {
	w, err := newWorld(ctx, o)
	defer w.stop()
	if err != nil {
		return nil, err
	}
	return outlast(ctx, w, d, seed)
}

// chaos runs everything: a world, its work, kills, and proofs.
func chaos(ctx context.Context, o options, kills int, every time.Duration, seed uint64) (*account, error) {
	o.say("seed %d", seed)
	w, err := newWorld(ctx, o)
	defer w.stop()
	if err != nil {
		return nil, err
	}
	o.say("%d exchanges over one database and one bucket, %d hosts, %d agents; %d of these in a network namespace of their own",
		len(w.exchanges), len(w.hosts), len(w.agents), len(w.spaces))
	began, r := time.Now(), &records{}
	working, end := context.WithCancel(ctx)
	var work sync.WaitGroup
	for i, k := range workers() {
		work.Go(func() { k.does(working, w, r, rand.New(rand.NewPCG(seed, uint64(i+1)))) })
	}
	list := w.killed(ctx, kills, every, rand.New(rand.NewPCG(seed, 0)))
	end()
	o.say("no more kills: what was begun comes to its end")
	work.Wait()
	w.allReady(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	a := w.prove(ctx, r, list, resultShare)
	a.Seed, a.Seconds = seed, seconds
	return a, nil
}

func listen(address string) (net.Listener, error) { return net.Listen("tcp", address+":0") }

func freePort(address string) (int, error) {
	l, err := listen(address)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
