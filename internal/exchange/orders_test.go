package exchange_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// shop is a world whose exchange settles orders, and whose requester has 100 credits.
type shop struct {
	*world
	settler *exchange.Settler
	money   store.Money
	jobs    map[string]statement.Digest // by release
}

func newShop(t *testing.T) *shop { return newShopIn(&env{T: t}) }

func newShopIn(e *env) *shop {
	e.Helper()
	s := &shop{jobs: map[string]statement.Digest{}}
	settler, err := exchange.MakeSettler(filepath.Join(e.TempDir(), exchange.SettlerFile))
	e.ok(err)
	s.settler = settler
	old := e.opts
	e.opts = func(o *exchange.Options) {
		if old != nil {
			old(o)
		}
		o.Settler, o.OrderGrace = settler, time.Minute
		s.money = o.Store
	}
	e.home = e.TempDir()
	e.start("127.0.0.1:0")
	e.Cleanup(func() { e.stop() })
	s.world = newWorldIn(e)
	s.deposit(s.asker, 100, "a")
	return s
}

func (s *shop) deposit(p *party, amount int64, ref string) {
	s.Helper()
	_, err := s.money.Post(s.Context(), store.Posting{Reference: ref, Kind: store.PostDeposit, From: store.AccountOperator, To: store.AccountOf(p.fp), Amount: amount, AtMS: 1})
	s.ok(err)
}

func (s *shop) orderOf(most int64) statement.Order {
	return statement.Order{Nonce: s.nonce(), Buyer: s.asker.fp, Contract: s.contract, Owner: s.a.fp, Offers: []statement.Digest{s.members[0].Offer},
		Most: most, Provider: statement.ProviderCredits, CreatedMS: 1, ExpiresMS: s.now().Add(time.Hour).UnixMilli()}
}

func (s *shop) place(most int64) statement.Digest {
	s.Helper()
	return s.post(s.asker, sign(s.env, s.orderOf(most), s.asker))
}

func (s *shop) post(p *party, e *statement.Envelope) statement.Digest {
	s.Helper()
	d, err := p.PostStatement(s.Context(), e)
	s.ok(err)
	return d
}

// asked is a job of the buyer's, one for each release.
func (s *shop) asked(release string) statement.Digest {
	s.Helper()
	if s.jobs[release] == "" {
		s.jobs[release] = s.submit()
	}
	return s.jobs[release]
}

func (s *shop) chargeOf(order statement.Digest, release string, amount, total int64) statement.Charge {
	return statement.Charge{Owner: s.a.fp, Order: order, Job: s.asked(release), Release: statement.Sum([]byte(release)), Amount: amount, Total: total, ChargedMS: 1}
}

func (s *shop) has(buyer, held, seller int64) {
	s.Helper()
	for p, want := range map[*party][2]int64{s.asker: {buyer, held}, s.a: {seller, 0}} {
		c, err := p.Credits(s.Context())
		s.ok(err)
		if c.Balance != want[0] || c.Held != want[1] || c.Settler != s.settler.Public().Fingerprint() {
			s.Fatalf("%s has %+v, want %v", p.name, c, want)
		}
	}
}

