package store

import (
	"context"

	"github.com/cordon-exchange/cordon/statement"
)

// Limits count what parties use, for all processes over one store.
type Limits interface {
	// Count adds one to what a party did of something in a period, or ErrTooMany if that is more than most. What it did in earlier periods is
	// forgotten.
	Count(ctx context.Context, u Use) error
	// Reserve remembers that an object of so many bytes is the owner's, or ErrTooMany if all of its objects would be more than most. One that
	// is remembered with other bytes keeps them until SettleStorage.
	Reserve(ctx context.Context, o Object, most int64) error
	// SettleStorage remembers what bytes an object has.
	SettleStorage(ctx context.Context, o Object) error
	// Forget an object.
	Forget(ctx context.Context, path string) error
	// Objects behind after, in the order of their paths.
	Objects(ctx context.Context, after string, items int) ([]Object, error)
	// OpenJobs of a requester: that wait or are leased.
	OpenJobs(ctx context.Context, requester statement.Fingerprint) (int64, error)
	// Waiting is how many items of one sender wait in one of the mailboxes, in that with the most.
	Waiting(ctx context.Context, in []statement.Fingerprint, sender statement.Fingerprint) (int64, error)
}

// Use is one more of something.
type Use struct {
	Party  statement.Fingerprint
	What   string
	Period int64 // grows
	Most   int64 // 1 and up
}

// Object in the lake, as it counts for its owner.
type Object struct {
	Path  string
	Owner statement.Fingerprint
	Bytes int64
}
