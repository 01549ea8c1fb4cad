package store

import (
	"context"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

// Shared is what the exchange processes over one store tell each other through
// it. All may be called concurrently.
type Shared interface {
	// Now is the store's clock, which all processes go by, whatever their own says.
	Now() time.Time
	// Attend says that an exchange is there, and returns the instance that requests are signed for.
	Attend(ctx context.Context, a Attendance) (instance string, err error)
	// Spend uses a request's nonce: Fresh to exactly one of all who ever say so.
	Spend(ctx context.Context, n Nonce) (Spent, error)
	// Notify tells the other processes of topics, soon. It does not wait, and what it says may get lost.
	Notify(topics ...string)
	// Listen calls heard with what other processes notify, and without topics when some may have been missed. It returns when ctx has ended.
	Listen(ctx context.Context, heard func(topics []string))
}

// Attendance of an exchange process.
type Attendance struct {
	Gap   time.Duration // without any exchange, after which holders could not have renewed their leases
	Lease time.Duration // that they get then
}

// Nonce of a signed request.
type Nonce struct {
	Instance string // that it was signed for
	Key      statement.PublicKey
	Nonce    string // 32 hex digits
	TimeMS   int64  // when it says that it was signed
	MaxSkew  time.Duration
}

// Spent tells whether a nonce was used before.
type Spent int

// The zero value is no answer.
const (
	Fresh Spent = iota + 1
	Replayed
	WrongInstance // the store has another now
	Skewed        // signed too far from the store's clock
)
