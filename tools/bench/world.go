package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/tools/bench/tpch"
)

// world is the exchange, its host and its parties, in one folder.
type world struct {
	dir                   string
	cordonBin, enclaveBin string
	running               []*process
	out                   func(string, ...any)

	exchange string // URL
	host     struct {
		Operator string `json:"operator"`
		Build    string `json:"build"`
		Form     string `json:"form"`
	}
	prints   map[string]string // fingerprint by party
	contract map[string]string // digest by table, or by another name
	lineitem bool              // published
}

const (
	analyst  = "analyst"
	operator = "operator"
	purpose  = "benchmarking"
	bigRows  = "vendor_a.lineitem"
	bigUnits = "vendor_a.lineitem_orders"
	tinyPool = "pool.tiny"
	patience = 30 * time.Second
)

func owners() []string { return []string{"vendor_a", "vendor_b", "vendor_c"} }

// exchange starts the exchange, its host and its parties, once, with the small tables and their contract.
func (b *bench) exchange(ctx context.Context) (*world, error) {
	if b.world != nil {
		return b.world, nil
	}
	w := &world{dir: b.dir, out: b.say, prints: map[string]string{}, contract: map[string]string{}}
	b.world = w // so that what was started is stopped
	if err := w.programs(b.o.bin); err != nil {
		return nil, err
	}
	return w, w.steps(ctx, []step{
		{"start the exchange, the host and four agents", w.startAll},
		{"make small tables", w.makeTiny},
		{"publish small tables and form their pool", w.publishTiny},
		{"agree on a contract over them", func(ctx context.Context) error { return w.agree(ctx, tinyPool) }},
	})
}

// publishLineitem publishes TPC-H's lineitem twice: rows as units, and orders.
func (b *bench) publishLineitem(ctx context.Context, w *world) error {
	if w.lineitem {
		return nil
	}
	dir, err := b.generated(ctx, b.o.scale)
	if err != nil {
		return err
	}
	path := tpch.Path(dir, "lineitem")
	w.lineitem = true
	return w.steps(ctx, []step{
		{"publish lineitem, rows are units", func(ctx context.Context) error { return w.publishBig(ctx, "lineitem", path) }},
		{"publish lineitem, orders are units", func(ctx context.Context) error { return w.publishBig(ctx, "lineitem_orders", path) }},
	})
}

type step struct {
	what string
	do   func(context.Context) error
}

func (w *world) steps(ctx context.Context, steps []step) error {
	for _, s := range steps {
		began := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		w.out("%s: %.1f s", s.what, time.Since(began).Seconds())
	}
	return nil
}

func (w *world) programs(bin string) error {
	for name, path := range map[string]*string{"cordon": &w.cordonBin, "cordon-enclave": &w.enclaveBin} {
		abs, err := filepath.Abs(filepath.Join(bin, name))
		if err != nil {
			return err
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("%s is missing: run 'make build', or name its folder with -bin", name)
		}
		if *path, err = w.install(abs); err != nil {
			return err
		}
	}
	return nil
}

// install copies a program, as installing it does: a file that the linker has just written is slower to map.
func (w *world) install(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	to := w.file(filepath.Base(path))
	return to, os.WriteFile(to, b, 0o700)
}

func (w *world) home(party string) string       { return filepath.Join(w.dir, "homes", party) }
func (w *world) passphrase(party string) string { return filepath.Join(w.dir, party+".pass") }
func (w *world) file(name string) string        { return filepath.Join(w.dir, name) }

func (w *world) startAll(ctx context.Context) error {
	var exchange struct {
		URL string `json:"url"`
	}
	if err := w.start(ctx, "exchange", &exchange, "exchange", "serve", "--home", w.file("exchange"), "--listen", "127.0.0.1:0", "--json"); err != nil {
		return err
	}
	w.exchange = exchange.URL
	for _, name := range append(owners(), analyst, operator) {
		if err := w.party(ctx, name); err != nil {
			return err
		}
	}
	return w.startHost(ctx)
}

// startHost starts the host, with more flags or none.
func (w *world) startHost(ctx context.Context, more ...string) error {
	return w.start(ctx, "host", &w.host, append([]string{"host", "serve", "--home", w.home(operator), "--exchange", w.exchange, "--enclave", w.enclaveBin,
		"--perimeter", "strongest", "--passphrase-file", w.passphrase(operator), "--json"}, more...)...)
}

