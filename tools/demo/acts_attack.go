package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the operator's way into the exchange's database

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// entry is one line of an owner's ledger.
type entry struct {
	Kind    string `json:"kind"`
	Job     string `json:"job"`
	Stage   string `json:"stage"`
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Outcome string `json:"outcome"`
	Number  int64  `json:"number"`
}

// exposure is a release, and what closed it.
type exposure struct {
	Job     string `json:"job"`
	Number  int64  `json:"number"`
	Receipt string `json:"receipt"`
	Outcome string `json:"outcome"`
}

type ledgerView struct {
	Entries   []entry    `json:"entries"`
	Exposures []exposure `json:"exposures"`
}

func (d *demo) ledger(ctx context.Context, party string) (*ledgerView, error) {
	var v ledgerView
	return &v, d.cordonJSON(ctx, &v, "ledger", "show", "--home", d.home(party))
}

func (d *demo) ledgerLines(ctx context.Context, party string) (int, error) {
	v, err := d.ledger(ctx, party)
	if err != nil {
		return 0, err
	}
	return len(v.Entries), nil
}

// patience bounds the wait for an attack to be noticed.
const patience = 45 * time.Second

// noticed waits for a line of the owner's ledger, behind the first skip ones, that fits.
func (d *demo) noticed(ctx context.Context, owner string, skip int, fits func(entry) bool) (entry, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		v, err := d.ledger(ctx, owner)
		if err != nil {
			return entry{}, err
		}
		for _, e := range v.Entries[min(skip, len(v.Entries)):] {
			if fits(e) {
				return e, nil
			}
		}
	}
	return entry{}, fmt.Errorf("nothing of the kind in the ledger of %s", owner)
}

func refusalFor(job string, codes ...string) func(entry) bool {
	return func(e entry) bool {
		for _, c := range codes {
			if e.Kind == "refusal" && e.Code == c && (job == "" || e.Job == job) {
				return true
			}
		}
		return false
	}
}

// victim is the owner in whose ledger the attacks are looked up, and whose
// exchange is reached through the operator's front.
const victim = "alaska_airlines"

func (d *demo) attacks(ctx context.Context) error {
	for _, a := range []struct {
		name string
		play func(context.Context, int) (entry, error)
	}{
		{"an analyst without a grant", d.attackNoGrant},
		{"a job changed after signing", d.attackChangedJob},
		{"a replayed job", d.attackReplay},
		{"an enclave build nobody accepted", d.attackBuild},
		{"a host that feeds the enclave keys of its own making for another airline", d.attackKeys},
		{"a host that kills the enclave after release", d.attackKill},
		{"a file in the lake with one bit flipped", d.attackFlip},
	} {
		skip, err := d.ledgerLines(ctx, victim)
		if err != nil {
			return err
		}
		e, err := a.play(ctx, skip)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		said := "refused, " + e.Code + ": " + e.Reason
		if e.Kind == "close" {
			said = "no result; exposure closed by a receipt with outcome " + e.Outcome
		}
		if e.Kind != "" {
			say("%-72s ledger of %s: %s", a.name, victim, said)
		}
	}
	return nil
}

// submit sends a query without waiting for its end.
func (d *demo) submit(ctx context.Context, who *analyst, sql string) (string, error) {
	var ran struct {
		Digest string `json:"digest"`
	}
	err := d.cordonJSON(ctx, &ran, "query", "run", "--detach", "--home", d.home(who.name), "--contract", who.contract, sql)
	return ran.Digest, err
}

// attackNoGrant: the outsider is an analyst whom policies allow, but no owner granted its contract.
func (d *demo) attackNoGrant(ctx context.Context, skip int) (entry, error) {
	if err := d.propose(ctx, &d.outsider, 0, "pool.strikes"); err != nil {
		return entry{}, err
	}
	job, err := d.submitRaw(ctx, &d.outsider, bySize)
	if err != nil {
		return entry{}, err
	}
	return d.noticed(ctx, victim, skip, refusalFor(job, "no-grant"))
}

// front is the exchange as its operator shows it to the victim.
type front struct {
	url   string
	alter atomic.Bool
}

// startFront puts the operator between the victim and the exchange. It passes
// everything on until it is told to alter jobs.
func (d *demo) startFront() (*front, error) {
	target, err := url.Parse(d.exchange.URL)
	if err != nil {
		return nil, err
	}
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // the end of the demo cancels long polls
	proxy.ModifyResponse = func(r *http.Response) error {
		switch path := r.Request.URL.Path; {
		case !f.alter.Load():
			return nil
		case path == "/v1/mailbox":
			return alter(r, alterNews)
		case strings.HasSuffix(path, "/envelope"):
			return alter(r, alterJob)
		}
		return nil
	}
	f.url, err = d.listen(proxy)
	return f, err
}

