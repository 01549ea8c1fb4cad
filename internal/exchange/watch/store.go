package watch

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// Store is st, timed where calls of parties and hosts come to it.
func (w *Watch) Store(st store.Store) store.Store { return &timedStore{Store: st, w: w} }

type timedStore struct {
	store.Store
	w *Watch
}

func timed[T any](ctx context.Context, w *Watch, backend, operation string, f func(context.Context) (T, error)) (T, error) {
	ctx, end := w.observe(ctx, backend, operation)
	v, err := f(ctx)
	end(err)
	return v, err
}

func (w *Watch) timed(ctx context.Context, backend, operation string, f func(context.Context) error) error {
	ctx, end := w.observe(ctx, backend, operation)
	err := f(ctx)
	end(err)
	return err
}

func (s *timedStore) AddStatement(ctx context.Context, st store.Statement, deliver []store.Delivery) (bool, error) {
	return timed(ctx, s.w, "store", "add statement", func(ctx context.Context) (bool, error) { return s.Store.AddStatement(ctx, st, deliver) })
}

func (s *timedStore) Statement(ctx context.Context, d statement.Digest) (*store.Statement, error) {
	return timed(ctx, s.w, "store", "statement", func(ctx context.Context) (*store.Statement, error) { return s.Store.Statement(ctx, d) })
}

func (s *timedStore) List(ctx context.Context, q store.Query) ([]store.Statement, error) {
	return timed(ctx, s.w, "store", "list", func(ctx context.Context) ([]store.Statement, error) { return s.Store.List(ctx, q) })
}

func (s *timedStore) Party(ctx context.Context, f statement.Fingerprint) (*store.Party, error) {
	return timed(ctx, s.w, "store", "party", func(ctx context.Context) (*store.Party, error) { return s.Store.Party(ctx, f) })
}

func (s *timedStore) Mailbox(ctx context.Context, of statement.Fingerprint, after int64, page store.Page) ([]store.Item, error) {
	return timed(ctx, s.w, "store", "mailbox", func(ctx context.Context) ([]store.Item, error) { return s.Store.Mailbox(ctx, of, after, page) })
}

func (s *timedStore) AddJob(ctx context.Context, j store.Job, deliver []store.Delivery) error {
	return s.w.timed(ctx, "store", "add job", func(ctx context.Context) error { return s.Store.AddJob(ctx, j, deliver) })
}

func (s *timedStore) Job(ctx context.Context, d statement.Digest) (*store.Job, error) {
	return timed(ctx, s.w, "store", "job", func(ctx context.Context) (*store.Job, error) { return s.Store.Job(ctx, d) })
}

func (s *timedStore) Claim(ctx context.Context, c store.Claim) (*store.Job, error) {
	return timed(ctx, s.w, "store", "claim", func(ctx context.Context) (*store.Job, error) { return s.Store.Claim(ctx, c) })
}

func (s *timedStore) Renew(ctx context.Context, h store.Holder, untilMS int64) error {
	return s.w.timed(ctx, "store", "renew", func(ctx context.Context) error { return s.Store.Renew(ctx, h, untilMS) })
}

func (s *timedStore) Send(ctx context.Context, h store.Holder, id string, deliver []store.Delivery) error {
	return s.w.timed(ctx, "store", "send", func(ctx context.Context) error { return s.Store.Send(ctx, h, id, deliver) })
}

func (s *timedStore) AddReply(ctx context.Context, r store.Reply) error {
	return s.w.timed(ctx, "store", "add reply", func(ctx context.Context) error { return s.Store.AddReply(ctx, r) })
}

func (s *timedStore) Replies(ctx context.Context, h store.Holder, after int64, page store.Page) ([]store.Reply, error) {
	return timed(ctx, s.w, "store", "replies", func(ctx context.Context) ([]store.Reply, error) { return s.Store.Replies(ctx, h, after, page) })
}

func (s *timedStore) PutArtifact(ctx context.Context, h store.Holder, name string, body []byte) error {
	return s.w.timed(ctx, "store", "put artifact", func(ctx context.Context) error { return s.Store.PutArtifact(ctx, h, name, body) })
}

func (s *timedStore) Finish(ctx context.Context, h store.Holder, e store.Ending) (store.Change, error) {
	return timed(ctx, s.w, "store", "finish", func(ctx context.Context) (store.Change, error) { return s.Store.Finish(ctx, h, e) })
}
