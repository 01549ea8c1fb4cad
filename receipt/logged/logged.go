package logged

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// Format of a file, with its version.
const Format = "cordon-logged-receipt/1"

// MaxFile bounds what Decode reads, in bytes: a bundle in base64, and proofs.
const MaxFile = receipt.MaxBundle*4/3 + 16<<20

// ErrMalformed is returned for a file that does not decode strictly.
var ErrMalformed = errors.New("logged: malformed file")

// ErrUnlogged is wrapped by every check of the log that fails.
var ErrUnlogged = errors.New("logged: not in the witnessed log")

// File is an account with its proofs.
type File struct {
	Format       string                 `json:"format"`
	Bundle       []byte                 `json:"bundle"`     // as receipt.Decode reads it
	Checkpoint   []byte                 `json:"checkpoint"` // signed note of the contract's log
	Cosignatures []translog.Cosignature `json:"cosignatures"`
	Entries      []translog.Entry       `json:"entries"` // proven to the checkpoint
}

// Encode is the strict encoding of f, with Format filled in.
func (f *File) Encode() ([]byte, error) {
	c := *f
	c.Format = Format
	b, err := statement.Marshal(&c)
	if err == nil && len(b) > MaxFile {
		err = fmt.Errorf("larger than %d bytes", MaxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return b, nil
}

// Decode reads a file strictly. It verifies nothing: Verify does.
func Decode(src []byte) (*File, error) {
	var f File
	if err := statement.UnmarshalUpTo(src, MaxFile, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if f.Format != Format {
		return nil, fmt.Errorf("%w: not %s", ErrMalformed, Format)
	}
	return &f, nil
}

// needed are the digests that must be in the log, with the kinds that they must be logged as.
func needed(b *receipt.Bundle) map[statement.Digest]string {
	out := map[statement.Digest]string{
		b.Receipt.Digest(): translog.KindReceipt, b.Job.Digest(): translog.KindJob, b.Contract.Digest(): translog.KindStatement,
	}
	for i := range b.Grants {
		out[b.Grants[i].Digest()] = translog.KindStatement
	}
	return out
}

// Needed are the digests whose entries a file for this bundle must hold.
func Needed(bundle []byte) ([]statement.Digest, error) {
	b, err := receipt.Decode(bundle)
	if err != nil {
		return nil, err
	}
	var out []statement.Digest
	for d := range needed(b) {
		out = append(out, d)
	}
	return out, nil
}

// Verify checks the account, and that receipt, job, contract and grants stand in the contract's log as its quorum of witnesses saw it
// (docs/spec/log.md, section 5, in its order).
func Verify(ctx context.Context, src []byte, opt receipt.Options) (*receipt.Report, error) {
	f, err := Decode(src)
	if err != nil {
		return nil, err
	}
	opt.Logged = true
	report, err := receipt.Verify(ctx, f.Bundle, opt)
	if err != nil {
		return nil, err
	}
	b, err := receipt.Decode(f.Bundle)
	if err != nil {
		return nil, err
	}
	checks, err := f.check(report.Contract, report.Digest, needed(b))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnlogged, err)
	}
	report.Checks = append(report.Checks, checks...)
	return report, nil
}

func (f *File) check(t *statement.Contract, of statement.Digest, want map[statement.Digest]string) ([]receipt.Check, error) {
	if t.Log == nil {
		return nil, errors.New("the contract names no log")
	}
	k, err := translog.ParseKey(t.Log.Key)
	if err != nil {
		return nil, err
	}
	cp, err := k.Open(f.Checkpoint)
	if err != nil {
		return nil, err
	}
	witnesses, err := translog.Quorum(cp, f.Cosignatures, t)
	if err != nil {
		return nil, err
	}
	newest, logged, err := f.entries(cp.Checkpoint, of, want)
	if err != nil {
		return nil, err
	}
	for _, w := range witnesses {
		// Nobody cosigned a tree before its entries were there. Who could say so could use a key of which the certificate has ended.
		if (w.TimeS+1)*1000+skewMS < newest {
			return nil, fmt.Errorf("the cosignature of %s is dated before what it covers", w.Party)
		}
	}
	return []receipt.Check{
		{Name: "checkpoint", Detail: fmt.Sprintf("%d entries of %s, cosigned by %d witnesses that the contract names, requester and all owners among them", cp.Size, cp.Origin, len(witnesses))},
		{Name: "log", Detail: "receipt, job, contract and grants are in it; the receipt since " + time.UnixMilli(logged).UTC().Format(time.RFC3339)},
	}, nil
}

// skewMS is how far ahead of its own clock a witness takes an entry (docs/spec/log.md, section 4).
const skewMS = 2 * 60 * 1000

// entries checks every proof, that all which is wanted is proven, and nothing else. It tells the time of the newest entry, and of the
// receipt's first one.
func (f *File) entries(cp translog.Checkpoint, receipt statement.Digest, want map[statement.Digest]string) (newest, logged int64, err error) {
	proven := map[statement.Digest]bool{}
	for i := range f.Entries {
		e := &f.Entries[i]
		if err := e.Verify(cp); err != nil {
			return 0, 0, err
		}
		if want[e.Digest] != e.Kind {
			return 0, 0, fmt.Errorf("%s %s is not of this account", e.Kind, e.Digest)
		}
		proven[e.Digest] = true
		newest = max(newest, e.TimeMS)
		if e.Digest == receipt && (logged == 0 || e.TimeMS < logged) {
			logged = e.TimeMS
		}
	}
	for d, kind := range want {
		if !proven[d] {
			return 0, 0, fmt.Errorf("%s %s is not proven", kind, d)
		}
	}
	return newest, logged, nil
}
