package store

import (
	"context"

	"github.com/cordon-exchange/cordon/statement"
)

// LogQueue is what the transparency log needs of the store. What is accepted puts its entry here in its own transaction, without a
// place; Sequence gives places, in order. The store is where the log is: trees are built from it, and can be built again.
type LogQueue interface {
	// LogKey is the log's signing key: fresh, where there was none. All processes over one store have one. Durable.
	LogKey(ctx context.Context, fresh string) (string, error)
	// AddCommitment queues a party's own commitment, once, of the kind that the party says. ErrTooMany if most of its commitments wait for a place. Durable.
	AddCommitment(ctx context.Context, owner statement.Fingerprint, kind string, commitment []byte, most int) error
	// Sequence gives the next places to at most limit entries, in the order in which they came, all with one time: nowMS, or that of
	// the last place where it is later. It returns the first place and how many. One caller at a time, of all processes. Durable.
	Sequence(ctx context.Context, nowMS int64, limit int) (from int64, n int, err error)
	// LogEntries are those with a place, from one on, in order.
	LogEntries(ctx context.Context, from int64, limit int) ([]LogEntry, error)
	// LogLeaves are what the tree has of them.
	LogLeaves(ctx context.Context, from int64, limit int) ([]LogLeaf, error)
	// LogEntriesAbout are those of a statement, job or receipt, the first one first.
	LogEntriesAbout(ctx context.Context, d statement.Digest) ([]LogEntry, error)
	// LogEntriesBy are a party's own commitments of a kind that have a place, the newest first.
	LogEntriesBy(ctx context.Context, owner statement.Fingerprint, kind string, limit int) ([]LogEntry, error)
	// LogEntryOwn is a party's own commitment, with a place or without, or ErrNotFound.
	LogEntryOwn(ctx context.Context, owner statement.Fingerprint, commitment []byte) (*LogEntry, error)
	// Unlogged are statements, jobs and receipts of ended jobs (with their Job alone) that have no entry: of a store from before the log.
	Unlogged(ctx context.Context, limit int) ([]LogEntry, error)
	// AddUnlogged queues what Unlogged gave. Durable.
	AddUnlogged(ctx context.Context, list []LogEntry) error
	// LogCounts tells how many entries have a place, and how many wait.
	LogCounts(ctx context.Context) (placed, waiting int64, err error)
	// Publish keeps a checkpoint if it is larger than all that are kept. Others than rounds are forgotten with the next. Of rounds, a
	// number is kept, with their cosignatures. Durable.
	Publish(ctx context.Context, c Checkpoint) error
	// Published is the largest checkpoint, or ErrNotFound.
	Published(ctx context.Context) (*Checkpoint, error)
	// Rounds are the newest checkpoints that witnesses are asked to cosign, the newest first.
	Rounds(ctx context.Context, limit int) ([]Checkpoint, error)
	// AddCosignature keeps one of each party and round. ErrNotFound if the round is not kept. Durable.
	AddCosignature(ctx context.Context, c Cosignature) error
	// Cosignatures of a round, in the order of their parties.
	Cosignatures(ctx context.Context, size int64) ([]Cosignature, error)
}

// LogEntry of the log. Index is -1 until it has a place.
type LogEntry struct {
	ID         int64
	Kind       string                // of translog
	About      statement.Digest      // "" for a party's own
	Job        statement.Digest      // whose parties may see it, of a receipt
	Owner      statement.Fingerprint // of a party's own
	Salt       []byte
	Commitment []byte
	Index      int64
	TimeMS     int64
}

// LogLeaf is what the tree has of an entry.
type LogLeaf struct {
	Index      int64
	TimeMS     int64
	Commitment []byte
}

// Checkpoint that the log signed.
type Checkpoint struct {
	Size  int64
	Note  []byte
	AtMS  int64
	Round bool // witnesses are asked to cosign it
}

// KeptRounds is how many rounds are kept.
const KeptRounds = 256

// Cosignature of a party.
type Cosignature struct {
	Size        int64
	Party       statement.Fingerprint
	Line        string
	Key         string
	Certificate []byte // envelope; nil where the key is the party's root
}
