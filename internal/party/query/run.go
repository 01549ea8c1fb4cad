package query

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/broker"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// DefaultClass is the resource class of a job that names none.
const DefaultClass = "small"

// Run says how to run a question.
type Run struct {
	Question
	Class  string        // default DefaultClass
	Expire time.Duration // after which nobody may start it; default 15 minutes
}

// Event is one step of a job, for people.
type Event struct {
	Stage string
	AtMS  int64
	Note  string
}

// Submit judges the question here first, signs the job, seals its body to each
// broker concerned, beside the newest word of that party on its own ledger, and queues it. The job is stored here before it is sent.
func (a *Asker) Submit(ctx context.Context, r Run) (statement.Digest, *Verdict, error) {
	v, body, err := a.judge(ctx, r.Question)
	if err != nil {
		return "", nil, err
	}
	job, err := a.job(ctx, r, v, body)
	if err != nil {
		return "", nil, err
	}
	e, err := statement.Sign(*job, a.Signer)
	if err != nil {
		return "", nil, err
	}
	if err := home.MkdirAll(a.Home.Job(e.Digest())); err != nil {
		return "", nil, err
	}
	if err := home.WriteFile(jobFile(a.Home, e.Digest()), e.Bytes()); err != nil {
		return "", nil, err
	}
	if _, err := a.Exchange.SubmitJob(ctx, e); err != nil {
		return "", nil, exchangeFault(err)
	}
	return e.Digest(), v, nil
}

func jobFile(d home.Dir, job statement.Digest) string { return filepath.Join(d.Job(job), "job.json") }

// Kept is a job of this party's own as it was stored before it was sent. Whose signature it has is for the caller to check.
func Kept(d home.Dir, job statement.Digest) (*statement.Envelope, error) {
	src, err := os.ReadFile(jobFile(d, job))
	if err != nil {
		return nil, home.Storage("can't read a job", err)
	}
	e, err := statement.ParseEnvelope(src)
	if err == nil && e.Digest() != job {
		err = fault.New(fault.Input, "a file in jobs/ is of another job", "restore the home folder from a backup", nil)
	}
	return e, err
}

func (a *Asker) job(ctx context.Context, r Run, v *Verdict, body *statement.Body) (*statement.Job, error) {
	now := a.Now()
	if r.Class == "" {
		r.Class = DefaultClass
	}
	if r.Expire <= 0 {
		r.Expire = 15 * time.Minute
	}
	commit, err := body.Commit()
	if err != nil {
		return nil, err
	}
	j := &statement.Job{
		Nonce: make([]byte, statement.NonceSize), Contract: r.Contract, Requester: a.self(), Class: r.Class, Commitment: commit,
		CreatedMS: now.UnixMilli(), ExpiresMS: now.Add(r.Expire).UnixMilli(),
	}
	if _, err := rand.Read(j.Nonce); err != nil {
		return nil, err
	}
	for _, s := range v.Plan.Sources {
		j.Owners = append(j.Owners, statement.Fingerprint(s.Owner))
	}
	slices.Sort(j.Owners)
	j.Owners = slices.Compact(j.Owners)
	j.Bodies, err = a.sealBodies(ctx, body, j.Brokers())
	return j, err
}

