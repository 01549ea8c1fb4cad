package broker

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// soldWorld has a contract that orders pay for, by the names and amounts given; a query costs 5.
func soldWorld(t *testing.T, amounts ...int64) *world {
	t.Helper()
	w := termsWorld(t, statement.Terms{Access: statement.AccessPurchase, PerQuery: 5})
	for i, n := range amounts {
		w.settle(orderOf(i), n)
	}
	return w
}

func orderOf(i int) statement.Digest { return statement.Sum([]byte{byte(i)}) }

func (w *world) settle(order statement.Digest, amount int64) {
	w.append(ledger.Entry{
		Kind: ledger.KindSettle, Order: order, About: statement.Sum([]byte("settlement " + order)), Contract: w.contract.Digest(), Requester: w.asker.Fingerprint(),
		Settler: w.asker.Fingerprint(), Authority: statement.ByRule, Charged: amount, UntilMS: w.now.Add(time.Hour).UnixMilli(),
	})
}

func (w *world) purchase(order statement.Digest) (p ledger.Purchase) {
	w.ledger.View(func(a *ledger.Accounts) { p, _ = a.Purchase(order) })
	return p
}

// TestChargedToAnOrder: each query is charged to the first order that has room, and billed with its first release; a re-release costs
// nothing; what no order has room for is refused before any key, and so is what an order that has ended or expired would pay for.
func TestChargedToAnOrder(t *testing.T) {
	w := soldWorld(t, 9, 10)
	j := w.newJob(nil)
	w.enclave(j).run()
	w.enclave(j).run() // its host was killed: the same job again
	if p := w.purchase(orderOf(0)); p.Spent != 5 || p.Total() != 5 || len(p.Billed) != 1 || p.Billed[0].Job != j.digest {
		t.Fatalf("got %+v", p)
	}
	w.enclave(w.newJob(nil)).run() // 4 are left of the first
	w.enclave(w.newJob(nil)).run()
	if a, b := w.purchase(orderOf(0)), w.purchase(orderOf(1)); a.Total() != 5 || b.Total() != 10 {
		t.Fatalf("%d and %d charged", a.Total(), b.Total())
	}
	w.refusesAnother(CodeUnpaid)
	w.settle(orderOf(2), 5)
	w.enclave(w.newJob(nil)).run()
	w.settle(orderOf(3), 50)
	w.append(ledger.Entry{Kind: ledger.KindOrderEnd, Order: orderOf(3), Reason: "cancelled"})
	w.refusesAnother(CodeUnpaid)
	w.settle(orderOf(4), 50)
	w.now = w.now.Add(time.Hour)
	w.refusesAnother(CodeUnpaid)
}

// TestSoldByAnotherLedger: a grant that rests on a payment opens nothing here, free queries neither, without the payment in this ledger.
func TestSoldByAnotherLedger(t *testing.T) {
	w := termsWorld(t, statement.Terms{Access: statement.AccessPurchase, Flat: 5})
	me := w.owners[0]
	w.grant = must(statement.Sign(statement.Grant{
		Owner: me.fp(), Contract: w.contract.Digest(), Offers: []statement.Digest{me.offer.Digest()}, Authority: statement.ByPurchase, Settlement: statement.Sum([]byte("s")),
		UntilMS: w.contract.Body().UntilMS, CreatedMS: start.UnixMilli(),
	}, me.ring.Signer()))
	w.post(w.grant)
	w.append(ledger.Entry{Kind: ledger.KindGrant, Contract: w.contract.Digest(), Grant: w.grant.Digest(), Authority: statement.ByPurchase})
	w.refusesAnother(CodeUnpaid)
}

// TestUnpaidBetween: what happened to the order since the ready keeps the keys back.
func TestUnpaidBetween(t *testing.T) {
	t.Run("spent by another job", func(t *testing.T) {
		w := soldWorld(t, 5)
		j := w.newJob(nil)
		e := w.enclave(j)
		hello := e.hello(nil)
		w.enclave(w.newJob(nil)).run()
		_, reply := e.honest(hello)
		w.refusedWith(j, e, reply, CodeUnpaid, 0)
	})
	t.Run("ended", func(t *testing.T) {
		w := soldWorld(t, 5)
		j := w.newJob(nil)
		e := w.enclave(j)
		hello := e.hello(nil)
		w.append(ledger.Entry{Kind: ledger.KindOrderEnd, Order: orderOf(0), Reason: "cancelled"})
		_, reply := e.honest(hello)
		w.refusedWith(j, e, reply, CodeUnpaid, 0)
	})
	t.Run("ended after it was charged", func(t *testing.T) {
		w := soldWorld(t, 5)
		j := w.newJob(nil)
		w.append(ledger.Entry{Kind: ledger.KindCharge, Job: j.digest, Contract: w.contract.Digest(), Requester: w.asker.Fingerprint(), Charged: 5, Order: orderOf(0)})
		w.append(ledger.Entry{Kind: ledger.KindOrderEnd, Order: orderOf(0), Reason: "cancelled"})
		e := w.enclave(j)
		_, reply := e.honest(e.hello(nil))
		w.refusedWith(j, e, reply, CodeUnpaid, 0)
		if p := w.purchase(orderOf(0)); p.Total() != 0 {
			t.Fatalf("%d billed without a release", p.Total())
		}
	})
}

