package exchange

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// getMailbox returns the caller's own items: whose mailbox it is stands nowhere
// in the request but in the signature.
func (s *Server) getMailbox(c *call) error {
	p, err := c.params("after", "wait_ms")
	if err != nil {
		return err
	}
	after, err := p.number("after")
	if err != nil {
		return err
	}
	wait, err := p.number("wait_ms")
	if err != nil {
		return err
	}
	out := wire.Mailbox{Next: after}
	err = s.poll(c, mailboxTopic(c.party), waitOf(wait), func(ctx context.Context) (bool, error) {
		items, err := s.store.Mailbox(ctx, c.party, after, page())
		for _, it := range items {
			out.Items = append(out.Items, wire.Item(it))
			out.Next = it.Seq
		}
		return len(items) > 0, err
	})
	if err != nil {
		return err
	}
	return c.answer(out)
}

func (s *Server) ackMailbox(c *call) error {
	var in wire.MailboxAck
	if err := c.decode(&in); err != nil {
		return err
	}
	if in.Through < 0 {
		return malformed("through is not a seq")
	}
	if err := s.store.AckMailbox(c.r.Context(), c.party, in.Through); err != nil {
		return err
	}
	return c.answer(wire.Empty{})
}

// maxNotices of one sender about one job.
const maxNotices = 16

// postNotice passes a sealed word from one party of a job to another.
func (s *Server) postNotice(c *call) error {
	to := statement.Fingerprint(c.r.PathValue("fingerprint"))
	if !to.Valid() {
		return malformed("path holds no fingerprint")
	}
	var in wire.Notice
	if err := c.decode(&in); err != nil {
		return err
	}
	if !in.Job.Valid() || len(in.Body) == 0 || len(in.Body) > wire.MaxMessage {
		return malformed("notice has no job or no body, or is too large")
	}
	roles, err := s.role(c.r.Context(), in.Job, c.party)
	if err != nil {
		return err
	}
	toRoles, err := s.role(c.r.Context(), in.Job, to)
	if err != nil {
		return err
	}
	if roles&store.Concerned == 0 {
		return notFound()
	}
	if toRoles&store.Concerned == 0 {
		return forbidden("notices go to parties of the job")
	}
	if err := s.mayFill(c, []statement.Fingerprint{to}); err != nil {
		return err
	}
	d := store.Delivery{To: to, Item: store.Item{Job: in.Job, Kind: wire.KindNotice, From: c.party, Body: in.Body}}
	if err := s.store.AddNotice(c.r.Context(), d, maxNotices); err != nil {
		return err
	}
	s.wake([]store.Delivery{d})
	return c.answer(wire.Empty{})
}
