package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

func (c *check) mailboxes(ctx context.Context) error {
	boxes, err := c.Store.Boxes(ctx)
	if err != nil {
		return err
	}
	for _, of := range boxes {
		if _, err := c.Store.Party(ctx, of); errors.Is(err, store.ErrNotFound) {
			if err := c.fault("item", of, "a mailbox of a party that is not registered"); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		if err := c.mailbox(ctx, of); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) mailbox(ctx context.Context, of statement.Fingerprint) error {
	var after int64
	for {
		list, err := c.Store.Mailbox(ctx, of, after, store.Page{Items: pageItems, Bytes: pageBytes})
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			if list[i].Seq <= after {
				return fmt.Errorf("%w: items of a mailbox are not in order", store.ErrDamaged)
			}
			after = list[i].Seq
			c.sum.Items++
			err := c.item(ctx, of, &list[i])
			var wrong errWrong
			if errors.As(err, &wrong) {
				err = c.fault("item", fmt.Sprintf("%d of %s", after, of), "%s", wrong)
			}
			if err != nil {
				return err
			}
		}
	}
}

// item checks that it can be read, and is for its reader.
func (c *check) item(ctx context.Context, of statement.Fingerprint, it *store.Item) error {
	if !it.From.Valid() || len(it.Body) == 0 || len(it.Body) > wire.MaxMessage {
		return errWrong("it has no sender or no body, or is too large")
	}
	switch it.Kind {
	case wire.KindStatement:
		return c.statementItem(ctx, of, it)
	case wire.KindJob, wire.KindHello, wire.KindQuote, wire.KindReceipt, wire.KindNotice:
		return c.jobItem(ctx, of, it)
	}
	return errWrong("is of a kind that this version does not know")
}

func (c *check) statementItem(ctx context.Context, of statement.Fingerprint, it *store.Item) error {
	e, err := statement.ParseEnvelope(it.Body)
	if err != nil {
		return errWrong("its statement is malformed")
	}
	st, err := c.Store.Statement(ctx, e.Digest())
	if err != nil {
		return absent(err, "its statement is not in the catalog")
	}
	// Who is told of an end need not be who could read what ended: those who built on it are told, too.
	if !st.VisibleTo(of) && st.Kind != store.KindRevocation {
		return errWrong("its statement is not for its reader")
	}
	return nil
}

func (c *check) jobItem(ctx context.Context, of statement.Fingerprint, it *store.Item) error {
	j, err := c.Store.Job(ctx, it.Job)
	if err != nil {
		return absent(err, "its job is not there")
	}
	roles, err := c.roles(ctx, it.Job)
	if err != nil {
		return err
	}
	needs := store.Concerned
	if it.Kind != wire.KindNotice {
		needs = store.Brokers
	}
	if roles[of]&store.Role(needs) == 0 {
		return errWrong("its job does not concern its reader")
	}
	switch it.Kind {
	case wire.KindJob:
		if e, err := statement.ParseEnvelope(it.Body); err != nil || e.Digest() != it.Job {
			return errWrong("it holds another job")
		}
		return nil
	case wire.KindNotice:
		return nil
	}
	if it.Attempt < 1 || it.Attempt > j.Attempts || roles[it.From]&store.Operator == 0 {
		return errWrong("it is of no attempt of its job, or not from a host")
	}
	if it.Kind != wire.KindReceipt && (j.State != store.StateLeased || it.Attempt != j.Attempts) {
		return errWrong("it is of an attempt that is over")
	}
	return nil
}