// TestOrderEndsWithoutKeys: what a job without keys had paid for went back with its order, and is asked of the next order.
func TestOrderEndsWithoutKeys(t *testing.T) {
	w := termsWorld(t, statement.Terms{Access: statement.AccessPurchase, PerQuery: 5, PerDay: 30, Flat: 100})
	w.settle(orderOf(0), 135)
	w.settle(orderOf(1), 5)
	failed := w.newJob(nil)
	failing := w.keysFail()
	w.enclave(failed).quoteFails(CodeKeys)
	*failing = false
	e := w.enclave(w.newJob(nil))
	hello := e.hello(nil) // 5 is what it costs, as long as the first may get its keys
	w.append(ledger.Entry{Kind: ledger.KindOrderEnd, Order: orderOf(0), Reason: "cancelled"})
	w.refusesAnother(CodeUnpaid) // 135 now
	if _, reply := e.honest(hello); must(statement.VerifyAuthor[statement.Release](reply.Release)).Body().Charged != 5 {
		t.Fatal("not what the ready said")
	}
	w.settle(orderOf(2), 140)
	for _, want := range []int64{135, 5} {
		if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != want {
			t.Fatalf("charged %d, want %d", got, want)
		}
	}
	if p := w.purchase(orderOf(0)); p.Total() != 0 {
		t.Fatalf("%d billed without a release", p.Total())
	}
}

// TestRoomComesBack: a job that never got its keys takes no room in its order any more; no keys leave for it then.
func TestRoomComesBack(t *testing.T) {
	w := termsWorld(t, statement.Terms{Access: statement.AccessPurchase, PerQuery: 5, Flat: 100})
	w.append(ledger.Entry{
		Kind: ledger.KindSettle, Order: orderOf(0), About: statement.Sum([]byte("settlement")), Contract: w.contract.Digest(), Requester: w.asker.Fingerprint(),
		Settler: w.asker.Fingerprint(), Authority: statement.ByRule, Charged: 105, UntilMS: w.now.Add(3 * time.Hour).UnixMilli(),
	})
	failed := w.newJob(nil)
	failing := w.keysFail()
	e := w.enclave(failed)
	e.quoteFails(CodeKeys)
	*failing = false
	w.refusesAnother(CodeUnpaid)
	w.now = w.now.Add(time.Hour)
	if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != 105 {
		t.Fatalf("charged %d", got)
	}
	if p := w.purchase(orderOf(0)); p.Total() != 105 {
		t.Fatalf("%d billed", p.Total())
	}
	w.now = w.now.Add(-time.Minute) // its clock was put back
	e = w.enclave(failed)
	_, reply := e.honest(e.hello(nil))
	w.refusedWith(failed, e, reply, CodeUnpaid, 0)
}

// TestMidnightInATightOrder: an order with room for what the ready said is enough.
func TestMidnightInATightOrder(t *testing.T) {
	w := termsWorld(t, statement.Terms{Access: statement.AccessPurchase, PerQuery: 5, PerDay: 30})
	w.now = time.Date(2026, 6, 1, 23, 59, 59, 0, time.UTC)
	w.settle(orderOf(0), 40)
	w.enclave(w.newJob(nil)).run()
	e := w.enclave(w.newJob(nil))
	hello := e.hello(nil)
	w.now = w.now.Add(2 * time.Second)
	if _, reply := e.honest(hello); reply.Release == nil {
		t.Fatalf("refused: %s", e.why(reply))
	}
}

// TestUnpaidAfterRepair: where entries were lost, all that orders had counts as spent.
func TestUnpaidAfterRepair(t *testing.T) {
	w := soldWorld(t, 50)
	w.append(ledger.Entry{Kind: ledger.KindRepair, About: statement.Sum([]byte("repair"))})
	w.now = w.now.Add(30 * time.Minute)
	w.append(ledger.Entry{Kind: ledger.KindGrant, Contract: w.contract.Digest(), Grant: w.grant.Digest(), Authority: statement.ByHand})
	w.refusesAnother(CodeUnpaid)
}
