package sqlstore

import (
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// Tx is a transaction of one of the stores. Statements number their arguments ?1, ?2, …
type Tx interface {
	// Changed runs a statement, and tells how many rows there were to change.
	Changed(q string, args ...any) (int64, error)
	// One reads one row, or ErrNotFound.
	One(q string, args []any, into ...any) error
	// Held returns the number of the holder's attempt, or ErrLeaseLost. Nobody ends the attempt before the transaction does.
	Held(h store.Holder) (int64, error)
	// Due are jobs in a state whose time in a column is over. Nobody else ends them meanwhile.
	Due(state, column string, nowMS int64) ([]Attempted, error)
	// Withdraw takes the hellos and quotes of a job out of all mailboxes.
	Withdraw(job statement.Digest) error
	// PutArtifact keeps body under name, or ErrExists if other bytes are there.
	PutArtifact(job statement.Digest, name string, body []byte) error
	// AddStatement adds a statement, or returns false if it is there. Nobody else adds it before the transaction ends.
	AddStatement(st *store.Statement) (bool, error)
	// Deliver adds items to mailboxes.
	Deliver(deliver []store.Delivery) error
	// NextPosting numbers a posting. Nobody else makes one before the transaction ends. The schema moves its amount.
	NextPosting() (int64, error)
}

// Attempted is a job and how often it was begun.
type Attempted struct {
	Job      statement.Digest
	Attempts int64
}

func exec(t Tx, q string, args ...any) error {
	_, err := t.Changed(q, args...)
	return err
}