// TestOrders: what is set aside is settled at once, charged once for each job, and comes back at the end.
func TestOrders(t *testing.T) {
	s := newShop(t)
	s.a.empty()
	e := sign(s.env, s.orderOf(60), s.asker)
	order := s.post(s.asker, e)
	s.post(s.asker, e) // its answer got lost
	s.has(40, 60, 0)
	m, err := s.a.Mailbox(s.Context(), 0, 0)
	s.ok(err)
	if len(m.Items) != 1 {
		t.Fatalf("%d items for the seller", len(m.Items))
	}
	told, err := statement.ParseEnvelope(m.Items[0].Body)
	s.ok(err)
	v, err := statement.Verify[statement.Settlement](told, s.settler.Public().Fingerprint())
	s.ok(err)
	if b := v.Body(); b.Order != order || b.Amount != 60 || b.Provider != statement.ProviderCredits {
		t.Fatalf("got %+v", b)
	}
	c := sign(s.env, s.chargeOf(order, "r1", 20, 20), s.a)
	s.post(s.a, c)
	s.post(s.a, c)
	s.has(40, 40, 20)
	second := s.chargeOf(order, "r2", 20, 40)
	second.Job = s.chargeOf(order, "r1", 20, 40).Job
	for name, x := range map[string]struct {
		s    statement.Charge
		code string
	}{
		"the release again":      {s.chargeOf(order, "r1", 20, 40), wire.CodeCharged},
		"its job again":          {second, wire.CodeCharged},
		"a charge that is late":  {s.chargeOf(order, "r2", 5, 30), wire.CodeOutOfOrder},
		"more than was ordered":  {s.chargeOf(order, "r2", 41, 61), wire.CodeNoCredit},
		"for an order of nobody": {s.chargeOf(statement.Sum(nil), "r2", 1, 1), wire.CodeUnknownReference},
	} {
		_, err := s.a.PostStatement(s.Context(), sign(s.env, x.s, s.a))
		if !client.HasCode(err, x.code) {
			t.Errorf("%s: got %v, want %s", name, err, x.code)
		}
	}
	s.has(40, 40, 20)
	s.post(s.a, sign(s.env, statement.Refund{Owner: s.a.fp, Order: order, Amount: 5, Total: 5, Reason: "late", AtMS: 1}, s.a))
	s.has(45, 40, 15)
	_, err = s.a.PostStatement(s.Context(), sign(s.env, statement.Closing{Owner: s.a.fp, Order: order, Total: 19, Reason: "over", AtMS: 1}, s.a))
	s.code(err, wire.CodeOutOfOrder)
	end := sign(s.env, statement.Closing{Owner: s.a.fp, Order: order, Total: 20, Reason: "over", AtMS: 1}, s.a)
	s.post(s.a, end)
	s.post(s.a, end)
	s.has(85, 0, 15)
	_, err = s.a.PostStatement(s.Context(), sign(s.env, s.chargeOf(order, "r3", 1, 21), s.a))
	s.code(err, wire.CodeOrderEnded)
	got, err := s.asker.Order(s.Context(), order)
	s.ok(err)
	if got.Charged != 20 || got.Refunded != 5 || got.EndedMS == 0 {
		t.Fatalf("got %+v", got)
	}
	s.submit()
	s.stop()
	if got := faults(t, s.home); len(got) != 0 {
		t.Fatalf("faults: %s", strings.Join(got, "\n"))
	}
}

