package freeze

import (
	"context"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
)

// Set stops all releases for a reason, or, with none, lets them go on.
//
// The mark comes before the entry that stops, and behind the entry that lets go on: brokers look at the mark in the order of the
// ledger's entries, so no release stands behind a freeze. If the entry can't be written, releases are stopped all the same.
func Set(ctx context.Context, dir home.Dir, l *ledger.Ledger, reason string, now time.Time) (time.Time, error) {
	e := ledger.Entry{Kind: ledger.KindThaw, AtMS: now.UnixMilli()}
	if reason != "" {
		e.Kind, e.Reason = ledger.KindFreeze, reason
		if err := dir.SetFreeze(reason, now); err != nil {
			return now, err
		}
	}
	if _, err := l.Append(ctx, e, nil); err != nil || reason != "" {
		return now, err
	}
	return now, dir.SetFreeze("", now)
}

// Offline is Set for a party whose agent does not run: it keeps one from starting meanwhile. Where the home is taken all the same, by
// an agent that does not answer, the mark is written alone, and recorded is false.
func Offline(ctx context.Context, dir home.Dir, reason string, now time.Time) (recorded bool, err error) {
	if reason != "" { // at once, whatever comes then
		if err := dir.SetFreeze(reason, now); err != nil {
			return false, err
		}
	}
	unlock, err := dir.Lock()
	if err != nil {
		if reason != "" {
			return false, nil
		}
		return false, err
	}
	defer unlock()
	c, err := dir.Config()
	if err != nil {
		return false, err
	}
	l, err := ledger.Open(dir.Ledger(), c.Fingerprint, func() time.Time { return now })
	if err != nil {
		return false, err
	}
	_, err = Set(ctx, dir, l, reason, now)
	if cerr := l.Close(); err == nil {
		err = cerr
	}
	return err == nil, err
}
