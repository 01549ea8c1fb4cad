package query

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what asking needs of the exchange's client.
type Exchange interface {
	SubmitJob(ctx context.Context, e *statement.Envelope) (statement.Digest, error)
	WaitJob(ctx context.Context, d statement.Digest, version int64, wait time.Duration) (*wire.JobStatus, error)
}

// Asker asks for one party. All fields are required.
type Asker struct {
	Exchange Exchange
	Catalog  *catalog.Catalog
	Heads    *heads.Store
	Home     home.Dir
	Signer   statement.Signer
	Compile  func(policy.Request) (*policy.Plan, error)
	Now      func() time.Time
}

func (a *Asker) self() statement.Fingerprint { return statement.PartyOf(a.Signer) }

// Question is a query under a contract, or, for explain alone, over data named directly.
type Question struct {
	Contract statement.Digest
	Data     []string // instead of a contract: as for 'contract propose'
	Purpose  string   // with Data
	Pins     map[string]statement.Fingerprint
	SQL      string
	Params   []statement.Param
}

// Verdict is what explain says: a plan that every party would reach, and who still has to grant.
type Verdict struct {
	Plan     *policy.Plan
	Contract *statement.Contract
	Price    int64    // credits, at most
	Missing  []string // owners concerned without a grant in force, by name
}

// Explain judges a question with the compiler that owners run. The error of a
// query that policy refuses is a *Denied.
func (a *Asker) Explain(ctx context.Context, q Question) (*Verdict, error) {
	v, _, err := a.judge(ctx, q)
	return v, err
}

// Denied is a query that a policy, or the grammar, refuses. No key was asked for.
type Denied struct {
	Refusal *policy.Refusal
	SQL     string
}

// Error shows the place under the query's own text.
func (d *Denied) Error() string {
	text := d.Refusal.Error()
	if caret := d.Refusal.Caret(d.SQL); caret != "" {
		text += "\n" + strings.TrimSuffix(caret, "\n")
	}
	return text
}

// Unwrap is the compiler's refusal.
func (d *Denied) Unwrap() error { return d.Refusal }

// ExitCode is fault.Refused.
func (d *Denied) ExitCode() int { return int(fault.Refused) }

// Hint is the compiler's, with a query that would pass where one is known.
func (d *Denied) Hint() string {
	parts := []string{"no key was asked for"}
	if d.Refusal.Hint != "" {
		parts = append(parts, d.Refusal.Hint)
	}
	if d.Refusal.Nearest != "" {
		parts = append(parts, "this would pass: "+d.Refusal.Nearest)
	}
	return strings.Join(parts, "; ")
}

func (a *Asker) judge(ctx context.Context, q Question) (*Verdict, *statement.Body, error) {
	c, err := a.contract(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	body := &statement.Body{SQL: q.SQL, Params: q.Params, Salt: make([]byte, statement.NonceSize)}
	if _, err := rand.Read(body.Salt); err != nil {
		return nil, nil, err
	}
	req, err := a.Catalog.Request(ctx, catalog.Question{Contract: c, Body: body, At: a.Now()})
	if err != nil {
		return nil, nil, err
	}
	plan, err := a.Compile(req)
	if r := (*policy.Refusal)(nil); errors.As(err, &r) {
		return nil, nil, &Denied{Refusal: r, SQL: q.SQL}
	}
	if err != nil {
		return nil, nil, err
	}
	v := &Verdict{Plan: plan, Contract: c}
	if err := a.account(ctx, q, req, v); err != nil {
		return nil, nil, err
	}
	return v, body, nil
}

// contract is the signed one, or stands for one that could be proposed.
func (a *Asker) contract(ctx context.Context, q Question) (*statement.Contract, error) {
	if q.Contract == "" {
		return a.sketch(ctx, q)
	}
	c, err := a.Catalog.Contract(ctx, q.Contract)
	if err != nil {
		return nil, err
	}
	if c.Body().Requester != a.self() {
		return nil, fault.New(fault.Refused, "the contract is another requester's", "propose one of your own with 'cordon contract propose'", nil)
	}
	if now := a.Now().UnixMilli(); now >= c.Body().UntilMS || now < c.Body().FromMS {
		return nil, fault.New(fault.Refused, "the contract is not valid now", "propose a new one with 'cordon contract propose'", nil)
	}
	return c.Body(), nil
}

func (a *Asker) sketch(ctx context.Context, q Question) (*statement.Contract, error) {
	if len(q.Data) == 0 || q.Purpose == "" {
		return nil, fault.New(fault.Usage, "neither a contract nor data and purpose given", "give --contract DIGEST, or --data and --purpose", nil)
	}
	c := &statement.Contract{Requester: a.self(), Recipients: []statement.Fingerprint{a.self()}, Purpose: q.Purpose}
	for _, text := range q.Data {
		t, err := a.Catalog.Table(ctx, text, q.Pins)
		if err != nil {
			return nil, err
		}
		c.Tables = append(c.Tables, t)
	}
	var err error
	c.PlanEncoding, err = a.Catalog.PlanEncoding(ctx, c)
	return c, err
}

// account adds up prices and looks who has granted.
func (a *Asker) account(ctx context.Context, q Question, req policy.Request, v *Verdict) error {
	grants := map[statement.Fingerprint]*statement.Verified[statement.Grant]{}
	if q.Contract != "" {
		var err error
		if grants, err = a.Catalog.Grants(ctx, q.Contract); err != nil {
			return err
		}
	}
	for _, s := range v.Plan.Sources {
		owner := statement.Fingerprint(s.Owner)
		o, err := a.Catalog.Offer(ctx, owner, statement.Digest(s.Offer))
		if err != nil {
			return err
		}
		v.Price += o.Body().MaxPrice()
		g := grants[owner]
		if g == nil || g.Body().UntilMS <= a.Now().UnixMilli() || !slices.Contains(g.Body().Offers, o.Digest()) {
			v.Missing = append(v.Missing, nameOf(req, s.Owner))
		}
	}
	v.Missing = slices.Compact(v.Missing)
	return nil
}

func nameOf(req policy.Request, owner string) string {
	for _, t := range req.Tables {
		for _, m := range t.Members {
			if m.Owner == owner {
				return m.OwnerName
			}
		}
	}
	return owner
}

// exchangeFault turns the exchange's refusals of a job into words for people.
func exchangeFault(err error) error {
	if client.HasCode(err, wire.CodeAlreadySubmitted) {
		return fault.New(fault.Refused, "this job was submitted before", "every run signs a new job: run the query again", err)
	}
	return err
}

// ParseParam reads "int64:5" or, for text, "varchar:Large".
func ParseParam(s string) (statement.Param, error) {
	t, v, ok := strings.Cut(s, ":")
	if !ok || t == "" {
		return statement.Param{}, fault.New(fault.Usage, fmt.Sprintf("not a parameter: %q has no type", t), "write --param TYPE:VALUE, as in --param varchar:Large", nil)
	}
	return statement.Param{Type: t, Value: v}, nil
}