// alter changes an answer on its way to the victim.
func alter(r *http.Response, change func([]byte) []byte) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body = change(body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return nil
}

// alterNews alters the jobs in a page of the mailbox.
func alterNews(src []byte) []byte {
	var page wire.Mailbox
	if statement.Unmarshal(src, &page) != nil {
		return src
	}
	for i := range page.Items {
		if page.Items[i].Kind == wire.KindJob {
			page.Items[i].Body = alterJob(page.Items[i].Body)
		}
	}
	out, err := statement.Marshal(page)
	if err != nil {
		return src
	}
	return out
}

// alterJob moves the expiry of a job by a millisecond.
func alterJob(src []byte) []byte {
	e, err := statement.ParseEnvelope(src)
	if err != nil {
		return src
	}
	j, err := statement.DecodeUnverified[statement.Job](e.Payload)
	if err != nil {
		return src
	}
	j.ExpiresMS++
	if e.Payload, err = statement.Marshal(j); err != nil {
		return src
	}
	return e.Bytes()
}

func (d *demo) attackChangedJob(ctx context.Context, skip int) (entry, error) {
	d.front.alter.Store(true)
	defer d.front.alter.Store(false)
	if _, err := d.submit(ctx, &d.institute, bySize); err != nil {
		return entry{}, err
	}
	return d.noticed(ctx, victim, skip, refusalFor("", "job-signature"))
}

// attackReplay: the operator puts a finished job back into the queue of its own database.
func (d *demo) attackReplay(ctx context.Context, skip int) (entry, error) {
	job := d.jobs[0].Digest
	d.host.stop()
	if err := d.requeue(ctx, job); err != nil {
		return entry{}, err
	}
	if err := d.startHost(ctx); err != nil {
		return entry{}, err
	}
	return d.noticed(ctx, victim, skip, refusalFor(job, "replayed"))
}

func (d *demo) requeue(ctx context.Context, job string) error {
	db, err := sql.Open("sqlite", d.exchangeDB())
	if err != nil {
		return err
	}
	defer db.Close()
	res, err := db.ExecContext(ctx, "UPDATE jobs SET state = 'queued', lease = '', code = '', ended_ms = 0, attempts = 0 WHERE digest = ?", job)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.New("the exchange's database has no such job")
	}
	return nil
}

func (d *demo) exchangeDB() string {
	return "file:" + filepath.Join(d.out, "exchange", "store", "exchange.db") + "?_pragma=busy_timeout(5000)"
}

// attackBuild: the operator runs a program of its own in the enclave's place.
func (d *demo) attackBuild(ctx context.Context, skip int) (entry, error) {
	d.host.stop()
	evil, err := d.startEvilHost(ctx, "build")
	if err != nil {
		return entry{}, err
	}
	defer evil.stop()
	job, err := d.submit(ctx, &d.institute, bySize)
	if err != nil {
		return entry{}, err
	}
	return d.noticed(ctx, victim, skip, refusalFor(job, "evidence-build"))
}

// startEvilHost runs this program as a host of the same operator.
func (d *demo) startEvilHost(ctx context.Context, mode string, more ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append([]string{evilHostCommand, "-mode", mode, "-home", d.home(operatorName), "-passphrase-file", d.passphrase(operatorName),
		"-exchange", d.exchange.URL, "-enclave", d.enclaveBin, "-perimeter", d.form}, more...)
	var ready hostReady
	return d.start(ctx, "evil-host-"+mode, &ready, self, args...)
}

func (d *demo) attackKeys(ctx context.Context, skip int) (entry, error) {
	colluder := "horizon_air"
	evil, err := d.startEvilHost(ctx, "keys", "-colluder", d.home(colluder), "-colluder-passphrase-file", d.passphrase(colluder),
		"-victim", d.airline("american_airlines").Fingerprint)
	if err != nil {
		return entry{}, err
	}
	defer evil.stop()
	job, err := d.submit(ctx, &d.institute, bySize)
	if err != nil {
		return entry{}, err
	}
	return d.noticed(ctx, victim, skip, func(e entry) bool { return e.Kind == "close" && e.Job == job })
}

