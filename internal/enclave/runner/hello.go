package runner

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// hello introduces the session to every broker, learns the query, and compiles it to the plan that all of them reached.
func (r *run) hello(ctx context.Context) (err error) {
	r.stage("hello")
	job := r.brief.Job.Digest()
	if r.first, err = r.attest(ctx, evidence.HelloBinding(job, r.session.digest)); err != nil {
		return err
	}
	r.tails = r.fetchTails(ctx) // while brokers think
	r.readies = map[statement.Fingerprint]*statement.Verified[statement.Ready]{}
	err = r.post.ask(ctx, round{
		kind: message.KindHello, to: r.brief.Job.Body().Brokers(), context: message.HelloContext,
		letter: message.Hello{Job: job, Session: r.session.public, Evidence: *r.first.evidence},
		wait:   r.patience(), accept: r.acceptReady,
	})
	if err != nil {
		return err
	}
	if err := r.compile(); err != nil {
		return err
	}
	return r.samePlan()
}

// patience is how long brokers have to answer one question.
func (r *run) patience() time.Duration { return time.Duration(r.limits.ReplyMS) * time.Millisecond }

// acceptReady takes a ready from an owner, and the body from the requester. What the ready says is checked once the plan is known.
func (r *run) acceptReady(from statement.Fingerprint, reply *message.Reply) error {
	bad := func(err error) error { return failure.Of(failure.BadReply, r.brief.Name(from), err) }
	owner, requester := slices.Contains(r.brief.Job.Body().Owners, from), from == r.brief.Job.Body().Requester
	if owner != (reply.Ready != nil) || requester != (reply.Body != nil) {
		return bad(message.ErrMalformed)
	}
	if owner {
		v, err := signedBy[statement.Ready](r.brief, reply.Ready, from)
		if err != nil {
			return bad(err)
		}
		b := v.Body()
		if b.Owner != from || b.Job != r.brief.Job.Digest() || b.Session != r.session.digest || !r.grantOf(from, b.Grant) {
			return bad(errForeign)
		}
		r.readies[from] = v
	}
	if requester {
		commit, err := reply.Body.Commit()
		if err != nil || commit != r.brief.Job.Body().Commitment {
			return failure.New(failure.BadBody, err)
		}
		r.body = reply.Body
	}
	return nil
}

func (r *run) grantOf(owner statement.Fingerprint, grant statement.Digest) bool {
	g := r.brief.Grants[grant]
	return g != nil && g.Body().Owner == owner
}

// errNoColumns: the engine counts the rows of an opened column, and there is none. The compiler makes no such plan.
var errNoColumns = errors.New("runner: the plan opens no column")

// errCompile stands for the compiler's reason, which quotes the query.
var errCompile = errors.New("runner: the query does not compile")

func (r *run) compile() error {
	plan, err := policy.Compile(r.brief.Request(r.body, r.first.claims.Operator, r.opt.Now()))
	if err != nil {
		return failure.New(failure.BadPlan, errCompile)
	}
	r.plan, r.salted = plan, statement.Digest(plan.SaltedDigest(r.body.Salt))
	for _, s := range plan.Sources {
		o := r.brief.Offers[statement.Digest(s.Offer)]
		if o == nil || string(o.Body().Owner) != s.Owner {
			return failure.New(failure.BadPlan, errForeign)
		}
		if len(s.Columns) == 0 {
			return failure.New(failure.NotSupported, errNoColumns)
		}
	}
	var owners []statement.Fingerprint
	for _, s := range plan.Sources {
		owners = append(owners, statement.Fingerprint(s.Owner))
	}
	if slices.Sort(owners); !slices.Equal(slices.Compact(owners), r.brief.Job.Body().Owners) {
		return failure.New(failure.BadPlan, errForeign) // the job names other brokers than the plan concerns
	}
	return r.timely()
}

// samePlan: every owner is ready for this plan over its own offers, and still is.
func (r *run) samePlan() error {
	now := r.opt.Now().UnixMilli()
	for _, owner := range r.brief.Job.Body().Owners {
		b := r.readies[owner].Body()
		if b.Plan != r.salted {
			return failure.Of(failure.OtherPlan, r.brief.Name(owner), nil)
		}
		if !sameSet(b.Offers, r.offersOf(owner)) || b.ExpiresMS <= now {
			return failure.Of(failure.BadReply, r.brief.Name(owner), errForeign)
		}
	}
	return nil
}

// offersOf the plan that belong to owner.
func (r *run) offersOf(owner statement.Fingerprint) []statement.Digest {
	var out []statement.Digest
	for _, s := range r.plan.Sources {
		if s.Owner == string(owner) {
			out = append(out, statement.Digest(s.Offer))
		}
	}
	return out
}

func sameSet[T ~string](a, b []T) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
