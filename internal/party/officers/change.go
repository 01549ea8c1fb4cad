package officers

import (
	"context"
	"slices"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Change asks for another list: the officers of the one in force must approve it, and those of the new one, who show thereby that
// they have their keys. A list without officers ends dual control.
func (g *Gate) Change(ctx context.Context, officers []Officer, threshold int64, actions []string) (statement.Digest, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, d, err := g.InForce()
	if err != nil {
		return "", err
	}
	next := &List{
		Format: ListFormat, Party: g.Self, Number: 1, Previous: d, Threshold: threshold,
		Officers: append([]Officer{}, officers...), Actions: append([]string{}, actions...), CreatedMS: g.Now().UnixMilli(),
	}
	if now != nil {
		next.Number = now.Number + 1
	}
	next.CreatedMS = g.sameAsked(next)
	payload, err := next.encode()
	if err != nil {
		return "", fault.New(fault.Usage, "not a list of officers", "name at least two, each once with a key of its own, a --threshold of at least 2, and what they are required for", err)
	}
	digest := statement.Sum(payload)
	if err := g.changeApproved(ctx, now, d, next, payload); err != nil {
		return "", err
	}
	if err := g.write("lists", digest, payload); err != nil {
		return "", err
	}
	_, err = g.Ledger.Append(ctx, ledger.Entry{Kind: ledger.KindOfficers, About: digest}, func(a *ledger.Accounts) error {
		if a.Officers() != d {
			return fault.New(fault.Refused, "the list of officers changed meanwhile", "ask again", nil)
		}
		return nil
	})
	return digest, err
}

func (g *Gate) changeApproved(ctx context.Context, now *List, d statement.Digest, next *List, payload []byte) error {
	lists := changing(now, d, next, payload)
	for _, a := range lists { // all of them before any is recorded and the request forgotten
		got, err := g.approvals(a)
		if err != nil {
			return err
		}
		if int64(len(got)) < a.list.Threshold {
			return g.require(ctx, a)
		}
	}
	for _, a := range lists {
		if err := g.require(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// sameAsked is the time of a kept request for the same list, else the list's own.
func (g *Gate) sameAsked(next *List) int64 {
	files, err := g.requestsOf(statement.ActionOfficers)
	if err != nil {
		return next.CreatedMS
	}
	for _, r := range files {
		l, err := decodeList(r.Payload)
		if err == nil && l.Previous == next.Previous && l.Number == next.Number && l.Threshold == next.Threshold &&
			slices.Equal(l.Officers, next.Officers) && slices.Equal(l.Actions, next.Actions) {
			return l.CreatedMS
		}
	}
	return next.CreatedMS
}
