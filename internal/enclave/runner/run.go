package runner

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/brief"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/internal/enclave/meter"
	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Run does the one job that the host at the other end of the channel hands over, and tells the host how it ended. It closes
// the channel. A job that failed is an error, usually a *failure.Error.
func Run(ctx context.Context, o Options) error {
	o, err := o.valid()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	host, err := link.Open(ctx, o.Conn, o.Bulk)
	if err != nil {
		return failure.New(failure.Link, err)
	}
	defer host.Close()
	r := &run{opt: o, host: host, meter: meter.New(o.Now, "start", o.Started)}
	r.reports.start(ctx, host)
	defer func() {
		r.session.wipe()
		r.engine.close() // nothing waits for it: there is no data in it any more
		r.erasing.Wait()
	}()
	err = r.job(ctx)
	return errors.Join(err, r.finish(ctx, err))
}

// run is one job under way. Its fields are set once, in this order, by the stage that the comment names.
type run struct {
	opt     Options
	host    *link.Host
	meter   *meter.Meter
	reports reports

	limits  channel.Limits // brief
	brief   *brief.Brief
	session *session
	engine  *pendingEngine
	tails   *tails
	post    *mailbox

	body     *statement.Body // hello
	readies  map[statement.Fingerprint]*statement.Verified[statement.Ready]
	first    *attestation
	plan     *policy.Plan
	salted   statement.Digest
	ahead    *ahead // quote
	second   *attestation
	releases map[statement.Fingerprint]*statement.Verified[statement.Release]
	keys     *keyCase
	opened   *opened            // quote or open
	gone     bool               // all of it is closed
	last     []channel.Artifact // deliver: what leaves with the last word
	erasing  sync.WaitGroup
}

// job is the life of a job. From quote on, keys may be held: whatever happens then, everything is closed first, and the
// owners get a receipt.
func (r *run) job(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	defer r.letGo()
	if err := r.hello(ctx); err != nil {
		return err
	}
	if err := r.quote(ctx); err != nil {
		return r.fail(ctx, err)
	}
	result, err := r.answer(ctx)
	if err != nil {
		return r.fail(ctx, err)
	}
	return r.deliver(ctx, result)
}

// stage begins a stage: for the receipt, and for whoever watches the job.
func (r *run) stage(name string) {
	r.meter.Stage(name)
	r.reports.add(name)
}

// prepare waits for the job, which the host may hold back for as long as it has none: until then the enclave is empty. What must be
// fresh for a job, its keys and evidence, is made after it came; the engine, which is slow to open, needs nothing of it.
func (r *run) prepare(ctx context.Context) error {
	r.meter.Stage("wait") // nobody is told of it: there is no job to report on
	r.engine = openEngine(ctx, r.opt.Keys)
	warm()
	in, err := awaitJob(ctx, r.host.Job, idleAfter, touchHeap)
	if err != nil {
		return failure.New(failure.Link, err)
	}
	r.stage("brief")
	r.limits = in.Limits
	made := make(chan error, 1)
	go func() { // beside the checks, which verify two dozen signatures
		var err error
		r.session, err = newSession(r.opt.Keys)
		made <- err
	}()
	r.brief, err = brief.Check(in, r.opt.Now())
	if unmade := <-made; err == nil && unmade != nil {
		err = failure.New(failure.Internal, unmade)
	}
	if err != nil {
		return err
	}
	r.post = &mailbox{host: r.host, brief: r.brief, session: r.session, now: r.opt.Now}
	r.keys = newKeyCase()
	return nil
}

// letGo closes all that is or was in clear, and notes when. It may be called more than once.
func (r *run) letGo() {
	if r.gone {
		return
	}
	r.gone = true
	r.keys.wipe()
	r.opened.stop()       // nobody waits for what is read
	r.engine.disconnect() // reads no more
	r.ahead.close()
	if r.opened != nil {
		r.opened.close()
	}
	r.meter.Closed()
	r.erase()
}

// erase has the garbage collector find what handled keys and is no longer held, which secret mode then erases: expanded keys, and
// what decoding left. It goes on beside what follows, which waits for brokers anyway.
func (r *run) erase() {
	if secretmode.Mode == secretmode.On {
		r.erasing.Go(runtime.GC)
	}
}

// answer opens the data, runs the plan, closes everything, and returns the result encrypted under a fresh key: at the next tick,
// if policies ask for them, whether it could be had or not.
func (r *run) answer(ctx context.Context) (*sealedResult, error) {
	began := time.Now()
	if r.plan.Tick() > 0 {
		r.stage("answer")
	}
	s, err := r.work(ctx)
	if held := r.hold(ctx, began); held != nil && err == nil {
		err = held
	}
	if err != nil && s != nil {
		s.key.Wipe()
		s = nil
	}
	return s, err
}

func (r *run) work(ctx context.Context) (*sealedResult, error) {
	defer r.letGo()
	ctx, cancel := context.WithTimeout(ctx, r.runTime())
	defer cancel()
	r.step("open")
	if err := r.open(ctx); err != nil {
		return nil, inTime(ctx, err)
	}
	if r.plan.Tick() > 0 { // a query that stops at a changed page tells by when it stops what it read
		if err := r.settle(ctx); err != nil {
			return nil, err
		}
	}
	r.step("run")
	table, err := r.engine.run(ctx, r.plan, r.keys.noise())
	if unsound := r.settle(ctx); unsound != nil {
		return nil, unsound // in time or not: how long a query takes is for the host to choose
	}
	if err == nil && ctx.Err() != nil {
		err = failure.New(failure.Internal, ctx.Err())
	}
	if err != nil {
		return nil, inTime(ctx, err)
	}
	r.letGo()
	r.step("seal")
	return sealResult(r.opt.Keys, r.brief.Job.Digest(), table)
}

// step is a stage whose time may tell of the data: under ticks nobody hears of it.
func (r *run) step(name string) {
	if r.plan.Tick() <= 0 {
		r.stage(name)
	}
}

// inTime names time as the cause where it is.
func inTime(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failure.New(failure.TimedOut, err)
	}
	return err
}

// wordTime bounds the enclave's last word, and the receipts of a failure.
const wordTime = 5 * time.Second

func (r *run) finish(ctx context.Context, err error) error {
	r.reports.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wordTime)
	defer cancel()
	if err != nil {
		return r.say(ctx, channel.Finish{State: channel.Failed, Code: failure.CodeOf(err)})
	}
	err = r.say(ctx, channel.Finish{State: channel.Done, Artifacts: r.last})
	if refused := (*link.Error)(nil); len(r.last) > 0 && errors.As(err, &refused) { // it was heard, and nothing of it kept
		err = failure.New(failure.Unstored, refused)
		return errors.Join(err, r.say(ctx, channel.Finish{State: channel.Failed, Code: failure.CodeOf(err)}))
	}
	return err
}

func (r *run) say(ctx context.Context, f channel.Finish) error {
	if err := r.host.Finish(ctx, f); err != nil {
		return failure.New(failure.Link, err)
	}
	return nil
}
