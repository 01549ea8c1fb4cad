package storetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

func said(n int, kind string) store.Statement {
	return store.Statement{Digest: dg(n), Kind: kind, Complete: true, Envelope: []byte(fmt.Sprint(kind, n)), Authors: []statement.Fingerprint{fp(1)},
		Readers: []statement.Fingerprint{fp(1), fp(2)}, Refs: []statement.Digest{dg(900)}}
}

// with is one statement, delivered to the seller.
func with(n int, kind string) store.With {
	return store.With{AtMS: 5, Statements: []store.Statement{said(n, kind)}, Deliver: []store.Delivery{to(2, fmt.Sprint(kind, n))}}
}

// order n of party 1 from party 2.
func order(n int, amount int64) store.Order {
	return store.Order{Digest: dg(n), Buyer: fp(1), Owner: fp(2), Contract: dg(900), Provider: "credits", Amount: amount, Held: true, ExpiresMS: 1000 + int64(n), Settlement: dg(n + 1)}
}

func (s *suite) place(n int, amount int64) {
	s.Helper()
	w := with(n, store.KindOrder)
	w.Statements = append(w.Statements, said(n+1, store.KindSettlement))
	added, err := s.AddOrder(s.ctx, order(n, amount), 100, w)
	s.ok(err)
	s.equal(added, true)
}

func (s *suite) deposit(n int, amount int64, ref string) bool {
	s.Helper()
	added, err := s.Post(s.ctx, store.Posting{Reference: ref, Kind: store.PostDeposit, From: store.AccountOperator, To: store.AccountOf(fp(n)), Amount: amount, AtMS: 1})
	s.ok(err)
	return added
}

// balances of the operator, the buyer, the seller and the orders; they are zero together.
func (s *suite) balances(operator, buyer, seller int64, orders ...int64) {
	s.Helper()
	got := []int64{s.balance(store.AccountOperator), s.balance(store.AccountOf(fp(1))), s.balance(store.AccountOf(fp(2)))}
	for i := range orders {
		got = append(got, s.balance(store.AccountFor(dg(100+10*i))))
	}
	s.equal(got, append([]int64{operator, buyer, seller}, orders...))
	list, err := s.Accounts(s.ctx, "", 100)
	s.ok(err)
	var sum int64
	for _, a := range list {
		sum += a.Balance
	}
	s.equal(sum, 0)
}

func (s *suite) balance(account string) int64 {
	s.Helper()
	n, err := s.Balance(s.ctx, account)
	s.ok(err)
	return n
}

func (s *suite) charge(n int, ref string, amount, total int64) error {
	_, err := s.AddCharge(s.ctx, store.Charge{Order: dg(100), Ref: ref, Amount: amount, Total: total}, with(n, store.KindCharge))
	return err
}