// attackKill: the exposure stays open; the retry by an honest host charges nothing.
func (d *demo) attackKill(ctx context.Context, skip int) (entry, error) {
	evil, err := d.startEvilHost(ctx, "kill")
	if err != nil {
		return entry{}, err
	}
	began := time.Now()
	job, err := d.submit(ctx, &d.institute, bySize)
	if err != nil {
		return entry{}, err
	}
	if _, err := d.noticed(ctx, victim, skip, func(e entry) bool { return e.Kind == "release" && e.Job == job }); err != nil {
		return entry{}, err
	}
	open, err := d.openExposure(ctx, job)
	if err != nil {
		return entry{}, err
	}
	say("%-72s ledger of %s: release %d of the job, OPEN", "a host that kills the enclave after release", victim, open.Number)
	evil.stop()
	if err := d.startHost(ctx); err != nil {
		return entry{}, err
	}
	if _, err := d.noticed(ctx, victim, skip, func(e entry) bool { return e.Kind == "close" && e.Job == job && e.Outcome == "result" }); err != nil {
		return entry{}, err
	}
	if err := d.chargedOnce(ctx, job); err != nil {
		return entry{}, err
	}
	return entry{}, d.collectRetried(ctx, job, began)
}

// collectRetried waits for the exchange to say that the job is done: the ledger closes a moment before.
func (d *demo) collectRetried(ctx context.Context, digest string, began time.Time) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var s struct {
			State string `json:"state"`
		}
		if err := d.cordonJSON(ctx, &s, "query", "status", digest, "--home", d.home(instituteName)); err != nil {
			return err
		}
		if s.State == "done" {
			_, err := d.collect(ctx, &job{Name: "size-retried", Digest: digest, Table: tableOf(bySize), Dimension: "Wildlife Size", Asker: instituteName}, began)
			return err
		}
	}
	return errors.New("the retried job did not end")
}

func (d *demo) openExposure(ctx context.Context, job string) (*exposure, error) {
	v, err := d.ledger(ctx, victim)
	if err != nil {
		return nil, err
	}
	for _, e := range v.Exposures {
		if e.Job == job && e.Receipt == "" {
			return &e, nil
		}
	}
	return nil, errors.New("no open exposure")
}

func (d *demo) chargedOnce(ctx context.Context, job string) error {
	v, err := d.ledger(ctx, victim)
	if err != nil {
		return err
	}
	charges, releases, open := 0, 0, 0
	for _, e := range v.Entries {
		if e.Job == job && e.Kind == "charge" {
			charges++
		}
		if e.Job == job && e.Kind == "release" {
			releases++
		}
	}
	for _, e := range v.Exposures {
		if e.Job == job && e.Receipt == "" {
			open++
		}
	}
	say("%-72s retried by an honest host: %d releases, %d charge, result delivered; the first exposure stays open", "", releases, charges)
	if charges != 1 || releases != 2 || open != 1 {
		return fmt.Errorf("%d charges, %d releases, %d open", charges, releases, open)
	}
	return nil
}

// attackFlip turns one bit in one airline's sealed file, and in what the host keeps of it.
func (d *demo) attackFlip(ctx context.Context, skip int) (entry, error) {
	path, err := d.sealedFile(d.airline("american_airlines").Fingerprint)
	if err != nil {
		return entry{}, err
	}
	kept, err := d.keptFile(path)
	if err != nil {
		return entry{}, err
	}
	if err := errors.Join(flipBit(path), flipBit(kept)); err != nil {
		return entry{}, err
	}
	job, err := d.submit(ctx, &d.institute, bySize)
	if err != nil {
		return entry{}, err
	}
	e, err := d.noticed(ctx, victim, skip, func(e entry) bool { return e.Kind == "close" && e.Job == job })
	return e, errors.Join(err, flipBit(path)) // the host has dropped its own
}

// keptFile is where the host keeps what it fetched of an object of the lake.
func (d *demo) keptFile(object string) (string, error) {
	maps, err := filepath.Glob(filepath.Join(d.home(operatorName), "cache", "*.map"))
	if err != nil {
		return "", err
	}
	for _, m := range maps {
		b, err := os.ReadFile(m)
		if err != nil {
			return "", err
		}
		var kept struct{ Path string }
		if err := json.Unmarshal(b, &kept); err != nil {
			return "", err
		}
		if strings.HasSuffix(filepath.ToSlash(object), kept.Path) {
			return strings.TrimSuffix(m, ".map") + ".data", nil
		}
	}
	return "", errors.New("the host keeps nothing of it")
}

func (d *demo) sealedFile(owner string) (string, error) {
	var found string
	err := d.everyKeptFile(func(path string) error {
		if strings.Contains(path, strings.TrimPrefix(owner, "cordon1")) && strings.Contains(path, "strikes") && strings.HasSuffix(path, ".parquet") {
			found = path
		}
		return nil
	})
	if err == nil && found == "" {
		err = errors.New("no sealed file found")
	}
	return found, err
}

// flipBit changes a bit of the sealed footer, 64 bytes before the end. Calling it twice changes nothing.
func flipBit(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var b [1]byte
	at := info.Size() - 64
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 4
	_, err = f.WriteAt(b[:], at)
	return err
}