// TestOrdersOfOthers: nobody orders, settles, charges, ends, refunds or reads for somebody else.
func TestOrdersOfOthers(t *testing.T) {
	s := newShop(t)
	order := s.place(10)
	other := s.orderOf(5)
	other.Buyer = s.other.fp
	for name, x := range map[string]struct {
		by   *party
		e    *statement.Envelope
		code string
	}{
		"order under another's contract": {s.other, sign(s.env, other, s.other), wire.CodeUnknownReference},
		"order in another's name":        {s.other, sign(s.env, s.orderOf(5), s.asker), wire.CodeForbidden},
		"order over another's offer": {s.asker, sign(s.env, func() statement.Order {
			o := s.orderOf(5)
			o.Offers = []statement.Digest{s.members[1].Offer}
			return o
		}(), s.asker), wire.CodeUnknownReference},
		"order past its contract": {s.asker, sign(s.env, func() statement.Order {
			o := s.orderOf(5)
			o.ExpiresMS = 1<<50 + 1
			return o
		}(), s.asker), wire.CodeExpired},
		"order that is over": {s.asker, sign(s.env, func() statement.Order {
			o := s.orderOf(5)
			o.ExpiresMS = 2
			return o
		}(), s.asker), wire.CodeExpired},
		"order for more than is there": {s.asker, sign(s.env, s.orderOf(91), s.asker), wire.CodeNoCredit},
		"charge by another owner": {s.b, sign(s.env, func() statement.Charge {
			c := s.chargeOf(order, "r", 1, 1)
			c.Owner = s.b.fp
			return c
		}(), s.b), wire.CodeUnknownReference},
		"charge in another's name": {s.b, sign(s.env, s.chargeOf(order, "r", 1, 1), s.a), wire.CodeForbidden},
		"closing by the buyer":     {s.asker, sign(s.env, statement.Closing{Owner: s.asker.fp, Order: order, Reason: "x", AtMS: 1}, s.asker), wire.CodeUnknownReference},
		"refund by another owner":  {s.b, sign(s.env, statement.Refund{Owner: s.b.fp, Order: order, Amount: 1, Total: 1, Reason: "x", AtMS: 1}, s.b), wire.CodeUnknownReference},
		"settlement by the owner": {s.a, sign(s.env, statement.Settlement{Settler: s.a.fp, Order: order, Amount: 10, Provider: statement.ProviderCredits, Reference: "x", SettledMS: 1}, s.a),
			wire.CodeStatement},
		"settlement by the buyer": {s.asker, sign(s.env, statement.Settlement{Settler: s.asker.fp, Order: order, Amount: 10, Provider: statement.ProviderCredits, Reference: "x", SettledMS: 1}, s.asker),
			wire.CodeUnknownReference},
	} {
		_, err := x.by.PostStatement(s.Context(), x.e)
		if !client.HasCode(err, x.code) {
			t.Errorf("%s: got %v, want %s", name, err, x.code)
		}
	}
	s.has(90, 10, 0)
	for _, p := range []*party{s.b, s.other, s.host} {
		_, err := p.Order(s.Context(), order)
		s.code(err, wire.CodeNotFound)
		_, err = p.AllPostings(s.Context(), order)
		s.code(err, wire.CodeNotFound)
		_, err = p.Statement(s.Context(), order)
		s.code(err, wire.CodeNotFound)
		for _, kind := range []string{client.Orders, client.Settlements, client.Charges} {
			list, err := p.AllStatements(s.Context(), client.Query{Kind: kind})
			if err != nil || len(list) != 0 {
				t.Errorf("%s reads %d %ss: %v", p.name, len(list), kind, err)
			}
		}
		mine, err := p.AllPostings(s.Context(), "")
		if err != nil || len(mine) != 0 {
			t.Errorf("%s reads %d postings of others: %v", p.name, len(mine), err)
		}
	}
	list, err := s.asker.AllPostings(s.Context(), "")
	if err != nil || len(list) != 2 || !list[0].In || !list[1].Out || list[1].Kind != "hold" {
		t.Errorf("the buyer's account: %+v, %v", list, err)
	}
}

// TestOrderExpires: its owner has a moment to charge what it released; then what is left comes back, once.
func TestOrderExpires(t *testing.T) {
	s := newShop(t)
	order := s.place(10)
	s.post(s.a, sign(s.env, s.chargeOf(order, "r1", 3, 3), s.a))
	end := func(after time.Duration) {
		s.Helper()
		s.skew.Store(after.Milliseconds())
		s.ok(s.srv.EndOrders(context.Background()))
	}
	end(time.Hour + 50*time.Second)
	s.skew.Store(0)
	s.has(90, 7, 3)
	end(time.Hour + 70*time.Second)
	end(time.Hour + 80*time.Second)
	s.skew.Store(0)
	s.has(97, 0, 3)
	_, err := s.a.PostStatement(s.Context(), sign(s.env, s.chargeOf(order, "r2", 3, 6), s.a))
	s.code(err, wire.CodeOrderEnded)
	s.post(s.a, sign(s.env, statement.Closing{Owner: s.a.fp, Order: order, Total: 3, Reason: "expired", AtMS: 1}, s.a))
	s.has(97, 0, 3)
}

