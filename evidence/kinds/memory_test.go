package kinds_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/evidencetest"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

func withVendors() []string {
	return []string{evidence.SGX, evidence.TDX, evidence.SNP, evidence.AzureSNP, evidence.AzureTDX}
}

// machine verifies a bare quote with a memory, and without: both must say the same.
func (w *world) machine(kind string, m *remembered.Memory, q hosted.Quoted, at time.Time) (*hosted.Machine, error) {
	w.t.Helper()
	o := w.o
	cold, want := o.Machine(kind)(context.Background(), q.Quote, q.Endorsements, at)
	o.Memory = m
	got, err := o.Machine(kind)(context.Background(), q.Quote, q.Endorsements, at)
	if fmt.Sprint(err) != fmt.Sprint(want) || cold != nil && fmt.Sprint(*got) != fmt.Sprint(*cold) {
		w.t.Errorf("%s: out of memory %v, else %v", kind, err, want)
	}
	return got, err
}

// A list that came out since refuses, whatever was remembered before it came; so does one that is held beside what came and is remembered.
func TestNewerListRevokes(t *testing.T) {
	for _, kind := range withVendors() {
		t.Run(kind, func(t *testing.T) {
			w, m := newWorld(t), remembered.New()
			good, revoked := w.m.Quote(t, kind, enclave{}, data), w.m.Quote(t, kind, enclave{Revoked: true}, data)
			for range 2 {
				if _, err := w.machine(kind, m, good, at); err != nil {
					t.Fatal(err)
				}
				if _, err := w.machine(kind, m, revoked, at); !errors.Is(err, stage.Revoked) {
					t.Errorf("with a newer list: %v", err)
				}
			}
			w.o.Held = func(string, []byte) ([][]byte, error) { return revoked.Endorsements, nil }
			if _, err := w.machine(kind, m, good, at); !errors.Is(err, stage.Revoked) {
				t.Errorf("a newer list is held: %v", err)
			}
		})
	}
}

// What is remembered holds no longer than the first of its parts, by the time of each use.
func TestRememberedEnds(t *testing.T) {
	for _, kind := range withVendors() {
		t.Run(kind, func(t *testing.T) {
			w, m := newWorld(t), remembered.New()
			q := w.m.Quote(t, kind, enclave{}, data)
			for _, days := range []int{0, -9, -11, -40, 19, 21, 0, 360, 370} { // lists hold from -10 to 20, certificates from -31 to 365
				_, err := w.machine(kind, m, q, at.AddDate(0, 0, days))
				if (err == nil) != (days > -10 && days < 20) {
					t.Errorf("after %d days: %v", days, err)
				}
				if (days == 21 || days == -11) && !errors.Is(err, stage.StaleCollateral) {
					t.Errorf("after %d days: %v, want stale", days, err)
				}
			}
		})
	}
}

// Every byte of what was remembered counts still, and every byte of a quote: it is no part of what is remembered.
func TestChangedBytesAreNotRemembered(t *testing.T) {
	for _, kind := range withVendors() {
		t.Run(kind, func(t *testing.T) {
			w, m := newWorld(t), remembered.New()
			q := w.m.Quote(t, kind, enclave{}, data)
			if _, err := w.machine(kind, m, q, at); err != nil {
				t.Fatal(err)
			}
			for i := range q.Endorsements {
				for k := 0; k < len(q.Endorsements[i]); k += 1 + len(q.Endorsements[i])/40 {
					changed := hosted.Quoted{Quote: q.Quote, Endorsements: append([][]byte{}, q.Endorsements...)}
					changed.Endorsements[i] = evidencetest.Flipped(q.Endorsements[i], k)
					if _, err := w.machine(kind, m, changed, at); err == nil {
						t.Errorf("byte %d of endorsement %d does not count", k, i)
					}
				}
			}
			for k := 0; k < len(q.Quote); k += 1 + len(q.Quote)/60 {
				_, _ = w.machine(kind, m, hosted.Quoted{Quote: evidencetest.Flipped(q.Quote, k), Endorsements: q.Endorsements}, at)
			}
		})
	}
}

// What was remembered under one party's roots says nothing under another's. (The machines of AMD's kinds all have one root.)
func TestRememberedUnderOtherRoots(t *testing.T) {
	for _, kind := range []string{evidence.SGX, evidence.TDX, evidence.AzureTDX} {
		w, other, m := newWorld(t), newWorld(t), remembered.New()
		q := w.m.Quote(t, kind, enclave{}, data)
		if _, err := w.machine(kind, m, q, at); err != nil {
			t.Fatal(err)
		}
		if _, err := other.machine(kind, m, q, at); !errors.Is(err, stage.Chain) && !errors.Is(err, stage.NoCRL) {
			t.Errorf("%s under other roots: %v", kind, err)
		}
	}
}
