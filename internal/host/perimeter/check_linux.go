package perimeter

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// probeTimeout bounds a probe: it takes milliseconds.
const probeTimeout = 10 * time.Second

// Check finds out, by running a first stage that stops short of an enclave, whether the machine offers the perimeter
// that o asks for. The Form is what Start would give.
func Check(ctx context.Context, o Options) (Form, error) {
	o, err := o.valid()
	if err != nil {
		return Form{}, err
	}
	o.Image = nil
	if err := memfdExecOffered(); err != nil {
		return Form{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	l, err := launch(ctx, o, true)
	if err != nil {
		return Form{}, err
	}
	defer l.conn.Close()
	defer l.bulk.Close()
	if s := l.proc.Wait(); !s.Clean() {
		return Form{}, fmt.Errorf("%w: %s", ErrStage, s)
	}
	return l.form, nil
}

func memfdExecOffered() error {
	f, err := execMemfd()
	if err != nil {
		return err
	}
	return f.Close()
}

// Strongest finds the strongest perimeter that this machine offers. It never starts anything in it: the caller asks
// for what it found by name, with Form.Request, so that a weaker form is always a choice that someone can see.
func Strongest(ctx context.Context) (Form, error) {
	return strongest(ctx, Options{Limits: Limits{MemoryBytes: MinMemoryBytes}})
}

func strongest(ctx context.Context, o Options) (Form, error) {
	var refused []error
	for _, swap := range []bool{false, true} {
		for _, n := range Names() {
			o.Request = Request{Name: n, AllowSwap: swap}
			f, err := Check(ctx, o)
			if err == nil {
				return f, nil
			}
			var missing *MissingError
			if !errors.As(err, &missing) {
				return Form{}, err
			}
			refused = append(refused, err)
		}
	}
	return Form{}, errors.Join(refused...)
}
