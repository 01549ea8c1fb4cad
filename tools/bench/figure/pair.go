package figure

import (
	"context"
	"errors"
	"fmt"
)

// ErrAnswers: the two sides of a ratio said different things.
var ErrAnswers = errors.New("the two sides gave different answers")

// Side does the work of one side once. It says how much of what is compared it took (milliseconds, unless said otherwise),
// and what the answer was; nil is no answer.
type Side func(context.Context) (amount float64, answer any, err error)

// Pair is what two sides took by turns. Only Turns makes one, so its two sides agreed in every turn.
type Pair struct {
	a, b []float64 // a[i] and b[i] were measured one right after the other
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
			p.a, p.b = append(p.a, a), append(p.b, b)
		}
	}
	return p, nil
}

func turn(ctx context.Context, plainFirst bool, ours, plain Side, same func(ours, plain any) error) (a, b float64, err error) {
	var x, y any
	do := []func() error{
		func() (err error) { a, x, err = ours(ctx); return err },
		func() (err error) { b, y, err = plain(ctx); return err },
	}
	if plainFirst {
		do[0], do[1] = do[1], do[0]
	}
	for _, f := range do {
		if err := errors.Join(ctx.Err(), f()); err != nil {
			return 0, 0, err
		}
	}
	switch {
	case x == nil || y == nil:
		return 0, 0, fmt.Errorf("%w: one side gave none", ErrAnswers)
	case !(a > 0 && b > 0):
		return 0, 0, errors.New("a side took nothing")
	}
	if err := same(x, y); err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrAnswers, err)
	}
	return a, b, nil
}

// Ours and Plain are the samples of both sides.
func (p *Pair) Ours() []float64  { return p.a }
func (p *Pair) Plain() []float64 { return p.b }

// Ratio of the medians.
func (p *Pair) Ratio() float64 { return Median(p.a) / Median(p.b) }

// byTurn are the ratios of each turn.
func (p *Pair) byTurn() []float64 {
	var out []float64
	for i := range p.a {
		out = append(out, p.a[i]/p.b[i])
	}
	return out
}
