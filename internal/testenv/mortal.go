package testenv

import (
	"context"
	"io"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/host"
	"github.com/cordon-exchange/cordon/statement"
)

// mortal is an exchange that a killed host can't reach: not even to give its job back.
type mortal struct {
	host.Exchange
	h *Host
}

func (m mortal) Renew(ctx context.Context, job statement.Digest, lease string) error {
	if m.h.killed() {
		return errDead
	}
	return m.Exchange.Renew(ctx, job, lease)
}

func (m mortal) SendMessages(ctx context.Context, job statement.Digest, lease string, all []wire.Outgoing) error {
	if m.h.killed() {
		return errDead
	}
	return m.Exchange.SendMessages(ctx, job, lease, all)
}

func (m mortal) Replies(ctx context.Context, job statement.Digest, lease string, a wire.Await) (*wire.Replies, error) {
	if m.h.killed() {
		return nil, errDead
	}
	got, err := m.Exchange.Replies(ctx, job, lease, a)
	if m.h.killed() {
		return nil, errDead
	}
	return got, err
}

func (m mortal) OpenObject(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	if m.h.killed() {
		return nil, errDead
	}
	return m.Exchange.OpenObject(ctx, path, offset, length)
}

func (m mortal) ObjectSize(ctx context.Context, path string) (int64, error) {
	if m.h.killed() {
		return 0, errDead
	}
	return m.Exchange.ObjectSize(ctx, path)
}

func (m mortal) ReportStage(ctx context.Context, job statement.Digest, lease, name string) error {
	if m.h.killed() {
		return errDead
	}
	return m.Exchange.ReportStage(ctx, job, lease, name)
}

func (m mortal) PutArtifact(ctx context.Context, job statement.Digest, lease, name string, body []byte) error {
	if m.h.killed() {
		return errDead
	}
	return m.Exchange.PutArtifact(ctx, job, lease, name, body)
}

func (m mortal) Finish(ctx context.Context, job statement.Digest, f wire.Finish) error {
	if m.h.killed() {
		return errDead
	}
	return m.Exchange.Finish(ctx, job, f)
}
