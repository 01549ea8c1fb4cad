package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	seller = "charlie"
	paidIn = 1_000_000 // credits of the buyer, before anything is bought
)

// settler makes the key that all exchange processes settle orders with.
func (w *world) settler(ctx context.Context) error {
	var key struct{ Settler string }
	if err := w.json(ctx, &key, "exchange", "settler", "--home", w.path("settler")); err != nil {
		return err
	}
	w.settlement = key.Settler
	found, err := filepath.Glob(w.path("settler", "settlement.key"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("no key of the settler: %w", err)
	}
	w.settlementKey = found[0]
	return nil
}

// openShop has one owner sell a data set, and gives the buyer credits.
func (w *world) openShop(ctx context.Context) error {
	policy, err := os.ReadFile(w.path("premises", "strikes.yaml"))
	if err != nil {
		return err
	}
	text := strings.NewReplacer("dataset: strikes", "dataset: shop", fmt.Sprintf("price: %d\n", price), "").Replace(string(policy))
	for file, text := range map[string]string{"shop.yaml": text, "terms.yaml": fmt.Sprintf("terms: 1\naccess: purchase\nprice: {per_query: %d}\n", price)} {
		if err := os.WriteFile(w.path("premises", file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	var out json.RawMessage
	if err := w.json(ctx, &out, append(w.publishArgs(seller, "shop"), "--terms", w.path("premises", "terms.yaml"))...); err != nil {
		return err
	}
	if _, err := w.run(ctx, "order", "rule", "--home", w.home(seller), "--settler", w.settlement, "--max-unsettled", fmt.Sprint(paidIn)); err != nil {
		return err
	}
	return w.json(ctx, &out, "exchange", "credit", "deposit", "--home", w.path("exchange-1"), "--party", w.buyer, "--amount", fmt.Sprint(paidIn), "--reference", "bank-1")
}

// order as commands show it.
type order struct {
	Order, State, Reason string
	Charged, Refunded    int64
}

// buyAndAsk proposes a contract, orders it, and asks what was paid for.
func buyAndAsk(ctx context.Context, w *world, r *records, chance *rand.Rand) {
	work := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		var made struct{ Digest string }
		args := w.proposeArgs(nil)
		if err := w.json(work, &made, append(args, "--data", seller+".shop")...); err != nil {
			w.unlessAway(r, "a contract to buy was refused", err)
			continue
		}
		r.add(func() { r.agreements = append(r.agreements, &agreement{contract: made.Digest}) })
		var placed struct{ Orders []order }
		queries := 1 + chance.IntN(3)
		err := w.json(work, &placed, "order", "place", made.Digest, "--home", w.home(institute), "--most", fmt.Sprint(price*queries), "--until", "1h", "--wait", "20s")
		if err != nil || len(placed.Orders) != 1 {
			w.unlessAway(r, "an order was refused", err)
			continue
		}
		o := placed.Orders[0]
		r.add(func() { r.orders = append(r.orders, o.Order) })
		c := contract{digest: made.Digest, owners: []string{seller}, want: `"Large",20`,
			sql: "SELECT size, count(*) AS n FROM " + seller + ".shop GROUP BY size ORDER BY size"}
		for range queries {
			if ctx.Err() == nil {
				askOnce(ctx, w, r, c)
			}
		}
		if chance.IntN(2) == 0 { // what is left comes back
			if _, err := w.run(work, "contract", "revoke", c.digest, "--home", w.home(seller)); err != nil {
				w.unlessAway(r, "a revocation was refused", err)
			}
		}
	}
}

// judgeMoney: every order that was confirmed is there, no credit has come or gone, buyer and seller find the same, and what was charged is
// what the seller's ledger says. What agents still had to post when they were killed gets a moment.
func (w *world) judgeMoney(ctx context.Context, a *account, r *records) {
	a.Orders = len(r.orders)
	if len(r.orders) == 0 {
		return
	}
	var listed struct{ Orders []order }
	if err := w.json(ctx, &listed, "order", "list", "--home", w.home(institute)); err != nil {
		w.note("orders: %v", err)
	}
	there := map[string]bool{}
	for _, o := range listed.Orders {
		there[o.Order] = true
	}
	for _, o := range r.orders {
		if !there[o] {
			w.note("order %s was confirmed, and is not there", o)
		}
	}
	for deadline := time.Now().Add(w.moment); ; sleep(ctx, restartPause/4) {
		why := w.unequal(ctx, a)
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			w.note("money: %s", why)
			return
		}
	}
}

// unequal says what does not fit, or nothing.
func (w *world) unequal(ctx context.Context, a *account) string {
	var of [2]struct{ Balance, Held int64 }
	for i, name := range []string{institute, seller} {
		var r struct {
			Equal   bool
			Charged int64
			Faults  []struct{ Leg, Text string }
		}
		if err := w.json(ctx, &r, "reconcile", "--home", w.home(name)); err != nil || !r.Equal || len(r.Faults) > 0 {
			return fmt.Sprintf("%s reconciles to %+v: %v", name, r, err)
		}
		a.Sold = r.Charged
		if err := w.json(ctx, &of[i], "credits", "show", "--home", w.home(name)); err != nil {
			return err.Error()
		}
	}
	if sum := of[0].Balance + of[0].Held + of[1].Balance + of[1].Held; sum != paidIn {
		return fmt.Sprintf("%d credits were paid in, and there are %d: %+v", paidIn, sum, of)
	}
	if of[1].Balance != a.Sold {
		return fmt.Sprintf("the seller has %d credits, and charged %d", of[1].Balance, a.Sold)
	}
	return ""
}