// sealBodies seals to several brokers at once: each seal takes half a millisecond of one processor.
func (a *Asker) sealBodies(ctx context.Context, body *statement.Body, brokers []statement.Fingerprint) ([]statement.SealedBody, error) {
	out := make([]statement.SealedBody, len(brokers))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, to := range brokers {
		g.Go(func() error {
			b, err := a.sealBody(ctx, body, to)
			if err == nil {
				out[i] = *b
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// atOnce bounds what one question does at once.
const atOnce = 8

func (a *Asker) sealBody(ctx context.Context, body *statement.Body, to statement.Fingerprint) (*statement.SealedBody, error) {
	p, err := a.Catalog.Party(ctx, to)
	if err != nil {
		return nil, err
	}
	l := message.Letter{Body: *body}
	if ack := a.Heads.Newest(to); ack != nil {
		l.Ack = ack.Envelope()
	}
	sealed, err := message.SealTo(p.Body().Box, message.BodyContext(a.self(), to), l)
	if err != nil {
		return nil, fault.New(fault.Untrusted, "the key of "+p.Body().Name+" can't be sealed to", "ask it to register again", err)
	}
	return &statement.SealedBody{To: to, Sealed: sealed}, nil
}

// Wait follows a job until it ends, at most for the given time. The error of a
// job that ended without a result names who refused, and why.
func (a *Asker) Wait(ctx context.Context, job statement.Digest, atMost time.Duration, tell func(Event)) (*wire.JobStatus, error) {
	deadline := time.Now().Add(atMost)
	var told int
	version := submitted
	for {
		left := time.Until(deadline)
		s, err := a.Exchange.WaitJob(ctx, job, version, min(max(left, 0), 20*time.Second))
		if err != nil {
			return nil, err
		}
		for ; told < len(s.Stages); told++ {
			st := s.Stages[told]
			e := Event{Stage: st.Name, AtMS: st.AtMS}
			if st.Attempt > 1 {
				e.Note = fmt.Sprintf("attempt %d", st.Attempt)
			}
			tell(e)
		}
		version = s.Version
		switch {
		case s.State == wire.StateDone:
			return s, nil
		case s.State == wire.StateFailed:
			return s, a.failed(ctx, job, s)
		case time.Until(deadline) <= 0:
			return s, a.late(job, s)
		}
	}
}

// submitted is the version of a job that nobody has taken: there is nothing to tell of it.
const submitted int64 = 1

// noticeTime is how long a refusal may take to reach the requester after its job has failed.
const noticeTime = 2 * time.Second

// failed waits a moment for the sealed refusals that say why.
func (a *Asker) failed(ctx context.Context, job statement.Digest, s *wire.JobStatus) error {
	code, party, _ := strings.Cut(s.Code, ":")
	size := sizeIn(party)
	if size != nil {
		party = ""
	}
	var refusals []statement.Refusal
	for end := time.Now().Add(noticeTime); ; {
		var err error
		if refusals, err = broker.Refusals(a.Home, job); err != nil {
			return err
		}
		if len(refusals) > 0 || code != "refused" && code != "no-grant" || time.Now().After(end) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return &Failed{Job: job, Code: code, Party: party, Size: size, Refusals: a.named(ctx, refusals)}
}

// sizeIn reads what stands behind a code that says sizes; nil if it is something else.
func sizeIn(s string) *Size {
	const form = "need_%d_mib:room_%d_mib"
	var z Size
	if _, err := fmt.Sscanf(s, form, &z.Need, &z.Room); err != nil || fmt.Sprintf(form, z.Need, z.Room) != s || z.Need < 1 || z.Room < 0 {
		return nil
	}
	return &z
}

func (a *Asker) late(job statement.Digest, s *wire.JobStatus) error {
	refusals, err := broker.Refusals(a.Home, job)
	if err != nil {
		return err
	}
	code := "waiting-" + s.State
	if n := len(s.Stages); n > 0 {
		code += "-" + s.Stages[n-1].Name
	}
	return &Failed{Job: job, Code: code, Refusals: a.named(context.Background(), refusals), Late: true}
}

// Said is a refusal with the name of who refused.
type Said struct {
	Party string                `json:"party"`
	Stage string                `json:"stage"`
	Code  string                `json:"code"`
	Why   string                `json:"reason"`
	Who   statement.Fingerprint `json:"fingerprint"`
}

func (a *Asker) named(ctx context.Context, list []statement.Refusal) []Said {
	var out []Said
	for _, r := range list {
		out = append(out, Said{Party: a.Catalog.Name(ctx, r.Party), Stage: r.Stage, Code: r.Code, Why: r.Reason, Who: r.Party})
	}
	return out
}

// Refusals of a job that reached this party.
func (a *Asker) Refusals(ctx context.Context, job statement.Digest) ([]Said, error) {
	list, err := broker.Refusals(a.Home, job)
	return a.named(ctx, list), err
}

// Failed is a job that ended, or was waited for, without a result.
type Failed struct {
	Job      statement.Digest
	Code     string // the exchange's or the enclave's
	Party    string // whom the code names
	Size     *Size  // that the code says; nil if it says none
	Refusals []Said
	Late     bool
}

// Size is how many MiB of sealed columns a job needs at once, and how many its class has room for.
type Size struct{ Need, Room int64 }

func (f *Failed) Error() string {
	var b strings.Builder
	if f.Late {
		fmt.Fprintf(&b, "no result in time (%s)", f.Code)
	} else {
		fmt.Fprintf(&b, "the job ended without a result: %s", f.Code)
	}
	if f.Party != "" {
		fmt.Fprintf(&b, " of %s", f.Party)
	}
	if f.Size != nil {
		fmt.Fprintf(&b, ": %d MiB of sealed columns are needed at once, and the class has room for %d MiB", f.Size.Need, f.Size.Room)
	}
	for _, r := range f.Refusals {
		fmt.Fprintf(&b, "\n  %s refused at %s: %s: %s", r.Party, r.Stage, r.Code, r.Why)
	}
	return b.String()
}

// ExitCode tells refusals from outages and tampering.
func (f *Failed) ExitCode() int {
	switch {
	case len(f.Refusals) > 0 || f.Code == "refused" || f.Code == "no-grant" || f.Code == "revoked":
		return int(fault.Refused)
	case strings.HasPrefix(f.Code, "bad-") || f.Code == "other-plan":
		return int(fault.Untrusted)
	}
	return int(fault.Unavailable)
}

// Hint says what to do next.
func (f *Failed) Hint() string {
	switch {
	case len(f.Refusals) > 0 || f.Code == "refused":
		return "ask the owners named; each has the reason in its ledger"
	case f.Code == "no-grant":
		return "ask " + f.Party + " to grant the contract: 'cordon contract show' lists who has"
	case f.Code == "no-answer":
		return "the agent of " + f.Party + " did not answer: is 'cordon party serve' running there?"
	case f.Late && f.Code == "waiting-"+wire.StateQueued:
		return "no host has taken it: ask its operator whether 'cordon host serve' runs and offers the class; 'cordon query status " + string(f.Job) + "' follows it"
	case f.Late:
		return "the job goes on: 'cordon query status " + string(f.Job) + "' follows it"
	case f.Code == "too-slow":
		return "the policies let answers leave at ticks that are longer than a job of this class may take: ask with a larger --class; 'query explain' says the tick"
	case f.Code == "too-large" && f.Size != nil:
		room := max(1, f.Size.Room)
		return fmt.Sprintf("ask with a --class of %d times the memory, or for fewer columns", (f.Size.Need+room-1)/room)
	case f.Code == "too-large":
		return "ask with a larger --class, or for fewer columns"
	case f.Code == "engine":
		return "the class has too little memory for the query (groups, keys of joins, quantiles are kept in it), or a value is not what its owner's policy says; which of the two is not told, since it can depend on data: a larger --class helps in the first case"
	case f.Code == "revoked":
		return orSomeone(f.Party) + " withdrew what the contract rests on: propose a new one over what is on offer ('cordon dataset list')"
	case strings.HasPrefix(f.Code, "bad-"):
		return "something between the parties is not genuine, and nothing of it was used; ask " + orSomeone(f.Party)
	}
	return "run the query again, or ask the operator of the host"
}

func orSomeone(party string) string {
	if party == "" {
		return "the operator of the host"
	}
	return party + " and the operator of the host"
}
