package approval

import (
	"context"
	"net/http"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/statement"
)

// onceOnly is an exchange that has the revocation of everything, by another statement.
type onceOnly struct{ *partytest.Exchange }

func (x onceOnly) PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	if _, err := statement.DecodeUnverified[statement.Revocation](e.Payload); err == nil {
		return "", &client.Error{Status: http.StatusConflict, Code: wire.CodeAlreadyRevoked, Message: "no"}
	}
	return x.Exchange.PostStatement(ctx, e)
}

// TestRevokedBefore: an exchange that has another revocation of the same thing leaves nothing to do.
func TestRevokedBefore(t *testing.T) {
	w := newWorld(t, 1)
	o, contract := w.owners[0], w.contract(nil).Digest()
	must(o.Grant(t.Context(), contract, statement.ByHand))
	o.Exchange = onceOnly{w.ex}
	r, err := o.Revoke(t.Context(), contract, "enough")
	if err != nil || r.Unposted != nil || o.Unposted() || !o.ended(contract) {
		t.Fatalf("got %+v, %v", r, err)
	}
	if err := o.HealRevocations(t.Context()); err != nil || o.Unposted() {
		t.Fatalf("heal: %v", err)
	}
}

// TestRefundsOfAnOrder: no more stand in the ledger than the exchange takes.
func TestRefundsOfAnOrder(t *testing.T) {
	w := newWorld(t, 1)
	o, order, job := w.owners[0], statement.Sum([]byte("order")), statement.Sum([]byte("job"))
	d := func(s string) statement.Digest { return statement.Sum([]byte(s)) }
	for _, e := range []ledger.Entry{
		{Kind: ledger.KindSettle, Order: order, About: d("settlement"), Contract: d("contract"), Settler: o.self(), Authority: statement.ByRule, Charged: 1000, UntilMS: 1 << 50, Requester: o.self()},
		{Kind: ledger.KindCharge, Job: job, Contract: d("contract"), Requester: o.self(), Charged: 1000, Order: order},
		{Kind: ledger.KindRelease, Job: job, Session: d("s"), Plan: d("p"), Evidence: d("e"), Ready: d("r"), Grant: d("g"), Release: d("release"),
			Columns: []statement.Opening{{Offer: d("o"), Columns: []string{}}}, Number: 1, Charged: 1000, AtMS: 5},
	} {
		must(o.Ledger.Append(t.Context(), e, nil))
	}
	for n := range wire.MaxRefunds {
		if err := o.Refund(t.Context(), order, 1, "late"); err != nil {
			t.Fatalf("the %dth: %v", n+1, err)
		}
	}
	if err := o.Refund(t.Context(), order, 1, "late"); fault.ExitCode(err) != int(fault.Refused) {
		t.Errorf("one more: %v", err)
	}
}
