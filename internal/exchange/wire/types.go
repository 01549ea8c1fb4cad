package wire

import (
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/internal/behind"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is the answer to GET /v1/exchange, the one call without a signature.
type Exchange struct {
	ID       string `json:"id"`       // "exchange1" and 64 hex digits: stays the same for the life of the store
	Instance string `json:"instance"` // 32 hex digits: new with every start
	TimeMS   int64  `json:"time_ms"`
}

// Posted is the answer to a posted statement or job.
type Posted struct {
	Digest statement.Digest `json:"digest"`
}

// StatementItem is one statement of a listing. Seq grows; a pool gets a new one
// when its last signature arrives.
type StatementItem struct {
	Seq      int64              `json:"seq"`
	Digest   statement.Digest   `json:"digest"`
	Envelope statement.Envelope `json:"envelope"`
}

// StatementList is one page of a listing. Next is the "after" of the next page; End says that there is none now.
type StatementList struct {
	Items []StatementItem `json:"items,omitempty"`
	Next  int64           `json:"next"`
	End   bool            `json:"end,omitempty"`
}

// Item is one entry of a mailbox. Job and Attempt are absent where the item belongs to no job.
type Item struct {
	Seq     int64                 `json:"seq"`
	Job     statement.Digest      `json:"job,omitempty"`
	Attempt int64                 `json:"attempt,omitempty"`
	Kind    string                `json:"kind"`
	From    statement.Fingerprint `json:"from"`
	Body    []byte                `json:"body"`
}

// Kinds of mailbox items.
const (
	KindJob       = "job"       // body: the job's envelope; from the requester
	KindStatement = "statement" // body: an envelope
	KindHello     = "hello"     // from the host, for its enclave
	KindQuote     = "quote"     // the same
	KindReceipt   = "receipt"   // the same
	KindNotice    = "notice"    // from a broker of the job
)

// Mailbox is one page of a mailbox. Next is the "after" of the next page.
type Mailbox struct {
	Items []Item `json:"items,omitempty"`
	Next  int64  `json:"next"`
}

// MailboxAck lets the exchange forget the caller's items up to and including Through.
type MailboxAck struct {
	Through int64 `json:"through"`
}

// Notice is a sealed word from one party of a job to another.
type Notice struct {
	Job  statement.Digest `json:"job"`
	Body []byte           `json:"body"`
}

// States of a job.
const (
	StateQueued = "queued"
	StateLeased = "leased"
	StateDone   = "done"
	StateFailed = "failed"
	StateRetry  = "retry" // in Finish only: back to the queue, this attempt is spent
)

// Codes of jobs that the exchange itself gives up.
const (
	FailedHostLost = "host-lost" // MaxAttempts hosts were lost, one after the other
	FailedExpired  = "expired"   // nobody took the job before its expires_ms
	FailedTooLarge = "too-large" // the statements of the job do not fit into one answer
)

// JobStatus is what the exchange knows of a job.
type JobStatus struct {
	Digest      statement.Digest      `json:"digest"`
	State       string                `json:"state"`
	Version     int64                 `json:"version"` // grows with every change
	Attempts    int64                 `json:"attempts"`
	Host        statement.Fingerprint `json:"host,omitempty"` // operator of the last attempt
	Code        string                `json:"failed_code,omitempty"`
	SubmittedMS int64                 `json:"submitted_ms"`
	EndedMS     int64                 `json:"ended_ms,omitempty"`
	Stages      []JobStage            `json:"stages,omitempty"`
	Artifacts   []Artifact            `json:"artifacts,omitempty"` // those that the caller may read
}

// JobStage is one step of an attempt, as its host told.
type JobStage struct {
	Attempt int64  `json:"attempt"`
	Name    string `json:"name"`
	AtMS    int64  `json:"at_ms"`
}

// Artifact is what a finished job left.
type Artifact struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// Names of artifacts; the last two go before a fingerprint.
const (
	ArtifactResult  = "result"
	ArtifactReceipt = "receipt"
	ArtifactKey     = "key-"
	ArtifactBundle  = "bundle-"
)

// ClaimRequest asks for a job of one of the classes.
type ClaimRequest struct {
	Classes []string `json:"classes"`
	WaitMS  int64    `json:"wait_ms"`
	Poll    string   `json:"poll,omitempty"` // 32 hex digits: by this name the caller can recall the question
}

// Recall ends a question for a job that is still waiting for one.
type Recall struct {
	Poll string `json:"poll"`
}

// Claim is a job under lease, with all statements that its enclave needs:
// offers, pools, the parties concerned, grants, revocations.
type Claim struct {
	Digest     statement.Digest     `json:"digest"`
	Job        statement.Envelope   `json:"job"`
	Contract   statement.Envelope   `json:"contract"`
	Lease      string               `json:"lease"`
	LeaseMS    int64                `json:"lease_ms"` // length of the lease; a heartbeat renews it
	Attempt    int64                `json:"attempt"`  // from 1
	Statements []statement.Envelope `json:"statements,omitempty"`
}

// Heartbeat renews a lease.
type Heartbeat struct {
	Lease string `json:"lease"`
}

// Outgoing is one message of an enclave to a broker.
type Outgoing struct {
	To   statement.Fingerprint `json:"to"`
	Kind string                `json:"kind"` // KindHello, KindQuote, KindReceipt
	Body []byte                `json:"body"`
}

// Messages are sent together. ID makes sending twice the same as sending once.
type Messages struct {
	Lease    string     `json:"lease"`
	ID       string     `json:"id"` // 32 hex digits
	Messages []Outgoing `json:"messages"`
}

// Answer is a broker's reply to one mailbox item. A second answer to the same item is ignored.
type Answer struct {
	Attempt int64  `json:"attempt"`
	Kind    string `json:"kind"`
	Body    []byte `json:"body"`
	Ref     int64  `json:"ref"` // Item.Seq of what it answers
}

// Reply is an Answer as the host reads it.
type Reply struct {
	Seq  int64                 `json:"seq"`
	From statement.Fingerprint `json:"from"`
	Kind string                `json:"kind"`
	Body []byte                `json:"body"`
	Ref  int64                 `json:"ref"`
}

// Await says what a poll for replies waits for.
type Await struct {
	After int64 // replies above this number
	// Want is how many would do. Once there is one, the exchange waits for others a moment only.
	Want int
	Wait time.Duration // for the first
}

// Replies is one page of replies. Next is the "after" of the next page.
type Replies struct {
	Items []Reply `json:"items,omitempty"`
	Next  int64   `json:"next"`
}

// StageReport tells the coarse step that a job is in.
type StageReport struct {
	Lease string `json:"lease"`
	Name  string `json:"name"`
}

// Finish ends an attempt. State is StateDone, StateFailed or StateRetry; Code says why it failed.
type Finish struct {
	Lease string
	State string
	Code  string
	// Artifacts that it leaves with its last word, beside those that were put before; none with StateRetry.
	Artifacts []NewArtifact
}

// NewArtifact is one that an attempt leaves.
type NewArtifact struct {
	Name string
	Body []byte
}

// FinishText is the text of a Finish. The bytes of the artifacts stand behind it.
type FinishText struct {
	Lease     string     `json:"lease"`
	State     string     `json:"state"`
	Code      string     `json:"code,omitempty"`
	Artifacts []Artifact `json:"artifacts,omitempty"`
}

// Encode is what DecodeFinish reads.
func (f *Finish) Encode() ([]byte, error) {
	text := FinishText{Lease: f.Lease, State: f.State, Code: f.Code}
	var bodies [][]byte
	for _, a := range f.Artifacts {
		text.Artifacts = append(text.Artifacts, Artifact{Name: a.Name, Bytes: int64(len(a.Body))})
		bodies = append(bodies, a.Body)
	}
	b, err := statement.Marshal(text)
	return behind.Join(b, bodies...), err
}

// ErrFinish says that a body is no Finish.
var ErrFinish = errors.New("wire: not a finish")

// DecodeFinish reads a Finish strictly: no artifact in it is empty, or there twice.
func DecodeFinish(src []byte) (*Finish, error) {
	var text FinishText
	if err := statement.Unmarshal(behind.Text(src), &text); err != nil {
		return nil, err
	}
	f := &Finish{Lease: text.Lease, State: text.State, Code: text.Code}
	var sizes []int64
	named := map[string]bool{}
	for _, a := range text.Artifacts {
		if named[a.Name] { // each costs a look at the store, of all who write
			return nil, ErrFinish
		}
		named[a.Name], sizes = true, append(sizes, a.Bytes)
	}
	bodies, ok := behind.Bodies(src, sizes)
	if !ok {
		return nil, ErrFinish
	}
	for i, b := range bodies {
		f.Artifacts = append(f.Artifacts, NewArtifact{Name: text.Artifacts[i].Name, Body: b})
	}
	return f, nil
}

// Empty is the answer of calls that only succeed.
type Empty struct{}

// Alive answers GET /healthz.
type Alive struct {
	Alive bool `json:"alive"`
}

// Ready answers GET /readyz.
type Ready struct {
	Ready    bool   `json:"ready"`
	Stopping bool   `json:"stopping,omitempty"`
	Store    string `json:"store"`
	Lake     string `json:"lake"`
}

// What Ready says of store and lake.
const (
	HealthOK   = "ok"
	HealthAway = "away"
)
