package figure

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrAnswers: the two sides of a ratio said different things.
var ErrAnswers = errors.New("the two sides gave different answers")

// Sample is one side's work, done once.
type Sample struct {
	// Amount is what is compared: milliseconds, unless the figure says otherwise. Required.
	Amount float64
	// Processor is what this process used of processors meanwhile, in milliseconds: other work on the machine changes it less
	// than it changes time. 0: not told.
	Processor float64
	// Answer of the side; nil is none. Required.
	Answer any
}

// Side does the work of one side once.
type Side func(context.Context) (Sample, error)

// Pair is what two sides took by turns. Only Turns makes one, so its two sides agreed in every turn.
type Pair struct {
	a, b         []float64 // a[i] and b[i] were measured one right after the other
	busyA, busyB []float64 // processor time of the same
}

// Turns measures ours and plain n times by turns, the first of a turn being now one, now the other, after a turn that warms
// up. Same says how two answers differ; an answer that is not there agrees with nothing.
func Turns(ctx context.Context, n int, ours, plain Side, same func(ours, plain any) error) (*Pair, error) {
	if n < 1 {
		return nil, errors.New("no turns")
	}
	p := &Pair{}
	for i := -1; i < n; i++ {
		a, b, err := turn(ctx, i%2 != 0, ours, plain, same)
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			p.a, p.b = append(p.a, a.Amount), append(p.b, b.Amount)
			p.busyA, p.busyB = append(p.busyA, a.Processor), append(p.busyB, b.Processor)
		}
	}
	return p, nil
}

func turn(ctx context.Context, plainFirst bool, ours, plain Side, same func(ours, plain any) error) (a, b Sample, err error) {
	do := []func() error{
		func() (err error) { a, err = ours(ctx); return err },
		func() (err error) { b, err = plain(ctx); return err },
	}
	if plainFirst {
		do[0], do[1] = do[1], do[0]
	}
	for _, f := range do {
		if err := errors.Join(ctx.Err(), f()); err != nil {
			return a, b, err
		}
	}
	switch {
	case a.Answer == nil || b.Answer == nil:
		return a, b, fmt.Errorf("%w: one side gave none", ErrAnswers)
	case !(a.Amount > 0 && b.Amount > 0):
		return a, b, errors.New("a side took nothing")
	}
	if err := same(a.Answer, b.Answer); err != nil {
		return a, b, fmt.Errorf("%w: %w", ErrAnswers, err)
	}
	return a, b, nil
}

// Ours and Plain are the samples of both sides.
func (p *Pair) Ours() []float64  { return p.a }
func (p *Pair) Plain() []float64 { return p.b }

// Ratio of the medians.
func (p *Pair) Ratio() float64 { return Median(p.a) / Median(p.b) }

// processors is the ratio of the least processor times; 0 where they were not told.
func (p *Pair) processors() float64 {
	a, b := slices.Min(p.busyA), slices.Min(p.busyB)
	if a == 0 || b == 0 {
		return 0
	}
	return a / b
}

// byTurn are the ratios of each turn.
func (p *Pair) byTurn() []float64 {
	var out []float64
	for i := range p.a {
		out = append(out, p.a[i]/p.b[i])
	}
	return out
}

// Measured is the pair of what was measured by turns elsewhere, and whose sides were compared there.
func Measured(ours, plain []Sample) *Pair {
	p := &Pair{}
	for i := range min(len(ours), len(plain)) {
		p.a, p.b = append(p.a, ours[i].Amount), append(p.b, plain[i].Amount)
		p.busyA, p.busyB = append(p.busyA, ours[i].Processor), append(p.busyB, plain[i].Processor)
	}
	return p
}