func (s *suite) money() {
	s.balances(0, 0, 0)
	s.equal(s.deposit(1, 100, "a"), true)
	s.equal(s.deposit(1, 100, "a"), false)
	_, err := s.Post(s.ctx, store.Posting{Reference: "a", Kind: store.PostDeposit, From: store.AccountOperator, To: store.AccountOf(fp(1)), Amount: 101})
	s.is(err, store.ErrExists)
	s.balances(-100, 100, 0)
	_, err = s.Post(s.ctx, store.Posting{Reference: "b", Kind: store.PostPayout, From: store.AccountOf(fp(1)), To: store.AccountOperator, Amount: 101})
	s.is(err, store.ErrNoCredit)
	for _, amount := range []int64{0, -1, statement.MaxAmount + 1} {
		_, err := s.Post(s.ctx, store.Posting{Reference: "c", Kind: store.PostDeposit, From: store.AccountOperator, To: store.AccountOf(fp(1)), Amount: amount})
		s.is(err, store.ErrChanged)
	}

	_, err = s.AddOrder(s.ctx, order(100, 101), 100, with(100, store.KindOrder))
	s.is(err, store.ErrNoCredit)
	_, err = s.Statement(s.ctx, dg(100))
	s.is(err, store.ErrNotFound)
	s.equal(s.inbox(2, 0), "")
	s.place(100, 60)
	again, err := s.AddOrder(s.ctx, order(100, 60), 100, with(100, store.KindOrder))
	s.ok(err)
	s.equal(again, false)
	s.balances(-100, 40, 0, 60)
	s.equal(s.inbox(2, 0), "order100")
	held, err := s.Held(s.ctx, fp(1))
	s.ok(err)
	s.equal(held, 60)

	s.ok(s.charge(201, "r1", 10, 10))
	s.ok(s.charge(201, "r1", 10, 10)) // the same statement again
	s.balances(-100, 40, 10, 50)
	s.is(s.charge(202, "r1", 10, 20), store.ErrExists) // another for the same release
	s.is(s.charge(203, "r2", 10, 10), store.ErrChanged)
	s.is(s.charge(204, "r2", 51, 61), store.ErrNoCredit)
	s.is(s.charge(205, "r2", 0, 10), store.ErrChanged)
	s.is(s.charge(206, "r2", -10, 0), store.ErrChanged)
	s.ok(s.charge(207, "r2", 50, 60))
	s.balances(-100, 40, 60, 0)
	s.refunds()
	o, err := s.Order(s.ctx, dg(100))
	s.ok(err)
	want := order(100, 60)
	want.Charged, want.Refunded, want.Refunds = 60, 15, 2
	s.equal(*o, want)
	_, err = s.Order(s.ctx, dg(1))
	s.is(err, store.ErrNotFound)
	_, err = s.AddCharge(s.ctx, store.Charge{Order: dg(1), Ref: "r", Amount: 1, Total: 1}, with(299, store.KindCharge))
	s.is(err, store.ErrNotFound)
}

func (s *suite) refunds() {
	refund := func(n int, amount, total int64) error {
		_, err := s.AddRefund(s.ctx, store.Charge{Order: dg(100), Amount: amount, Total: total}, with(n, store.KindRefund))
		return err
	}
	s.is(refund(301, 61, 61), store.ErrNoCredit)
	s.is(refund(302, 5, 6), store.ErrChanged)
	s.ok(refund(303, 5, 5))
	s.ok(refund(303, 5, 5))
	s.ok(refund(304, 10, 15))
	s.balances(-100, 55, 45, 0)
	_, err := s.Post(s.ctx, store.Posting{Reference: "out", Kind: store.PostPayout, From: store.AccountOf(fp(2)), To: store.AccountOperator, Amount: 45})
	s.ok(err)
	s.is(refund(305, 1, 16), store.ErrNoCredit) // the owner has nothing left
	s.balances(-55, 55, 0, 0)
}

