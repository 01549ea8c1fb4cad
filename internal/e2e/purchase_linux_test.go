package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// shop is a pair whose owner sells: its exchange settles orders with credits.
type shop struct {
	*pair
	settler, buyer, seller string
}

func newShop(t *testing.T) *shop {
	s := &shop{pair: &pair{world: newWorld(t)}}
	var key struct{ Settler string }
	s.must(s.json(&key, "exchange", "settler", "--home", s.path("exchange")))
	s.settler = key.Settler
	s.exchangeArgs = []string{"exchange", "serve", "--home", s.path("exchange"), "--lease", "1s", "--json", "--listen"}
	s.startExchangeAt("127.0.0.1:0")
	s.seller, s.buyer = s.initParty("alpha", s.home("alpha")), s.initParty("institute", s.home("institute"))
	s.hostHome = s.home("hangar")
	s.operator = s.initParty("hangar", s.hostHome)
	s.owner, s.institute = s.serve("alpha", s.home("alpha"), s.exchange), s.serve("institute", s.home("institute"), s.exchange)
	s.startHost()
	terms := s.path("premises", "terms.yaml")
	s.must(os.WriteFile(terms, []byte("terms: 1\naccess: purchase\nprice: {per_query: 3}\n"), 0o600))
	args := append(s.publishArgs(s.home("alpha")), "--terms", terms)
	policy := s.path("premises", "alpha.yaml")
	s.must(os.WriteFile(policy, []byte(strings.Replace(s.read("premises", "alpha.yaml"), "price: 3\n", "", 1)), 0o600))
	var made struct{ Digest string }
	s.must(s.json(&made, args...))
	s.must(s.json(&made, s.proposeArgs(s.home("institute"))...))
	s.contract = made.Digest
	return s
}

type orderState struct {
	Order, State, Reason string
	Charged, Refunded    int64
	Before               bool
}

// place orders, and waits for the grant for a while.
func (s *shop) place(most int64, wait string) (orderState, error) {
	s.Helper()
	var out struct{ Orders []orderState }
	args := []string{"order", "place", s.contract, "--home", s.home("institute"), "--most", fmt.Sprint(most), "--until", "1h"}
	if wait != "" {
		args = append(args, "--wait", wait)
	}
	err := s.json(&out, args...)
	if err != nil {
		return orderState{}, err
	}
	return out.Orders[0], nil
}

func (s *shop) order(home, order string) orderState {
	s.Helper()
	var out struct{ Orders []orderState }
	s.must(s.json(&out, "order", "show", order, "--home", s.home(home)))
	return out.Orders[0]
}

func (s *shop) credits(home string) (balance, held int64) {
	s.Helper()
	var c struct{ Balance, Held int64 }
	s.must(s.json(&c, "credits", "show", "--home", s.home(home)))
	return c.Balance, c.Held
}

func (s *shop) untilCredits(what string, buyer, held, seller int64) {
	s.Helper()
	s.until(fmt.Sprintf("%s: buyer %d, set aside %d, seller %d", what, buyer, held, seller), func() bool {
		b, h := s.credits("institute")
		o, _ := s.credits("alpha")
		return b == buyer && h == held && o == seller
	})
}

func (s *shop) deposit(amount int64, reference string) (balance int64) {
	s.Helper()
	var out struct{ Balance int64 }
	s.must(s.json(&out, "exchange", "credit", "deposit", "--home", s.path("exchange"), "--party", s.buyer, "--amount", fmt.Sprint(amount), "--reference", reference))
	return out.Balance
}

func (s *shop) buy() error {
	_, err := s.ask(s.home("institute"))
	return err
}

