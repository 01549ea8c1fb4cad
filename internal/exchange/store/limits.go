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
	// Reserve has one upload or removal work on a path: ErrExists if another does, ErrTooMany if the owner's objects and reservations would
	// be more than most together. An object that counts as many bytes under the same path counts once: the upload can put no second one
	// there. A removal reserves no bytes, and is never too many. Durable: what comes of it may be.
	Reserve(ctx context.Context, r Reservation, most int64) error
	// Keep has a reservation last longer, or ErrNotFound.
	Keep(ctx context.Context, id string, untilMS int64) error
	// SettleStorage counts an object for its owner, in the place of its reservation: ErrNotFound if that is gone. With none, it counts in
	// any case.
	SettleStorage(ctx context.Context, o Object, reservation string) error
	// Forget the object of a path, with its reservation: ErrNotFound if that is gone.
	Forget(ctx context.Context, path, reservation string) error
	// Objects behind after, in the order of their paths.
	Objects(ctx context.Context, after string, items int) ([]Object, error)
	// Reservations that end before a time, behind after, in the order of their ids.
	Reservations(ctx context.Context, beforeMS int64, after string, items int) ([]Reservation, error)
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

// Reservation of a path, for one upload or removal that runs.
type Reservation struct {
	ID      string // unique, not ""
	Path    string
	Owner   statement.Fingerprint
	Bytes   int64 // that are uploaded; 0: it is removed
	UntilMS int64 // from then on it was cut off
}
