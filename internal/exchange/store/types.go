package store

import (
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of statements in the catalog.
const (
	KindParty      = "party"
	KindOffer      = "offer"
	KindPool       = "pool"
	KindContract   = "contract"
	KindGrant      = "grant"
	KindRevocation = "revocation"
	KindCounter    = "counter"
	KindRejection  = "rejection"

	KindTemplate      = "template"
	KindAccreditation = "accreditation"
	KindOrder         = "order"
	KindInvoice       = "invoice"
	KindSettlement    = "settlement"
	KindCharge        = "charge"
	KindClosing       = "closing"
	KindRefund        = "refund"
)

// Statement as it is kept.
type Statement struct {
	Seq      int64 // set by the store
	Digest   statement.Digest
	Kind     string
	Name     string // of a party, pool or data set
	Complete bool   // has all its signatures
	Envelope []byte
	Authors  []statement.Fingerprint
	Readers  []statement.Fingerprint // who may see it; empty: every registered party
	Refs     []statement.Digest      // statements that it names
	Party    *Party                  // of a party statement: what it registers
}

// VisibleTo reports whether a registered party may see s, read with its lists.
func (s *Statement) VisibleTo(f statement.Fingerprint) bool {
	if len(s.Readers) == 0 {
		return true
	}
	for _, r := range s.Readers {
		if r == f {
			return true
		}
	}
	return false
}

// Party is a registered party.
type Party struct {
	Fingerprint statement.Fingerprint
	Name        string
	Statement   statement.Digest // the newest
	CreatedMS   int64
	Revoked     bool
}

// Query chooses statements; the zero value of a field asks for any.
type Query struct {
	Kind    string
	Author  statement.Fingerprint
	Refs    []statement.Digest // statements that name one of these
	Name    string
	Reader  statement.Fingerprint // only what this party may see
	Pending bool                  // incomplete ones; otherwise only complete ones
	After   int64
	Page    Page
}

// Page bounds an answer: number of items and sum of their bytes. One item is
// always given, whatever its size.
type Page struct {
	Items int
	Bytes int
}

// Delivery is an item for a mailbox.
type Delivery struct {
	To statement.Fingerprint
	Item
}

// Item of a mailbox. Seq is set by the store and never used twice.
type Item struct {
	Seq     int64
	Job     statement.Digest // "" for none
	Attempt int64
	Kind    string
	From    statement.Fingerprint
	Body    []byte
}

// Role of a party in a job.
type Role int64

// Roles can be combined.
const (
	Owner Role = 1 << iota
	Requester
	Recipient
	Operator // could host it
)

// Brokers are the roles that answer an enclave.
const Brokers = Owner | Requester

// Concerned are the roles that may see the job.
const Concerned = Owner | Requester | Recipient

// JobParty is one party of a job.
type JobParty struct {
	Party statement.Fingerprint
	Role  Role
}

// States of a job.
const (
	StateQueued = wire.StateQueued
	StateLeased = wire.StateLeased
	StateDone   = wire.StateDone
	StateFailed = wire.StateFailed
)

// Job as it is kept. Parties is written with it and not read back.
type Job struct {
	Digest      statement.Digest
	Contract    statement.Digest
	Class       string
	Envelope    []byte
	Parties     []JobParty
	SubmittedMS int64
	ExpiresMS   int64

	State    string
	Version  int64
	Attempts int64
	Host     statement.Fingerprint
	Code     string
	EndedMS  int64
}

// Claim asks for a job.
type Claim struct {
	Operator statement.Fingerprint
	Classes  []string
	Lease    string
	AskedMS  int64 // since when the caller waits for a job; 0: just now
	NowMS    int64
	UntilMS  int64
}

// Holder is who says that it holds a job.
type Holder struct {
	Job   statement.Digest
	Host  statement.Fingerprint
	Lease string
	NowMS int64
}

// Ending is how a holder ends its attempt.
type Ending struct {
	State, Code string
	MaxAttempts int64         // of the job
	Artifacts   []NewArtifact // kept before; none with StateQueued
}

// NewArtifact is one that an attempt leaves.
type NewArtifact struct {
	Name string
	Body []byte
}

// Change is a job whose state changed.
type Change struct {
	Job   statement.Digest
	State string
	Code  string
}

// Stage is one step of an attempt.
type Stage struct {
	Attempt int64
	Name    string
	AtMS    int64
}

// Reply is a broker's answer to one item.
type Reply struct {
	Seq     int64
	Job     statement.Digest
	Attempt int64
	From    statement.Fingerprint
	Kind    string
	Body    []byte
	Ref     int64
}

// Artifact of a job.
type Artifact struct {
	Name  string
	Bytes int64
}

// Kinds of rows that name a job.
const (
	TraceParties   = "parties"
	TraceStages    = "stages"
	TraceReplies   = "replies"
	TraceSent      = "sent"
	TraceArtifacts = "artifacts"
)

// Trace is a job that rows of a kind name, whether or not it is there.
type Trace struct {
	Kind string
	Job  statement.Digest
}

// Queue is how many jobs wait, and how many are leased.
type Queue struct {
	Queued, Leased int64
}