func kill(p *process) {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

// agree compares what buyer and seller find when they reconcile.
func (s *shop) reconciled(charged int64) {
	s.Helper()
	for _, home := range []string{"alpha", "institute"} {
		var r struct {
			Equal   bool
			Charged int64
			Faults  []struct{ Leg, Text string }
		}
		s.must(s.json(&r, "reconcile", "--home", s.home(home)))
		if !r.Equal || r.Charged != charged || len(r.Faults) != 0 {
			s.Fatalf("%s: %+v, want %d charged", home, r, charged)
		}
	}
}

// TestPurchase: credits are set aside for an order, its settlement is believed as far as the owner's own rule says, each query is
// charged once whatever is killed, and what is left comes back when the grant is revoked.
func TestPurchase(t *testing.T) {
	s := newShop(t)
	s.deposit(100, "bank-1")
	if got := s.deposit(100, "bank-1"); got != 100 {
		t.Fatalf("a deposit that was said twice: balance %d", got)
	}
	_, err := s.place(101, "")
	s.wantExit(err, 6, "fewer credits", "pay in")
	_, err = s.place(10, "1s") // no rule: nobody's settlement counts
	s.wantExit(err, 7, "not granted yet by alpha", "order show")
	var list struct{ Orders []orderState }
	s.must(s.json(&list, "order", "list", "--home", s.home("alpha")))
	if len(list.Orders) != 1 || list.Orders[0].State != "settled" || !strings.Contains(list.Orders[0].Reason, "does not name who settled") {
		t.Fatalf("got %+v", list.Orders)
	}
	if err := s.buy(); err == nil {
		t.Fatal("asked without a grant")
	}
	first := list.Orders[0].Order
	again, err := s.place(10, "")
	s.must(err)
	if balance, held := s.credits("institute"); again.Order != first || !again.Before || balance != 90 || held != 10 {
		t.Fatalf("said again: %+v, balance %d, set aside %d", again, balance, held)
	}
	rule := func(most string) {
		s.Helper()
		_, err := s.cordonRun("order", "rule", "--home", s.home("alpha"), "--settler", s.settler, "--max-unsettled", most)
		s.must(err)
	}
	rule("9")
	rule("12")
	s.until("the order is granted", func() bool { return s.order("institute", first).State == "granted" })
	s.must(s.buy())
	s.untilCredits("one query", 90, 7, 3)

	// The owner's agent is killed right after it released; the charge is in its ledger, and is posted once.
	s.must(s.buy())
	kill(s.owner)
	s.owner = s.serve("alpha", s.home("alpha"), s.exchange)
	s.untilCredits("two queries, the owner killed", 90, 4, 6)
	kill(s.exchangeProc)
	s.exchangeAgain()
	s.until("the agents are back", func() bool { return s.buy() == nil })
	s.untilCredits("three queries, the exchange killed", 90, 1, 9)
	err = s.buy()
	if err == nil || !strings.Contains(err.Error(), "unpaid") && !strings.Contains(err.Error(), "no order that pays") {
		t.Fatalf("a query that nothing pays for: %v", err)
	}
	s.reconciled(9)

	// Past the limit: the settler could owe 10 and 3 with it, and the rule says 12. The owner's agent is away when it is placed.
	kill(s.owner)
	second, err := s.place(3, "")
	s.must(err)
	s.owner = s.serve("alpha", s.home("alpha"), s.exchange)
	s.until("the limit is seen", func() bool { return strings.Contains(s.order("alpha", second.Order).Reason, "would owe more") })
	_, err = s.cordonRun("order", "received", "--home", s.home("alpha"), "--settler", s.settler, "--amount", "9", "--reference", "bank-2")
	s.must(err)
	s.until("there is room again", func() bool { return s.buy() == nil })
	s.untilCredits("a second order", 87, 1, 12)
	if _, err := s.cordonRun("order", "refund", first, "--home", s.home("alpha"), "--amount", "2", "--reason", "late"); err != nil {
		t.Fatal(err)
	}
	s.untilCredits("a refund", 89, 1, 10)

	// Revoked at once: no key any more, and what is left of both orders comes back.
	_, err = s.cordonRun("contract", "revoke", s.contract, "--home", s.home("alpha"))
	s.must(err)
	if err := s.buy(); err == nil {
		t.Fatal("a query under a revoked grant")
	}
	s.untilCredits("after the revocation", 90, 0, 10)
	s.until("both orders have ended", func() bool {
		return s.order("institute", first).State == "ended" && s.order("institute", second.Order).State == "ended"
	})
	if _, err := s.place(5, "1s"); err == nil {
		t.Fatal("bought what was revoked")
	}
	s.untilCredits("an order that came to nothing", 90, 0, 10)
	s.reconciled(12)
	for _, p := range []*process{s.owner, s.institute, s.host, s.exchangeProc} {
		p.stop()
	}
	if out, err := s.cordonRun("exchange", "fsck", "--home", s.path("exchange")); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	log := s.read("logs", "agent-alpha.log")
	if slices.ContainsFunc(strings.Split(log, "\n"), func(l string) bool { return strings.Contains(l, `"level":"ERROR"`) }) {
		t.Errorf("the owner's log tells of errors:\n%s", log)
	}
}