func (s *suite) orderEnds() {
	s.deposit(1, 100, "a")
	s.place(100, 60)
	s.place(110, 40)
	s.ok(s.charge(201, "r1", 10, 10))
	due := func(before int64, want string) {
		s.Helper()
		list, err := s.OrdersDue(s.ctx, before, 10)
		s.ok(err)
		var got []string
		for _, o := range list {
			got = append(got, strings.TrimLeft(strings.TrimPrefix(string(o.Digest), "sha256:"), "0"))
		}
		s.equal(strings.Join(got, " "), want)
	}
	due(1100, "")
	due(1101, "64")
	due(1111, "64 6e")
	_, err := s.EndOrder(s.ctx, store.OrderEnd{Order: dg(100), Total: 9}, with(400, store.KindClosing))
	s.is(err, store.ErrChanged)
	ended, err := s.EndOrder(s.ctx, store.OrderEnd{Order: dg(100), Total: 10}, with(401, store.KindClosing))
	s.ok(err)
	s.equal(ended, true)
	s.balances(-100, 50, 10, 0, 40)
	ended, err = s.EndOrder(s.ctx, store.OrderEnd{Order: dg(100), Total: 10}, with(401, store.KindClosing)) // said before
	s.ok(err)
	s.equal(ended, false)
	_, err = s.EndOrder(s.ctx, store.OrderEnd{Order: dg(100), Total: 10}, with(403, store.KindClosing)) // another
	s.is(err, store.ErrExists)
	_, err = s.Statement(s.ctx, dg(403))
	s.is(err, store.ErrNotFound)
	ended, err = s.EndOrder(s.ctx, store.OrderEnd{Order: dg(100), Total: -1}, store.With{AtMS: 9})
	s.ok(err)
	s.equal(ended, false)
	s.is(s.charge(202, "r2", 1, 11), store.ErrOver)
	s.ok(s.charge(201, "r1", 10, 10)) // said before
	ended, err = s.EndOrder(s.ctx, store.OrderEnd{Order: dg(110), Total: -1}, store.With{AtMS: 9})
	s.ok(err)
	s.equal(ended, true)
	s.balances(-100, 90, 10, 0, 0)
	due(5000, "")
	// The owner's word comes after the end: it is kept, once, and moves nothing; of another total it never comes true.
	_, err = s.EndOrder(s.ctx, store.OrderEnd{Order: dg(110), Total: 1}, with(404, store.KindClosing))
	s.is(err, store.ErrOver)
	ended, err = s.EndOrder(s.ctx, store.OrderEnd{Order: dg(110), Total: 0}, with(402, store.KindClosing))
	s.ok(err)
	s.equal(ended, false)
	_, err = s.Statement(s.ctx, dg(402))
	s.ok(err)
	_, err = s.EndOrder(s.ctx, store.OrderEnd{Order: dg(110), Total: 0}, with(405, store.KindClosing))
	s.is(err, store.ErrExists)
	o, err := s.Order(s.ctx, dg(110))
	s.ok(err)
	s.equal(o.Closing, dg(402))
	s.balances(-100, 90, 10, 0, 0)
	list, err := s.Postings(s.ctx, store.PostingQuery{Order: dg(100), Items: 10})
	s.ok(err)
	var kinds []string
	for _, p := range list {
		kinds = append(kinds, fmt.Sprint(p.Kind, p.Amount))
	}
	s.equal(strings.Join(kinds, " "), "hold60 charge10 return50")
	list, err = s.Postings(s.ctx, store.PostingQuery{Account: store.AccountOf(fp(1)), After: list[0].Seq, Items: 10})
	s.ok(err)
	s.equal(len(list), 3) // the second hold and both returns
	list, err = s.Postings(s.ctx, store.PostingQuery{Reference: "hold:" + string(dg(100)), Items: 10})
	s.ok(err)
	s.equal(len(list) == 1 && list[0].Kind == store.PostHold, true)
	list, err = s.Postings(s.ctx, store.PostingQuery{Reference: "hold:", Items: 10})
	s.ok(err)
	s.equal(len(list), 0)
	s.elsewhere()
}

// elsewhere is an order that is paid at another provider: nothing is set aside, and what is charged moves nothing here.
func (s *suite) elsewhere() {
	o := order(500, 30)
	o.Held, o.Settlement, o.Provider = false, "", "stripe"
	added, err := s.AddOrder(s.ctx, o, 100, with(500, store.KindOrder))
	s.ok(err)
	s.equal(added, true)
	charge := func(n int, amount int64) error {
		_, err := s.AddCharge(s.ctx, store.Charge{Order: dg(500), Ref: fmt.Sprint(n), Amount: amount, Total: amount}, with(n, store.KindCharge))
		return err
	}
	s.is(charge(510, 1), store.ErrNoCredit) // not settled
	for _, want := range []bool{true, false} {
		settled, err := s.Settle(s.ctx, dg(500), with(501, store.KindSettlement))
		s.ok(err)
		s.equal(settled, want)
	}
	_, err = s.Settle(s.ctx, dg(500), with(502, store.KindSettlement))
	s.is(err, store.ErrExists)
	s.is(charge(511, 31), store.ErrNoCredit)
	s.ok(charge(512, 20))
	_, err = s.AddCharge(s.ctx, store.Charge{Order: dg(500), Ref: "512", Amount: 5, Total: 25}, with(513, store.KindCharge))
	s.is(err, store.ErrExists)
	s.balances(-100, 90, 10, 0, 0)
	_, err = s.Settle(s.ctx, dg(501), with(503, store.KindSettlement))
	s.is(err, store.ErrNotFound)
}