// TestNoSettler: an exchange without a settlement key sets nothing aside; orders that are paid elsewhere it only keeps, and their owner
// settles them.
func TestNoSettler(t *testing.T) {
	s := newShop(t)
	s.stop()
	old := s.opts
	s.opts = func(o *exchange.Options) { old(o); o.Settler = nil }
	s.start(strings.TrimPrefix(s.url, "http://"))
	_, err := s.asker.PostStatement(s.Context(), sign(s.env, s.orderOf(5), s.asker))
	s.code(err, wire.CodeNoProvider)
	o := s.orderOf(5)
	o.Provider = statement.ProviderStripe
	order := s.post(s.asker, sign(s.env, o, s.asker))
	_, err = s.a.PostStatement(s.Context(), sign(s.env, s.chargeOf(order, "r1", 3, 3), s.a))
	s.code(err, wire.CodeNoCredit)
	settled := statement.Settlement{Settler: s.a.fp, Order: order, Amount: 5, Provider: statement.ProviderStripe, Reference: "cs_1", SettledMS: 1}
	less := settled
	less.Amount = 4
	_, err = s.a.PostStatement(s.Context(), sign(s.env, less, s.a))
	s.code(err, wire.CodeStatement)
	s.post(s.a, sign(s.env, settled, s.a))
	s.post(s.a, sign(s.env, settled, s.a))
	again := settled
	again.Reference = "cs_2"
	_, err = s.a.PostStatement(s.Context(), sign(s.env, again, s.a))
	s.code(err, wire.CodeCharged)
	s.post(s.a, sign(s.env, s.chargeOf(order, "r1", 3, 3), s.a))
	c, err := s.asker.Credits(s.Context())
	if err != nil || c.Balance != 100 || c.Held != 0 || c.Settler != "" {
		t.Fatalf("got %+v, %v", c, err)
	}
}

// TestFsckOfMoney breaks the books in one place after the other, and sees it named.
func TestFsckOfMoney(t *testing.T) {
	e := &env{T: t}
	s := newShopIn(e)
	s.submit()
	order := s.place(60)
	s.post(s.a, sign(s.env, s.chargeOf(order, "r1", 20, 20), s.a))
	s.post(s.a, sign(s.env, statement.Refund{Owner: s.a.fp, Order: order, Amount: 5, Total: 5, Reason: "late", AtMS: 1}, s.a))
	s.post(s.a, sign(s.env, statement.Closing{Owner: s.a.fp, Order: order, Total: 20, Reason: "over", AtMS: 1}, s.a))
	s.place(10)
	s.stop()
	if got := faults(t, s.home); len(got) != 0 {
		t.Fatalf("faults of good books:\n%s", strings.Join(got, "\n"))
	}
	loose := "DROP TRIGGER postings_stay; DROP TRIGGER postings_last;"
	for _, c := range []struct{ name, sql, want string }{
		{"balance", "UPDATE money_accounts SET balance = balance + 1 WHERE name LIKE 'party:%' AND balance > 0", "and its postings come to"},
		{"money made up", "UPDATE money_accounts SET balance = balance + 1 WHERE name = 'operator'", "all accounts together have 1 credits, not 0"},
		{"account lost", "DELETE FROM money_accounts WHERE name = 'operator'", "account operator: is not there"},
		{"posting lost", loose + "DELETE FROM postings WHERE kind = 'charge'", "its postings are not those that its statements ask for"},
		{"posting changed", loose + "UPDATE postings SET amount = 19 WHERE kind = 'charge'", "its postings are not those that its statements ask for"},
		{"charge lost", "DELETE FROM statements WHERE kind = 'charge'", "what was charged or given back is not what its owner's statements come to"},
		{"charged more", "UPDATE orders SET charged = 21, refunded = 0 WHERE charged = 20", "what was charged or given back is not what its owner's statements come to"},
		{"order of another amount", "UPDATE orders SET amount = 61 WHERE amount = 60", "what is kept of it is not what its statement says"},
		{"order forgotten", "DELETE FROM orders WHERE amount = 10", "is a statement, and no account is kept of it"},
		{"order lost", "DELETE FROM statements WHERE kind = 'order'", "its statement is not there"},
		{"return forgotten", "UPDATE orders SET ended_ms = 1 WHERE amount = 10", "its postings are not those that its statements ask for"},
		{"settlement of nobody", "UPDATE statements SET envelope = (SELECT envelope FROM statements WHERE kind = 'charge') WHERE kind = 'settlement'", "settlement sha256:.*: its content has another digest"},
		{"reader of an order", "INSERT INTO statement_readers SELECT digest, '" + string(s.other.fp) + "' FROM statements WHERE kind = 'order'", "order sha256:.*: who may read it is not who it concerns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyOf(t, s.home)
			s.ok(tryAlter(dir, c.sql))
			got := faults(t, dir)
			found := false
			for _, f := range got {
				found = found || matches(c.want)(f)
			}
			if !found {
				t.Errorf("no fault %q in:\n%s", c.want, strings.Join(got, "\n"))
			}
		})
	}
	t.Run("the schema keeps postings", func(t *testing.T) {
		for _, sql := range []string{"DELETE FROM postings", "UPDATE postings SET amount = 1", "UPDATE money_accounts SET balance = -1 WHERE name LIKE 'party:%'",
			"INSERT INTO postings (reference, kind, source, target, amount, about, statement, at_ms) VALUES ('x', 'payout', 'party:nobody', 'operator', 1, '', '', 1)"} {
			if err := tryAlter(copyOf(t, s.home), sql); err == nil {
				t.Errorf("done: %s", sql)
			}
		}
	})
}

