package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/budget"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what the broker asks of the exchange's client.
type Exchange interface {
	Reply(ctx context.Context, job statement.Digest, a wire.Answer) error
	SendNotice(ctx context.Context, to statement.Fingerprint, n wire.Notice) error
	JobEnvelope(ctx context.Context, d statement.Digest) (*statement.Envelope, error)
}

// Compile is policy.Compile.
type Compile func(policy.Request) (*policy.Plan, error)

// Options of a broker. All are required.
type Options struct {
	Exchange  Exchange
	Catalog   *catalog.Catalog
	Store     *dataset.Store
	Ledger    *ledger.Ledger
	Heads     *heads.Store
	Released  *released.Store
	Home      home.Dir
	Signer    statement.Signer
	Box       *seal.BoxKey
	Verifiers evidence.Verifiers
	Compile   Compile
	Now       func() time.Time
	Log       *slog.Logger
}

// Broker answers for one party. It is safe for concurrent use; messages of one
// job are handled one after the other.
type Broker struct {
	Options
	self      statement.Fingerprint
	converted budget.Rules
	behind    atomic.Bool // the ledger was found older than what this party signed for; until the process ends

	mu      sync.Mutex
	jobs    map[statement.Digest]*jobLock
	begun   map[lineName]begun // by hellos, for their quotes
	genuine map[statement.Digest]genuineJob
	size    int            // of genuine, in bytes
	many    map[string]int // refusals past a day's bound since counted, by code
	counted time.Time
}

type jobLock struct {
	sync.Mutex
	users int
}

// New checks the options.
func New(o Options) (*Broker, error) {
	if o.Exchange == nil || o.Catalog == nil || o.Store == nil || o.Ledger == nil || o.Heads == nil || o.Released == nil || o.Signer == nil || o.Box == nil ||
		len(o.Verifiers) == 0 || o.Compile == nil || o.Now == nil || o.Log == nil || o.Home.Path() == "" {
		return nil, errors.New("broker: an option is missing")
	}
	b := &Broker{
		Options: o, self: statement.PartyOf(o.Signer), jobs: map[statement.Digest]*jobLock{}, begun: map[lineName]begun{},
		genuine: map[statement.Digest]genuineJob{}, many: map[string]int{},
	}
	b.compareHeads()
	return b, nil
}

// lock makes the caller the only one that handles this job.
func (b *Broker) lock(job statement.Digest) (unlock func()) {
	b.mu.Lock()
	l := b.jobs[job]
	if l == nil {
		l = &jobLock{}
		b.jobs[job] = l
	}
	l.users++
	b.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(b.jobs, job)
		}
	}
}

// Handle answers one item of the mailbox. An error means that nothing was
// decided, and that the item should be handled again later; handling an item
// twice gives the same answer and changes nothing.
func (b *Broker) Handle(ctx context.Context, item wire.Item) error {
	if !item.Job.Valid() {
		b.Log.Warn("message without a job", "seq", item.Seq, "kind", item.Kind)
		return nil
	}
	defer b.lock(item.Job)()
	switch item.Kind {
	case wire.KindJob:
		return b.answer(ctx, item, b.preview)
	case wire.KindHello:
		return b.answer(ctx, item, b.hello)
	case wire.KindQuote:
		return b.answer(ctx, item, b.quote)
	case wire.KindReceipt:
		return b.answer(ctx, item, b.receipt)
	case wire.KindNotice:
		return b.notice(ctx, item)
	}
	b.Log.Warn("unknown kind of message", "seq", item.Seq, "kind", item.Kind)
	return nil
}

// answer runs one stage and posts its reply, or a refusal.
func (b *Broker) answer(ctx context.Context, item wire.Item, stage func(context.Context, *matter) (*message.Reply, error)) (err error) {
	m := &matter{item: item}
	reply, err := b.guarded(ctx, m, stage)
	var r *refusal
	if errors.As(err, &r) {
		return b.refuse(ctx, m, r)
	}
	if err != nil {
		b.Log.Warn("not decided", "job", item.Job.Short(), "stage", item.Kind, "error", err)
		return err
	}
	b.Log.Info("answered", "job", item.Job.Short(), "stage", item.Kind)
	if reply == nil {
		return nil
	}
	sealed, err := b.sealReply(m, reply)
	if err != nil {
		return b.refuse(ctx, m, &refusal{code: CodeMessage, reason: "the session's key can't be sealed to"})
	}
	return b.post(ctx, item, sealed)
}

// guarded keeps a message that finds a bug of ours from ending the agent.
func (b *Broker) guarded(ctx context.Context, m *matter, stage func(context.Context, *matter) (*message.Reply, error)) (reply *message.Reply, err error) {
	defer func() {
		if r := recover(); r != nil {
			b.Log.Error("a message could not be handled", "job", m.item.Job.Short(), "stage", m.item.Kind, "panic", fmt.Sprintf("%T", r))
			reply, err = nil, refuse(CodeMessage, "the message could not be handled")
		}
	}()
	return stage(ctx, m)
}

func (b *Broker) sealReply(m *matter, r *message.Reply) ([]byte, error) {
	if m.line == nil {
		return nil, errors.New("broker: there is nobody to answer")
	}
	r.Stage = m.item.Kind
	return message.SealBy(m.line, message.ReplyContext(m.item.Job, b.self), r)
}

