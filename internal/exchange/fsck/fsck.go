package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// Fault is one thing that does not fit.
type Fault struct {
	Kind  string `json:"kind"`  // of what is wrong: a kind of statement, "party", "job", "item", "trace", "object", "account", "posting", "order", "stored", "log", "store"
	About string `json:"about"` // its digest, fingerprint or path; "" for the store as a whole
	Text  string `json:"text"`
}

func (f Fault) String() string {
	if f.About == "" {
		return f.Kind + ": " + f.Text
	}
	return f.Kind + " " + f.About + ": " + f.Text
}

// Summary is how much was looked at.
type Summary struct {
	Statements int64 `json:"statements"`
	Parties    int64 `json:"parties"`
	Jobs       int64 `json:"jobs"`
	Items      int64 `json:"items"`
	Objects    int64 `json:"objects"`
	Entries    int64 `json:"entries"` // of the log
	Faults     int64 `json:"faults"`

	Storage  []Storage `json:"storage"`  // by party
	Reserved int64     `json:"reserved"` // uploads and removals that run or were cut off, and objects that count and are not there
}

// Options of a check.
type Options struct {
	Store  store.Store       // required
	Lake   lake.Lake         // nil: objects are not looked for
	Report func(Fault) error // required; an error ends the check
}

// pageItems are read at once: the check's memory is that of one page.
const pageItems = 256

// pageBytes of one page, in envelopes.
const pageBytes = 16 << 20

// check is one run.
type check struct {
	Options
	sum  Summary
	told map[string]bool // paths of objects that were told of with an offer
}

// Check reads everything once. It returns an error only where it could not come to its end; what it found went to Report.
// A store that is served meanwhile may show a fault that is none, where a job moved between two looks.
func Check(ctx context.Context, o Options) (Summary, error) {
	if o.Store == nil || o.Report == nil {
		return Summary{}, errors.New("fsck: no store or no report")
	}
	c := &check{Options: o, told: map[string]bool{}}
	for _, part := range []func(context.Context) error{c.engine, c.statements, c.parties, c.jobs, c.traces, c.mailboxes, c.money, c.stored, c.log} {
		if err := part(ctx); err != nil {
			return c.sum, err
		}
	}
	return c.sum, nil
}

func (c *check) fault(kind string, about any, format string, args ...any) error {
	c.sum.Faults++
	return c.Report(Fault{Kind: kind, About: fmt.Sprint(about), Text: fmt.Sprintf(format, args...)})
}

func (c *check) engine(ctx context.Context) error {
	lines, err := c.Store.Integrity(ctx)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if err := c.fault("store", "", "%s", l); err != nil {
			return err
		}
	}
	return nil
}

// parties checks that each registration is what the party's newest statement says.
func (c *check) parties(ctx context.Context) error {
	var after statement.Fingerprint
	for {
		list, err := c.Store.Registrations(ctx, after, pageItems)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, p := range list {
			c.sum.Parties++
			if err := c.party(ctx, p); err != nil {
				return err
			}
			after = p.Fingerprint
		}
	}
}

func (c *check) party(ctx context.Context, p store.Party) error {
	bad := func(text string) error { return c.fault("party", p.Fingerprint, "%s", text) }
	st, err := c.Store.Statement(ctx, p.Statement)
	if errors.Is(err, store.ErrNotFound) {
		return bad("its introduction is not there")
	}
	if err != nil {
		return err
	}
	e, err := statement.ParseEnvelope(st.Envelope)
	if err != nil {
		return nil // told with the statement
	}
	v, err := statement.DecodeUnverified[statement.Party](e.Payload)
	if err != nil {
		return bad("its introduction is no statement of a party")
	}
	if a := v.Authors(); len(a) != 1 || a[0] != p.Fingerprint || v.Name != p.Name || v.CreatedMS != p.CreatedMS {
		return bad("key, name or time is not that of its introduction")
	}
	newer, err := c.newerIntroduction(ctx, p)
	if err != nil {
		return err
	}
	if newer {
		return bad("a newer introduction is there")
	}
	ended, err := c.Store.Revocations(ctx, []statement.Digest{p.Statement})
	if err != nil {
		return err
	}
	switch {
	case p.Revoked && len(ended) == 0:
		return bad("its registration has ended, and no revocation says so")
	case !p.Revoked && len(ended) > 0:
		return bad("its introduction was revoked, and its registration has not ended")
	}
	return nil
}

func (c *check) newerIntroduction(ctx context.Context, p store.Party) (bool, error) {
	newer := false
	err := c.list(ctx, store.Query{Kind: store.KindParty, Author: p.Fingerprint}, func(st *store.Statement) error {
		e, err := statement.ParseEnvelope(st.Envelope)
		if err != nil {
			return nil
		}
		v, err := statement.DecodeUnverified[statement.Party](e.Payload)
		newer = newer || err == nil && v.CreatedMS > p.CreatedMS
		return nil
	})
	return newer, err
}

// list calls f for all that a query names, page by page.
func (c *check) list(ctx context.Context, q store.Query, f func(*store.Statement) error) error {
	q.Page = store.Page{Items: pageItems, Bytes: pageBytes}
	for {
		list, err := c.Store.List(ctx, q)
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			if list[i].Seq <= q.After {
				return fmt.Errorf("%w: statements are not in order", store.ErrDamaged)
			}
			q.After = list[i].Seq
			if err := f(&list[i]); err != nil {
				return err
			}
		}
	}
}