// anotherHost stops the host and starts one with other flags.
func (w *world) anotherHost(ctx context.Context, more ...string) error {
	last := len(w.running) - 1 // the host was started last
	w.running[last].stop()
	w.running = w.running[:last]
	return w.startHost(ctx, more...)
}

// party makes a party's keys, and starts its agent unless it operates the host.
func (w *world) party(ctx context.Context, name string) error {
	var made struct {
		Fingerprint string `json:"fingerprint"`
	}
	if err := w.cordonJSON(ctx, &made, "party", "init", "--home", w.home(name), "--name", name, "--generate-passphrase", w.passphrase(name)); err != nil {
		return err
	}
	w.prints[name] = made.Fingerprint
	if name == operator {
		return nil
	}
	var ready json.RawMessage
	return w.start(ctx, name, &ready, "party", "serve", "--home", w.home(name), "--exchange", w.exchange,
		"--passphrase-file", w.passphrase(name), "--join-pools", "tiny", "--json")
}

func (w *world) makeTiny(ctx context.Context) error {
	for i, name := range owners() {
		if err := makeTiny(ctx, w.file(name+".csv"), i); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) publish(ctx context.Context, owner, dataset, policy, file string, more ...string) error {
	path := w.file(owner + "." + dataset + ".yaml")
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		return err
	}
	var offer json.RawMessage
	return w.cordonJSON(ctx, &offer, append([]string{"dataset", "publish", file, "--home", w.home(owner),
		"--name", dataset, "--policy", path, "--row-id", "line"}, more...)...)
}

func (w *world) publishBig(ctx context.Context, dataset, path string) error {
	return w.publish(ctx, owners()[0], dataset, w.lineitemPolicy(dataset), path, "--schema", strings.Join([]string{
		"l_orderkey:int64!", "l_quantity:decimal(15,2)!", "l_extendedprice:decimal(15,2)!", "l_discount:decimal(15,2)!", "l_tax:decimal(15,2)!",
		"l_returnflag:varchar!", "l_linestatus:varchar!", "l_shipdate:date!"}, ","))
}

func (w *world) publishOrders(ctx context.Context, owner, dataset, path string) error {
	return w.publish(ctx, owner, dataset, w.ordersPolicy(dataset), path, "--schema", "o_orderkey:int64!,o_orderpriority:varchar!")
}

func (w *world) publishTiny(ctx context.Context) error {
	pins := []string{}
	for _, name := range owners() {
		if err := w.publish(ctx, name, "tiny", w.tinyPolicy(), w.file(name+".csv"), "--schema", "size:varchar!,cost:int64!"); err != nil {
			return err
		}
		pins = append(pins, "--member", name+".tiny", "--pin", name+"="+w.prints[name])
	}
	first := w.home(owners()[0])
	var proposed json.RawMessage
	if err := w.cordonJSON(ctx, &proposed, append([]string{"pool", "propose", "tiny", "--home", first}, pins...)...); err != nil {
		return err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var seen struct {
			Pools []struct {
				Missing []json.RawMessage `json:"missing"`
			} `json:"pools"`
		}
		if err := w.cordonJSON(ctx, &seen, "pool", "show", "tiny", "--home", first); err != nil {
			return err
		}
		if len(seen.Pools) == 1 && len(seen.Pools[0].Missing) == 0 {
			return nil
		}
	}
	return errors.New("not all members signed the pool")
}

// agree makes one contract for each table; standing rules grant it.
func (w *world) agree(ctx context.Context, tables ...string) error {
	for _, table := range tables {
		if err := w.agreeOn(ctx, table, table); err != nil {
			return err
		}
	}
	return nil
}

// agreeOn makes one contract over several tables, under a name.
func (w *world) agreeOn(ctx context.Context, name string, tables ...string) error {
	args := []string{"contract", "propose", "--home", w.home(analyst), "--purpose", purpose, "--wait", patience.String(),
		"--build", w.host.Build, "--operator", w.host.Operator, "--evidence", "simulated", "--perimeter", w.host.Form, "--until", "2d"}
	of := map[string]bool{}
	for _, table := range tables {
		args = append(args, "--data", table)
		owner, _, _ := strings.Cut(table, ".")
		of[owner] = true
	}
	for _, owner := range owners() {
		if of[owner] || name == tinyPool {
			args = append(args, "--pin", owner+"="+w.prints[owner])
		}
	}
	var made struct {
		Digest string `json:"digest"`
	}
	if err := w.cordonJSON(ctx, &made, args...); err != nil {
		return err
	}
	w.contract[name] = made.Digest
	return nil
}
