package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const seller = "american_airlines"

// soldPolicy is for one owner's data alone, which whoever buys may ask.
const soldPolicy = `policy: 1
dataset: sizes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [safety-benchmarking]
analysts: [any]
operators: [%s]
evidence: {accept: [%s], builds: ["%s"], perimeters: [%s]}
valid: {from: 2020-01-01, until: 2999-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

const bySoldSize = "SELECT size, count(*) AS strikes FROM " + seller + ".sizes GROUP BY size ORDER BY size"

// credits of one party, and an order, as commands print them.
type creditsOf struct{ Balance, Held int64 }

type orderOf struct {
	Order, State, Reason string
	Charged              int64
}

// buy sells one airline's data to an analyst: paid, charged by the query, revoked at once, and what is left comes back.
func (d *demo) buy(ctx context.Context) error {
	began := time.Now()
	if err := d.offerForSale(ctx); err != nil {
		return err
	}
	if err := d.cordonJSON(ctx, &json.RawMessage{}, "exchange", "credit", "deposit", "--home", filepath.Join(d.out, "exchange"), "--party", d.outsider.fingerprint,
		"--amount", "50", "--reference", "bank-1"); err != nil {
		return err
	}
	who := d.outsider // a contract of its own
	if err := d.propose(ctx, &who, 0, seller+".sizes"); err != nil {
		return err
	}
	var placed struct{ Orders []orderOf }
	if err := d.cordonJSON(ctx, &placed, "order", "place", who.contract, "--home", d.home(outsiderName), "--most", "20", "--until", "1h", "--wait", patience.String()); err != nil {
		return err
	}
	order := placed.Orders[0].Order
	say("%s has 50 credits and orders for 20 of them; the exchange settles it, %s's own rule believes that and grants", outsiderName, seller)
	job, err := d.ask(ctx, "bought", &who, "size", bySoldSize)
	if err != nil {
		return err
	}
	d.jobs = d.jobs[:len(d.jobs)-1] // the checker computes those over the pools
	if err := os.Rename(filepath.Join(d.out, "results", "bought.json"), filepath.Join(d.out, "bought.json")); err != nil {
		return err
	}
	if err := d.credited(ctx, 30, 17, 3); err != nil {
		return err
	}
	say("one query, 3 credits, charged with the release of its keys: job %s", short(job.Digest))
	if _, err := d.cordon(ctx, "contract", "revoke", who.contract, "--home", d.home(seller), "--reason", "no longer"); err != nil {
		return err
	}
	_, err = d.cordon(ctx, "query", "run", bySoldSize, "--home", d.home(outsiderName), "--contract", who.contract, "--wait", patience.String())
	var refused *failure
	if !errors.As(err, &refused) || !strings.Contains(refused.stderr, "revoked") && !strings.Contains(refused.stderr, "grant") {
		return fmt.Errorf("a query under a revoked grant: %w", err)
	}
	if err := d.credited(ctx, 47, 0, 3); err != nil {
		return err
	}
	for _, party := range []string{outsiderName, seller} {
		var r struct {
			Equal             bool
			Charged, Returned int64
		}
		if err := d.cordonJSON(ctx, &r, "reconcile", "--home", d.home(party)); err != nil {
			return err
		}
		if !r.Equal || r.Charged != 3 || r.Returned != 17 {
			return fmt.Errorf("%s reconciles %+v", party, r)
		}
	}
	say("revoked: the next query got no key, 17 credits came back; order %s", short(order))
	say("1 purchase and 1 revocation in %s: of 20 credits 3 charged, 17 returned, by orders, charges, ledger, postings and receipt alike", time.Since(began).Round(time.Millisecond))
	return nil
}

// offerForSale publishes what is sold, and says whose settlements count.
func (d *demo) offerForSale(ctx context.Context) error {
	policy, terms := filepath.Join(d.out, "policies", "sizes.yaml"), filepath.Join(d.out, "policies", "terms.yaml")
	if err := os.WriteFile(policy, fmt.Appendf(nil, soldPolicy, d.operator, d.kind, d.build, d.form), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(terms, []byte("terms: 1\naccess: purchase\nprice: {per_query: 3}\n"), 0o600); err != nil {
		return err
	}
	args := []string{"dataset", "publish", d.airline(seller).csvPath(filepath.Join(d.out, "premises")), "--home", d.home(seller), "--name", "sizes",
		"--policy", policy, "--terms", terms, "--row-id", "report_id", "--schema", "phase:varchar!,size:varchar!,time_of_day:varchar!,cost_total:int64!"}
	for _, c := range columns {
		args = append(args, "--column", c)
	}
	if err := d.cordonJSON(ctx, &json.RawMessage{}, args...); err != nil {
		return err
	}
	return d.cordonJSON(ctx, &json.RawMessage{}, "order", "rule", "--home", d.home(seller), "--settler", d.settler, "--max-unsettled", "100")
}

// credited waits until buyer and seller have what they should.
func (d *demo) credited(ctx context.Context, balance, held, sold int64) error {
	var b, s creditsOf
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := d.cordonJSON(ctx, &b, "credits", "show", "--home", d.home(outsiderName)); err != nil {
			return err
		}
		if err := d.cordonJSON(ctx, &s, "credits", "show", "--home", d.home(seller)); err != nil {
			return err
		}
		if b.Balance == balance && b.Held == held && s.Balance == sold {
			return nil
		}
	}
	return fmt.Errorf("the buyer has %+v, the seller %+v", b, s)
}