// moneyAtOnce: however many ask at the same time, an account is never below zero, a reference is used once, and a total is reached once.
func (s *suite) moneyAtOnce() {
	s.deposit(1, 50, "start")
	s.place(100, 20)
	var paid, charged, deposited atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			added, err := s.Post(s.ctx, store.Posting{Reference: fmt.Sprint("out", i), Kind: store.PostPayout, From: store.AccountOf(fp(1)), To: store.AccountOperator, Amount: 7})
			if err == nil && added {
				paid.Add(7)
			} else if !isError(err, store.ErrNoCredit) {
				s.Error(err)
			}
		})
		all.Go(func() {
			added, err := s.AddCharge(s.ctx, store.Charge{Order: dg(100), Ref: fmt.Sprint(i), Amount: 3, Total: 3}, with(200+i, store.KindCharge))
			if err == nil && added {
				charged.Add(3)
			} else if !isError(err, store.ErrChanged) {
				s.Error(err)
			}
		})
		all.Go(func() {
			added, err := s.Post(s.ctx, store.Posting{Reference: "once", Kind: store.PostDeposit, From: store.AccountOperator, To: store.AccountOf(fp(2)), Amount: 1})
			if err != nil {
				s.Error(err)
			} else if added {
				deposited.Add(1)
			}
		})
	}
	all.Wait()
	s.equal([]int64{paid.Load(), charged.Load(), deposited.Load()}, []int64{28, 3, 1})
	s.balances(-50+28-1, 2, 4, 17)
	st := s.reopened()
	list, err := st.Accounts(s.ctx, "", 10)
	s.ok(err)
	s.equal(len(list), 4)
}

// reopened closes the store and opens it again.
func (s *suite) reopened() store.Store {
	s.Helper()
	s.ok(s.Close())
	s.Store = s.again()
	return s.Store
}

// bounds: no more orders of one buyer are open, and no more refunds of one order made, than may be.
func (s *suite) bounds() {
	open := func(n int, most int64) error {
		o := order(n, 5)
		o.Held, o.Settlement, o.Provider = false, "", "stripe"
		_, err := s.AddOrder(s.ctx, o, most, with(n, store.KindOrder))
		return err
	}
	s.ok(open(100, 2))
	s.ok(open(101, 2))
	s.is(open(102, 2), store.ErrTooMany)
	s.ok(open(101, 2)) // there already
	_, err := s.Statement(s.ctx, dg(102))
	s.is(err, store.ErrNotFound)
	ended, err := s.EndOrder(s.ctx, store.OrderEnd{Order: dg(101), Total: -1}, store.With{AtMS: 9})
	s.ok(err)
	s.equal(ended, true)
	s.ok(open(102, 2))
	var g sync.WaitGroup
	var passed atomic.Int64
	for n := range 8 {
		g.Go(func() {
			if open(110+n, 5) == nil {
				passed.Add(1)
			}
		})
	}
	g.Wait()
	s.equal(passed.Load(), int64(3))

	o := order(200, 1000)
	o.Held, o.Settlement, o.Provider, o.Buyer = false, "", "stripe", fp(9)
	_, err = s.AddOrder(s.ctx, o, 1, with(200, store.KindOrder))
	s.ok(err)
	_, err = s.Settle(s.ctx, dg(200), with(201, store.KindSettlement))
	s.ok(err)
	_, err = s.AddCharge(s.ctx, store.Charge{Order: dg(200), Ref: "r", Amount: 1000, Total: 1000}, with(202, store.KindCharge))
	s.ok(err)
	refund := func(n int) error {
		_, err := s.AddRefund(s.ctx, store.Charge{Order: dg(200), Amount: 1, Total: int64(n)}, with(1000+n, store.KindRefund))
		return err
	}
	for n := 1; n <= wire.MaxRefunds; n++ {
		s.ok(refund(n))
	}
	s.is(refund(wire.MaxRefunds+1), store.ErrTooMany)
	s.ok(refund(wire.MaxRefunds))
}