// post sends a sealed reply. That an attempt is over, or the answer known, is no error.
func (b *Broker) post(ctx context.Context, item wire.Item, sealed []byte) error {
	err := b.Exchange.Reply(ctx, item.Job, wire.Answer{Attempt: item.Attempt, Kind: message.KindReply, Body: sealed, Ref: item.Seq})
	if client.HasCode(err, wire.CodeStaleAttempt) {
		b.Log.Info("attempt is over", "job", item.Job.Short(), "stage", item.Kind)
		return nil
	}
	return err
}

// Bounds on what is recorded one by one: more of them say nothing new, and a hostile exchange or requester could fill the disk. Jobs
// that are not known to be genuine cost nothing to make up, so that they have a bound of their own: noise can't hide the rest.
const (
	maxRefusals = 64   // of one job
	maxKnown    = 4096 // a day, of genuine jobs
	maxUnknown  = 1024 // a day, of all others
)

// tallyEvery is how often the refusals past a bound are recorded as a sum.
const tallyEvery = 10 * time.Minute

// CodeMany stands for refusals that are recorded as a sum: its reason has the codes and how often each was.
const CodeMany = "many"

var (
	errEnough = errors.New("enough refusals of this job are recorded")
	errMany   = errors.New("enough refusals of this day are recorded")
)

// refuse records the refusal, tells the enclave if its session is known, and the
// requester if the job is really its.
func (b *Broker) refuse(ctx context.Context, m *matter, r *refusal) error {
	b.Log.Warn("refused", "job", m.item.Job.Short(), "stage", m.item.Kind, "code", r.code)
	b.record(ctx, m, r)
	e, err := statement.Sign(statement.Refusal{
		Party: b.self, Job: m.item.Job, Stage: m.item.Kind, Code: r.code, Reason: r.reason, AtMS: b.Now().UnixMilli(),
	}, b.Signer)
	if err != nil {
		return fmt.Errorf("broker: sign refusal: %w", err)
	}
	if err := b.notify(ctx, m, e); err != nil {
		b.Log.Warn("notice not sent", "job", m.item.Job.Short(), "error", err)
	}
	if m.session == nil {
		return nil
	}
	sealed, err := b.sealReply(m, &message.Reply{Refusal: e})
	if err != nil {
		return nil // the session's box is malformed: there is nobody to tell
	}
	return b.post(ctx, m.item, sealed)
}

// record writes the refusal to the ledger. A ledger that can't be written does
// not keep the refusal itself from being sent.
func (b *Broker) record(ctx context.Context, m *matter, r *refusal) {
	e := ledger.Entry{Kind: ledger.KindRefusal, Job: m.item.Job, Stage: m.item.Kind, Code: r.code, Reason: r.reason}
	if m.job != nil {
		e.Contract, e.Requester = m.job.Body().Contract, m.job.Body().Requester
	}
	if m.session != nil {
		e.Session = m.named
	}
	known, most := m.job != nil, maxUnknown
	if known {
		most = maxKnown
	}
	_, err := b.Ledger.Append(ctx, e, func(a *ledger.Accounts) error {
		switch {
		case a.Job(m.item.Job).Refusals >= maxRefusals || a.LastRefusal(e):
			return errEnough
		case a.RefusalsOn(b.Now().UnixMilli(), known) >= most:
			return errMany
		}
		return nil
	})
	if errors.Is(err, errMany) {
		err = b.count(ctx, r.code)
	}
	if err != nil && !errors.Is(err, errEnough) {
		b.Log.Error("refusal not recorded", "job", m.item.Job.Short(), "error", err)
	}
}

// count adds a refusal to the sum, and records the sum if the last one is long enough ago. What is not recorded yet when the process
// ends is lost: the log has it.
func (b *Broker) count(ctx context.Context, code string) error {
	b.mu.Lock()
	b.many[code]++
	now := b.Now()
	var sum []string
	if now.Sub(b.counted) >= tallyEvery {
		for _, c := range slices.Sorted(maps.Keys(b.many)) {
			sum = append(sum, fmt.Sprintf("%s %d", c, b.many[c]))
		}
		b.counted = now
		clear(b.many)
	}
	b.mu.Unlock()
	if sum == nil {
		return nil
	}
	_, err := b.Ledger.Append(ctx, ledger.Entry{
		Kind: ledger.KindRefusal, Stage: CodeMany, Code: CodeMany, Reason: "refusals past the bound of a day, by code: " + strings.Join(sum, ", "),
	}, nil)
	return err
}

// notify seals the refusal to the requester.
func (b *Broker) notify(ctx context.Context, m *matter, e *statement.Envelope) error {
	if m.job == nil || m.job.Body().Requester == b.self {
		if m.job != nil {
			return b.keepRefusal(m.item.Job, b.self, e)
		}
		return nil
	}
	to := m.job.Body().Requester
	p, err := b.Catalog.Party(ctx, to)
	if err != nil {
		return err
	}
	sealed, err := seal.To(p.Body().Box, message.NoticeContext(m.item.Job, b.self, to), e.Bytes())
	if err != nil {
		return err
	}
	return b.Exchange.SendNotice(ctx, to, wire.Notice{Job: m.item.Job, Body: sealed})
}
