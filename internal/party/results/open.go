package results

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what opening asks of the exchange's client.
type Exchange interface {
	Artifact(ctx context.Context, job statement.Digest, name string) ([]byte, error)
	JobEnvelope(ctx context.Context, d statement.Digest) (*statement.Envelope, error)
}

// Opener opens for one party. All fields are required.
type Opener struct {
	Exchange  Exchange
	Catalog   *catalog.Catalog
	Ledger    *ledger.Ledger
	Heads     *heads.Store
	Box       *seal.BoxKey
	Self      statement.Fingerprint
	Verifiers evidence.Verifiers
	Log       *slog.Logger
}

// Account is the verified account of a job, and the bundle to pass on.
type Account struct {
	Report *receipt.Report
	Bundle []byte
	Back   []string      // for people: owners whose ledger went back, as this and earlier accounts show; also notes of the report
	key    *seal.DataKey // of the result; nil for an owner that receives none
}

// Opened is a result with the account that vouches for it.
type Opened struct {
	Table   *result.Table
	Account *Account
}

// Account fetches and verifies the account of a job. extra are fingerprints that
// the reader pins beyond those of a contract that this party signed or granted.
func (o *Opener) Account(ctx context.Context, job statement.Digest, extra []statement.Fingerprint) (*Account, error) {
	if !job.Valid() {
		return nil, fault.New(fault.Usage, "not the digest of a job", "'cordon query run' prints it: sha256: and 64 hex digits", nil)
	}
	var pins []statement.Fingerprint
	var pinErr error
	var pinning sync.WaitGroup
	pinning.Go(func() { pins, pinErr = o.pins(ctx, job, extra) })
	a, err := o.fetch(ctx, job)
	pinning.Wait()
	if err = cmp.Or(err, pinErr); err != nil {
		return nil, err
	}
	a.Report, err = receipt.Verify(ctx, a.Bundle, receipt.Options{Pins: pins, Verifiers: o.Verifiers})
	if err != nil {
		return nil, untrusted("the receipt does not verify", err)
	}
	if a.Report.Receipt.Job != job {
		return nil, untrusted("the receipt is for another job", nil)
	}
	o.compareHeads(a)
	return a, nil
}

// compareHeads remembers what the owners of a verified account signed about their ledgers. A ledger that went back is for the reader
// to know, and nothing against the result: the keys that it was made with were released.
func (o *Opener) compareHeads(a *Account) {
	back, err := o.Heads.See(a.Report.Acks...)
	if err != nil {
		o.Log.Warn("ledger heads not remembered", "error", err)
	}
	for _, b := range back {
		a.Back = append(a.Back, fmt.Sprintf("the ledger of %s went back: it was at entry %d on %s and at entry %d on %s; restored from an old copy, or its clock set back",
			a.Report.Who(b.Owner), b.Known.Body().Head.Seq, at(b.Known), b.Now.Body().Head.Seq, at(b.Now)))
	}
	a.Report.Notes = append(a.Report.Notes, a.Back...)
}

func at(a heads.Ack) string { return time.UnixMilli(a.Body().ClosedMS).UTC().Format(time.RFC3339) }

func untrusted(msg string, err error) error {
	return fault.New(fault.Untrusted, msg, "nothing is shown; run the query again, and ask the operator of the host", err)
}

// fetch gets the account: with the result's key for a recipient, alone for an owner.
func (o *Opener) fetch(ctx context.Context, job statement.Digest) (*Account, error) {
	sealed, err := o.Exchange.Artifact(ctx, job, wire.ArtifactKey+string(o.Self))
	if err == nil {
		return o.openKey(job, sealed)
	}
	if !client.HasCode(err, wire.CodeNotFound) && !client.HasCode(err, wire.CodeForbidden) {
		return nil, err
	}
	sealed, err = o.Exchange.Artifact(ctx, job, wire.ArtifactBundle+string(o.Self))
	if client.HasCode(err, wire.CodeNotFound) || client.HasCode(err, wire.CodeForbidden) {
		return nil, fault.New(fault.Refused, "there is no receipt of this job for this party", "without a receipt there is no result: see 'cordon query status JOB'", err)
	}
	if err != nil {
		return nil, err
	}
	bundle, err := o.Box.Open(message.ReceiptContext(job, o.Self), sealed)
	if err != nil {
		return nil, untrusted("the receipt bundle does not open", err)
	}
	return &Account{Bundle: bundle}, nil
}

func (o *Opener) openKey(job statement.Digest, sealed []byte) (*Account, error) {
	plain, err := o.Box.Open(message.ResultContext(job, o.Self), sealed)
	if err != nil {
		return nil, untrusted("the key of the result does not open", err)
	}
	var k message.ResultKey
	if err := statement.UnmarshalUpTo(plain, receipt.MaxBundle*2, &k); err != nil {
		return nil, untrusted("the key of the result is malformed", err)
	}
	key, err := seal.DataKeyFromBytes(k.Key)
	if err != nil {
		return nil, untrusted("the key of the result is malformed", err)
	}
	return &Account{Bundle: k.Bundle, key: key}, nil
}