// TestOperatorSocket: the operator pays in and out over the socket in the home, each payment once.
func TestOperatorSocket(t *testing.T) {
	s := newShop(t)
	l, err := exchange.ListenOperator(s.home)
	s.ok(err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.srv.RunOperator(ctx, l) }()
	ask := operatorOf(t, s.home)
	for _, x := range []struct {
		m      wire.CreditMove
		status int
		want   string
	}{
		{wire.CreditMove{Kind: "deposit", Party: s.asker.fp, Amount: 7, Reference: "bank-1"}, 200, `{"added":true,"balance":107}`},
		{wire.CreditMove{Kind: "deposit", Party: s.asker.fp, Amount: 7, Reference: "bank-1"}, 200, `{"added":false,"balance":107}`},
		{wire.CreditMove{Kind: "deposit", Party: s.asker.fp, Amount: 8, Reference: "bank-1"}, 409, wire.CodeCharged},
		{wire.CreditMove{Kind: "payout", Party: s.asker.fp, Amount: 108, Reference: "bank-2"}, 409, wire.CodeNoCredit},
		{wire.CreditMove{Kind: "payout", Party: s.asker.fp, Amount: 107, Reference: "bank-2"}, 200, `{"added":true,"balance":0}`},
		{wire.CreditMove{Kind: "gift", Party: s.asker.fp, Amount: 1, Reference: "x"}, 400, wire.CodeMalformed},
		{wire.CreditMove{Kind: "deposit", Party: s.asker.fp, Amount: -1, Reference: "x"}, 400, wire.CodeMalformed},
		{wire.CreditMove{Kind: "deposit", Party: s.asker.fp, Amount: 1, Reference: "a b"}, 400, wire.CodeMalformed},
		{wire.CreditMove{Kind: "deposit", Party: s.stranger("nobody").fp, Amount: 1, Reference: "x"}, 422, wire.CodeUnknownReference},
	} {
		status, body := ask(http.MethodPost, "/credit", x.m)
		if status != x.status || !strings.Contains(body, x.want) {
			t.Errorf("%+v: %d %s", x.m, status, body)
		}
	}
	cancel()
	s.ok(<-done)
}

// tryAlter changes a store behind the exchange's back, if its schema lets it.
func tryAlter(home, q string) error {
	db, err := sql.Open("sqlite", filepath.Join(home, "store", "exchange.db"))
	if err != nil {
		return err
	}
	_, err = db.Exec(q)
	return errors.Join(err, db.Close())
}

// operatorOf calls the operator's socket of a home.
func operatorOf(t *testing.T, home string) func(method, path string, in any) (int, string) {
	t.Helper()
	path, err := exchange.SocketIn(home)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return func(method, path string, in any) (int, string) {
		b, err := statement.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, "http://exchange"+path, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(out)
	}
}
