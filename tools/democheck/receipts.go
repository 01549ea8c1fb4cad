package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// receipts verifies every bundle with the pinned fingerprints alone.
func (c *checker) receipts(ctx context.Context, s *summary) (int, error) {
	pins, err := c.pins(s)
	if err != nil {
		return 0, err
	}
	for _, j := range s.Jobs {
		src, err := os.ReadFile(filepath.Join(c.out, j.Bundle))
		if err != nil {
			return 0, err
		}
		r, err := receipt.Verify(ctx, src, receipt.Options{Pins: pins, Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify}})
		if err != nil {
			return 0, fmt.Errorf("receipt of %s: %w", j.Name, err)
		}
		if string(r.Receipt.Job) != j.Digest || (r.Receipt.Outcome == statement.OutcomeResult) != (j.Result != "") || !r.Simulated() {
			return 0, fmt.Errorf("receipt of %s is for another job or outcome, or does not say that it is simulated", j.Name)
		}
		if err := c.narrow(r); err != nil {
			return 0, fmt.Errorf("receipt of %s: %w", j.Name, err)
		}
	}
	more, err := c.others(ctx, s, pins)
	if err != nil {
		return 0, err
	}
	c.say("%d receipts verified with pinned fingerprints alone", len(s.Jobs)+more)
	return len(s.Jobs), nil
}

// others verifies the bundles of jobs whose answers are not recomputed: what was bought.
func (c *checker) others(ctx context.Context, s *summary, pins []statement.Fingerprint) (n int, err error) {
	found, err := filepath.Glob(filepath.Join(c.out, "receipts", "*.json"))
	if err != nil {
		return 0, err
	}
	for _, path := range found {
		if slices.ContainsFunc(s.Jobs, func(j job) bool { return filepath.Base(j.Bundle) == filepath.Base(path) }) {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		r, err := receipt.Verify(ctx, src, receipt.Options{Pins: pins, Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify}})
		if err == nil && !r.Simulated() {
			err = errors.New("it does not say that it is simulated")
		}
		if err == nil {
			err = c.narrow(r)
		}
		if err != nil {
			return 0, fmt.Errorf("receipt %s: %w", filepath.Base(path), err)
		}
		n++
	}
	return n, nil
}

// narrow requires that only a dimension and the cost were ever in clear.
func (c *checker) narrow(r *receipt.Report) error {
	for _, e := range r.Receipt.Exposures {
		switch e.Column {
		case statement.FooterKey, "size", "phase", "time_of_day", "damage", "cost_total":
		default:
			return fmt.Errorf("column %s was in clear", e.Column)
		}
	}
	return nil
}

func (c *checker) pins(s *summary) ([]statement.Fingerprint, error) {
	f, err := os.Open(filepath.Join(c.out, "pins.txt"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []statement.Fingerprint
	known := map[statement.Fingerprint]bool{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		word, _, _ := strings.Cut(sc.Text(), " ")
		fp := statement.Fingerprint(word)
		if !fp.Valid() {
			return nil, fmt.Errorf("pins.txt: not a fingerprint")
		}
		out = append(out, fp)
		known[fp] = true
	}
	for _, a := range s.Airlines {
		if !known[statement.Fingerprint(a.Fingerprint)] {
			return nil, fmt.Errorf("pins.txt lacks %s", a.Name)
		}
	}
	return out, nil
}