// pins are the parties of the contract, if this party signed or granted it; it
// chose them then. Anyone else must say whom it relies on.
func (o *Opener) pins(ctx context.Context, job statement.Digest, extra []statement.Fingerprint) ([]statement.Fingerprint, error) {
	e, err := o.Exchange.JobEnvelope(ctx, job)
	if err != nil {
		return nil, err
	}
	j, err := statement.VerifyAuthor[statement.Job](e)
	if err != nil || j.Digest() != job {
		return nil, untrusted("the job is not signed by its requester", err)
	}
	c, err := o.Catalog.Contract(ctx, j.Body().Contract)
	if err != nil {
		return nil, err
	}
	if c.Body().Requester != j.Body().Requester {
		return nil, untrusted("the job is not signed by the requester of its contract", nil)
	}
	pins := slices.Clone(extra)
	var granted statement.Digest
	var revoked bool // since then: whom it chose when it granted does not change by that
	o.Ledger.View(func(a *ledger.Accounts) { granted, revoked = a.Grant(c.Digest()) })
	if c.Body().Requester == o.Self || granted != "" || revoked {
		pins = append(pins, c.Body().Requester)
		pins = append(pins, c.Body().Recipients...)
		pins = append(pins, c.Body().Operators...)
		pins = append(pins, c.Body().Owners()...)
	}
	if len(pins) == 0 {
		return nil, fault.New(fault.Usage, "this party neither signed nor granted the contract, so nobody is pinned", "give --pin FINGERPRINT for each party that you rely on", nil)
	}
	return pins, nil
}

// Open opens a result. Every check comes first: an account that verifies, of
// this very job, that names this ciphertext.
func (o *Opener) Open(ctx context.Context, job statement.Digest, extra []statement.Fingerprint) (*Opened, error) {
	ctx, cancel := context.WithCancel(ctx)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	defer cancel()
	var sealed []byte
	var sealedErr error
	fetching.Go(func() { // ciphertext, for whoever may have it: what it is worth, the account says
		if job.Valid() {
			sealed, sealedErr = o.Exchange.Artifact(ctx, job, wire.ArtifactResult)
		}
	})
	a, err := o.Account(ctx, job, extra)
	if err != nil {
		return nil, err
	}
	r := a.Report.Receipt
	if r.Result == nil || r.Outcome != statement.OutcomeResult {
		return nil, fault.New(fault.Refused, "the job ended without a result: "+r.Outcome, "see 'cordon receipt show JOB'", nil)
	}
	if a.key == nil || !slices.Contains(r.Recipients, o.Self) {
		return nil, fault.New(fault.Refused, "this party is not a recipient of the result", "its receipt can be read with 'cordon receipt show JOB'", nil)
	}
	if fetching.Wait(); sealedErr != nil {
		return nil, sealedErr
	}
	if statement.Sum(sealed) != r.Result.Digest || int64(len(sealed)) != r.Result.Bytes {
		return nil, untrusted("the result is not the one that the receipt names", nil)
	}
	t, err := decode(a.key, job, sealed)
	if err != nil {
		return nil, untrusted("the result does not open", err)
	}
	return &Opened{Table: t, Account: a}, nil
}

func decode(key *seal.DataKey, job statement.Digest, sealed []byte) (*result.Table, error) {
	defer key.Wipe()
	padded, err := key.Decrypt(seal.ResultAAD(job), sealed)
	if err != nil {
		return nil, err
	}
	plain, err := result.Unpad(padded)
	if err != nil {
		return nil, err
	}
	return result.Decode(plain)
}

// errNoCommon says that two results can't be put side by side.
var errNoCommon = errors.New("results: no leading column in common")

// Beside joins two results on their equal leading columns: the cells of other
// stand beside those of t, under names with a prefix. A key that only one of
// them has gives NULL on the other's side.
func Beside(t, other *result.Table, prefix string) (*result.Table, error) {
	n := common(t, other)
	if n == 0 {
		return nil, fault.New(fault.Input, "the two results have no leading column in common", "begin both queries with the same dimensions", errNoCommon)
	}
	out := &result.Table{Columns: slices.Clone(t.Columns), Suppressed: t.Suppressed + other.Suppressed}
	for _, c := range other.Columns[n:] {
		out.Columns = append(out.Columns, result.Column{Name: prefix + c.Name, Type: c.Type})
	}
	rows := map[string][]result.Value{}
	for _, row := range other.Rows {
		k := keyOf(row[:n])
		if rows[k] != nil {
			return nil, fault.New(fault.Input, "the second result has a key twice", "group both queries by the same dimensions", nil)
		}
		rows[k] = row
	}
	for _, row := range t.Rows {
		k := keyOf(row[:n])
		out.Rows = append(out.Rows, append(slices.Clone(row), rest(rows[k], n, len(other.Columns))...))
		delete(rows, k)
	}
	for _, row := range other.Rows {
		if rows[keyOf(row[:n])] == nil {
			continue
		}
		line := slices.Clone(row[:n])
		for range t.Columns[n:] {
			line = append(line, result.Null())
		}
		out.Rows = append(out.Rows, append(line, row[n:]...))
	}
	for _, note := range slices.Concat(t.Notes, other.Notes) {
		if !slices.Contains(out.Notes, note) {
			out.Notes = append(out.Notes, note)
		}
	}
	return out, nil
}

// common counts the leading columns that both have, leaving at least one of each to compare.
func common(t, other *result.Table) int {
	n := 0
	for n < len(t.Columns)-1 && n < len(other.Columns)-1 && t.Columns[n] == other.Columns[n] && !t.Columns[n].Type.Numeric() {
		n++
	}
	return n
}

func keyOf(row []result.Value) string {
	var parts [][]byte
	for _, v := range row {
		text, ok := v.Text()
		parts = append(parts, []byte(fmt.Sprint(ok, v.IsNull())), []byte(text))
	}
	return string(statement.Frame("key", parts...))
}

func rest(row []result.Value, from, width int) []result.Value {
	if row != nil {
		return row[from:]
	}
	out := make([]result.Value, 0, width-from)
	for range width - from {
		out = append(out, result.Null())
	}
	return out
}
