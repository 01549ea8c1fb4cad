package store

import (
	"context"

	"github.com/cordon-exchange/cordon/statement"
)

// Store keeps what the exchange must remember. Every method is one transaction:
// all of it happens, or nothing. Methods marked durable have reached the disk
// when they return; the others survive the end of the process, and a power cut
// may undo the latest of them. All may be called concurrently.
type Store interface {
	Statements
	Mailboxes
	Jobs
	Attempts
	Inspection
	Money
	LogQueue
	Limits
	// ID of the exchange: "exchange1" and 64 hex digits, made with the store.
	ID() string
	// Shared is nil for a store that one process has for itself.
	Shared() Shared
	Close() error
}

// Statements is the catalog.
type Statements interface {
	// AddStatement adds s, and deliver to mailboxes. It returns false and changes
	// nothing if a statement of this digest is there. A party statement registers
	// its party; a revocation of it ends the registration. Durable.
	AddStatement(ctx context.Context, s Statement, deliver []Delivery) (added bool, err error)
	// ReplaceEnvelope replaces the envelope of s.Digest if it is still old
	// (ErrChanged), and gives it a new seq where s is now complete. Durable.
	ReplaceEnvelope(ctx context.Context, s Statement, old []byte, deliver []Delivery) error
	// Statement returns one, with its lists, whoever may read it.
	Statement(ctx context.Context, d statement.Digest) (*Statement, error)
	// List returns statements in the order of their seq, without their lists.
	List(ctx context.Context, q Query) ([]Statement, error)
	// Revocations of any of these statements.
	Revocations(ctx context.Context, of []statement.Digest) ([]Statement, error)
	// Party that is registered under f.
	Party(ctx context.Context, f statement.Fingerprint) (*Party, error)
	// Parties registered, revoked ones left out.
	Parties(ctx context.Context) ([]statement.Fingerprint, error)
}

// Mailboxes hold what waits for a party.
type Mailboxes interface {
	// Mailbox returns the items of one party behind after, within the bounds of one page.
	Mailbox(ctx context.Context, of statement.Fingerprint, after int64, page Page) ([]Item, error)
	// AckMailbox removes a party's items up to through.
	AckMailbox(ctx context.Context, of statement.Fingerprint, through int64) error
	// AddNotice adds an item of a job, or ErrTooMany if the sender has left limit already.
	AddNotice(ctx context.Context, d Delivery, limit int) error
}

// Jobs are queued, leased, and end.
type Jobs interface {
	// AddJob queues a job, or ErrExists. Durable.
	AddJob(ctx context.Context, j Job, deliver []Delivery) error
	Job(ctx context.Context, d statement.Digest) (*Job, error)
	// JobParties are those of a job with their roles; they never change.
	JobParties(ctx context.Context, d statement.Digest) ([]JobParty, error)
	Stages(ctx context.Context, d statement.Digest) ([]Stage, error)
	// Claim leases the oldest queued job of these classes that names the operator, or ErrNotFound. A job whose lease the operator let
	// end since it asked is not for it, and if there is no other, ErrAskAnew: who asks then may be gone without a word.
	Claim(ctx context.Context, c Claim) (*Job, error)
	// Expire requeues jobs whose lease has ended, fails those whose attempts are
	// spent, and fails those that nobody took in time. It returns what it changed.
	Expire(ctx context.Context, nowMS, maxAttempts int64) ([]Change, error)
	// ExtendLeases moves the end of every lease to at least untilMS.
	ExtendLeases(ctx context.Context, untilMS int64) error
}

// Attempts are what the holder of a lease does. Each call ends with ErrLeaseLost
// where the holder does not hold the job now.
type Attempts interface {
	Renew(ctx context.Context, h Holder, untilMS int64) error
	// Send delivers messages under id once; again it changes nothing.
	Send(ctx context.Context, h Holder, id string, deliver []Delivery) error
	// AddReply adds an answer, or ErrStale. A second one to the same item changes nothing.
	AddReply(ctx context.Context, r Reply) error
	// Replies returns the answers to the holder's attempt.
	Replies(ctx context.Context, h Holder, after int64, page Page) ([]Reply, error)
	AddStage(ctx context.Context, h Holder, name string) error
	// PutArtifact keeps body, or ErrExists if other bytes are there. Durable: its holder goes on without it.
	PutArtifact(ctx context.Context, h Holder, name string, body []byte) error
	// Finish keeps the last artifacts, or ErrExists, and ends the attempt. With StateQueued the job goes
	// back to the queue, or fails with the code where all attempts are spent. The same again by the same
	// holder changes nothing. Durable, with all that the attempt wrote.
	Finish(ctx context.Context, h Holder, e Ending) (Change, error)
	// Artifacts of the attempt that ended the job; none before.
	Artifacts(ctx context.Context, d statement.Digest) ([]Artifact, error)
	Artifact(ctx context.Context, d statement.Digest, name string) ([]byte, error)
}

// Inspection shows all that is there, whoever may read it: for fsck and for figures.
type Inspection interface {
	// Registrations of parties behind after, revoked ones too, in the order of their fingerprints.
	Registrations(ctx context.Context, after statement.Fingerprint, items int) ([]Party, error)
	// AllJobs behind after, in the order of their digests, without their parties.
	AllJobs(ctx context.Context, after statement.Digest, items int) ([]Job, error)
	// Boxes are the owners of mailboxes that hold something.
	Boxes(ctx context.Context) ([]statement.Fingerprint, error)
	// Traces are the jobs that other rows name: each kind of row and job once.
	Traces(ctx context.Context) ([]Trace, error)
	// Queue counts the jobs that wait, and those that are leased.
	Queue(ctx context.Context) (Queue, error)
	// Integrity has the engine check its own structure, and returns a line for each fault.
	Integrity(ctx context.Context) ([]string, error)
}
