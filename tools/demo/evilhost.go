package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/host"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// evilHostCommand makes this program a host that attacks: the real host's code
// around an exchange or a perimeter of the attacker's.
const evilHostCommand = "evil-host"

type evilFlags struct {
	mode, home, passphrase, exchange, enclave, form string
	colluder, colluderPassphrase, victim            string
}

func evilHost(args []string) int {
	var f evilFlags
	fs := flag.NewFlagSet(evilHostCommand, flag.ContinueOnError)
	fs.StringVar(&f.mode, "mode", "", "build: run a program of its own instead of the enclave; keys: answer for an owner with keys of its own making; kill: kill the enclave after the releases")
	fs.StringVar(&f.home, "home", "", "the operator's home")
	fs.StringVar(&f.passphrase, "passphrase-file", "", "its passphrase")
	fs.StringVar(&f.exchange, "exchange", "", "URL of the exchange")
	fs.StringVar(&f.enclave, "enclave", "", "enclave program")
	fs.StringVar(&f.form, "perimeter", "", "form of the perimeter")
	fs.StringVar(&f.colluder, "colluder", "", "home of an owner that helps the operator")
	fs.StringVar(&f.colluderPassphrase, "colluder-passphrase-file", "", "its passphrase")
	fs.StringVar(&f.victim, "victim", "", "fingerprint of the owner to impersonate")
	if fs.Parse(args) != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := f.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

func unlock(homeDir, passphrase string) (*keyring.Keyring, error) {
	dir, err := home.Open(homeDir)
	if err != nil {
		return nil, err
	}
	file, err := os.ReadFile(dir.Keyring())
	if err != nil {
		return nil, err
	}
	pass, err := keyring.ReadPassphrase(passphrase)
	if err != nil {
		return nil, err
	}
	return keyring.Decrypt(file, pass)
}

func (f evilFlags) run(ctx context.Context) error {
	ring, err := unlock(f.home, f.passphrase)
	if err != nil {
		return err
	}
	exchange, err := client.New(client.Options{URL: f.exchange, Signer: ring.Signer()})
	if err != nil {
		return err
	}
	defer exchange.Close()
	if f.mode == "build" {
		if err := json.NewEncoder(os.Stdout).Encode(hostReady{Operator: string(ring.Fingerprint()), Form: f.form}); err != nil {
			return err
		}
		return (&stranger{exchange: exchange, operator: ring, form: f.form}).run(ctx)
	}
	classes := host.DefaultClasses()
	processes, err := host.NewProcesses(ctx, f.enclave, f.form, classes[0])
	if err != nil {
		return err
	}
	defer processes.Close()
	o := host.Options{Exchange: exchange, Perimeter: processes, Operator: ring.Signer(), Classes: classes,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	switch f.mode {
	case "keys":
		colluder, err := unlock(f.colluder, f.colluderPassphrase)
		if err != nil {
			return err
		}
		o.Exchange = &impersonator{Exchange: exchange, colluder: colluder, victim: statement.Fingerprint(f.victim)}
	case "kill":
		k := &killer{Exchange: exchange, Perimeter: processes}
		o.Exchange, o.Perimeter = k, k
	default:
		return fmt.Errorf("no mode %q", f.mode)
	}
	ready := hostReady{Operator: string(ring.Fingerprint()), Build: string(processes.Build()), Form: processes.Form()}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	return host.Run(ctx, o)
}

// impersonator answers the enclave's quote in the victim's place, with a release
// and keys of its own making. A colluding owner lends its box key, so that the
// operator can read the session out of that owner's hello.
type impersonator struct {
	host.Exchange
	colluder *keyring.Keyring
	victim   statement.Fingerprint

	mu      sync.Mutex
	session statement.Session
	quote   *message.Quote
}

func (i *impersonator) SendMessages(ctx context.Context, job statement.Digest, lease string, all []wire.Outgoing) error {
	i.mu.Lock()
	for _, m := range all {
		if m.To != i.colluder.Fingerprint() {
			continue
		}
		var q message.Quote
		if m.Kind == message.KindQuote && message.OpenWith(i.colluder.Box(), message.QuoteContext(job, m.To), m.Body, &q) == nil {
			i.quote, i.session = &q, q.Session
		}
	}
	i.mu.Unlock()
	return i.Exchange.SendMessages(ctx, job, lease, all)
}

func (i *impersonator) Replies(ctx context.Context, job statement.Digest, lease string, a wire.Await) (*wire.Replies, error) {
	got, err := i.Exchange.Replies(ctx, job, lease, a)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil || i.quote == nil {
		return got, err
	}
	for n, item := range got.Items {
		if item.From == i.victim {
			if got.Items[n].Body, err = i.forge(job); err != nil {
				return nil, err
			}
		}
	}
	return got, nil
}

// forge makes the reply that the victim would make, but for the keys and the signature.
func (i *impersonator) forge(job statement.Digest) ([]byte, error) {
	own, err := seal.NewSigningKey()
	if err != nil {
		return nil, err
	}
	keys, err := message.SealTo(i.session.Box, message.KeysContext(job, i.victim), i.keys())
	if err != nil {
		return nil, err
	}
	ev, err := i.quote.Evidence.Digest()
	if err != nil {
		return nil, err
	}
	fake := statement.Sum([]byte("made up"))
	release, err := statement.Sign(statement.Release{
		Owner: i.victim, Job: job, Session: i.session.Digest(), Plan: i.quote.Plan, Evidence: ev, Ready: fake, Grant: fake,
		Sealed: statement.Sum(keys), Appraisal: statement.Appraisal{Kind: i.quote.Evidence.Kind, Simulated: statement.SoftwareRooted(i.quote.Evidence.Kind), Policies: []statement.Digest{fake}},
		Columns: []statement.Opening{{Offer: fake, Columns: []string{"phase"}}},
		Number:  1, ReleasedMS: time.Now().UnixMilli(),
	}, own)
	if err != nil {
		return nil, err
	}
	return message.SealTo(i.session.Box, message.ReplyContext(job, i.victim),
		message.Reply{Stage: message.KindQuote, Release: release, Keys: keys})
}

func (i *impersonator) keys() statement.ReleasedKeys {
	made := make([]byte, seal.DataKeySize)
	return statement.ReleasedKeys{Offers: []statement.OfferKeys{{
		Offer: statement.Sum([]byte("made up")), Footer: made, Column: []statement.ColumnKey{{Column: "phase", Key: made}},
	}}}
}

// killer is an exchange and a perimeter at once: it sees the quote go out, waits
// until the answers are in, hands them on and kills the enclave.
type killer struct {
	host.Exchange
	host.Perimeter

	mu      sync.Mutex
	enclave host.Enclave
	quoted  int // brokers that were asked for keys
	replies int // of them that answered
	killed  bool
}

func (k *killer) Start(ctx context.Context, c host.Class) (host.Enclave, error) {
	e, err := k.Perimeter.Start(ctx, c)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.enclave = e
	return e, err
}

// Claim takes one job only: after the kill, another host may have it.
func (k *killer) Claim(ctx context.Context, classes []string, wait time.Duration, recall <-chan struct{}) (*wire.Claim, error) {
	k.mu.Lock()
	killed := k.killed
	k.mu.Unlock()
	if killed {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return k.Exchange.Claim(ctx, classes, wait, recall)
}

func (k *killer) SendMessages(ctx context.Context, job statement.Digest, lease string, all []wire.Outgoing) error {
	k.mu.Lock()
	for _, m := range all {
		if m.Kind == message.KindQuote {
			k.quoted++
		}
	}
	k.mu.Unlock()
	return k.Exchange.SendMessages(ctx, job, lease, all)
}

func (k *killer) Replies(ctx context.Context, job statement.Digest, lease string, a wire.Await) (*wire.Replies, error) {
	got, err := k.Exchange.Replies(ctx, job, lease, a)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil && k.quoted > 0 {
		k.replies += len(got.Items)
		if k.replies >= k.quoted && k.enclave != nil && !k.killed {
			k.killed = true
			k.enclave.Kill()
		}
	}
	return got, err
}
