package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/cordon-exchange/cordon/internal/host/perimeter"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == perimeter.StageCommand {
		os.Exit(perimeter.StageMain(os.Args[2:])) // the first stage of an evil host's enclaves
	}
	if len(os.Args) > 1 && os.Args[1] == evilHostCommand {
		os.Exit(evilHost(os.Args[2:]))
	}
	bin := flag.String("bin", "bin", "folder of cordon and cordon-enclave")
	out := flag.String("out", "out", "folder to write; what an earlier demo left there is removed")
	csv := flag.String("csv", "examples/birdstrikes/birdstrikes.csv", "the bird strike reports")
	image := flag.String("image", "", "folder with the image of a virtual machine: the demo's first job alone, in such a machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *out, *csv, *image); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		fmt.Fprintf(os.Stderr, "hint: the servers' logs are in %s\n", filepath.Join(*out, "logs"))
		os.Exit(1)
	}
}

// demo is the state of one run.
type demo struct {
	out, csv              string
	cordonBin, enclaveBin string
	started               time.Time

	mu      sync.Mutex // of running
	running []*process

	airlines  []*airline
	exchange  exchangeReady
	settler   string // fingerprint of the exchange's settlement key
	front     *front
	servers   []*http.Server
	host      *process
	operator  string // fingerprint
	build     string // digest of the enclave
	form      string // of the perimeter
	kind      string // of evidence
	image     string // folder with that of a virtual machine; empty: enclaves are processes
	institute analyst
	outsider  analyst
	jobs      []*job
	memory    []string
}

// analyst is a party that asks.
type analyst struct{ name, fingerprint, contract string }

// job is one job that ended with a receipt.
type job struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"`
	Table     string `json:"table"`
	Dimension string `json:"dimension"`
	Asker     string `json:"asker"`
	Bundle    string `json:"bundle"`
	Result    string `json:"result,omitempty"`

	wall time.Duration
}

// act is a part of the demo, with its title.
type act struct {
	title string
	play  func(context.Context) error
}

func run(ctx context.Context, bin, out, csv, image string) error {
	d := &demo{out: out, csv: csv, image: image, started: time.Now()}
	if err := d.prepare(bin); err != nil {
		return err
	}
	defer d.stopAll()
	defer d.closeServers()
	for _, act := range d.acts() {
		fmt.Printf("\n== %s\n", act.title)
		if err := act.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", act.title, err)
		}
	}
	return nil
}

func (d *demo) acts() []act {
	if d.image != "" {
		return []act{
			{"Everybody starts: one exchange, a host, an agent for each party, each a process of its own", d.startAll},
			{"1. Airlines publish, sealed, and form a pool", d.publish},
			{"2. The institute proposes a contract; the airlines' rules grant it", d.agree},
			{"3. Strikes and mean cost over the pool, computed by the only process of a virtual machine", d.inMachine},
			{"4. The job's receipt, verified offline", d.receipts},
		}
	}
	return []act{
		{"Everybody starts: one exchange, a host, an agent for each party, each a process of its own", d.startAll},
		{"1. Airlines publish, sealed, and form a pool", d.publish},
		{"2. The institute proposes a contract; the airlines' rules grant it; explain costs nothing", d.agree},
		{"3. Strikes and mean cost over the pool, and what an attacker can make of it", d.market},
		{"4. An airline's own figures beside the market's", d.beside},
		{"5. A query for rows is refused before any key is asked for", d.rows},
		{"6. Attacks: no key or no result, and the reason in the owner's ledger", d.attacks},
		{"7. A purchase: ordered, settled, charged, and revoked at once", d.buy},
		{"8. Each job's receipt, readable, then verified offline", d.receipts},
		{"9. What it took, and where everything is", d.account},
	}
}

// rests says what the host's evidence rests on.
func (d *demo) rests() string {
	if d.image != "" {
		return "a machine of its own for each job, whose TPM this host runs; its evidence is SOFTWARE-ROOTED"
	}
	return "the strongest this machine offers; its evidence is SIMULATED"
}

// prepare makes an empty out/ that only this user can read.
func (d *demo) prepare(bin string) error {
	if err := d.clear(); err != nil {
		return err
	}
	for _, dir := range []string{"logs", "homes", "premises", "results", "receipts", "policies"} {
		if err := os.MkdirAll(filepath.Join(d.out, dir), 0o700); err != nil {
			return err
		}
	}
	var err error
	if d.cordonBin, err = filepath.Abs(filepath.Join(bin, "cordon")); err != nil {
		return err
	}
	d.enclaveBin, err = filepath.Abs(filepath.Join(bin, "cordon-enclave"))
	return err
}

func say(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }

// each runs f for every airline, two at a time, and joins the errors.
func (d *demo) each(f func(*airline) error) error {
	errs := make([]error, len(d.airlines))
	slots := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i, a := range d.airlines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = f(a)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (d *demo) home(party string) string { return filepath.Join(d.out, "homes", party) }

func (d *demo) closeServers() {
	for _, s := range d.servers {
		_ = s.Close()
	}
}

// clear removes what an earlier demo left. A folder that no demo made is left alone.
func (d *demo) clear() error {
	entries, err := os.ReadDir(d.out)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(d.out, "premises")); err != nil {
		return fmt.Errorf("%s holds something else: name another folder with -out", d.out)
	}
	return os.RemoveAll(d.out)
}
