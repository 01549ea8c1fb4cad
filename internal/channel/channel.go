package channel

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/internal/behind"
	"github.com/cordon-exchange/cordon/statement"
)

// Paths of the channel. Objects and artifacts are named behind theirs.
const (
	PathJob       = "/v1/job"        // GET: a Job
	PathEvidence  = "/v1/evidence"   // POST: a Report; answers statement.Evidence
	PathMessages  = "/v1/messages"   // POST: Messages
	PathReplies   = "/v1/replies"    // GET ?after=SEQ&wait_ms=MS&want=N: Replies
	PathRanges    = "/v1/ranges"     // POST: Ranges; answers their bytes, one range behind the other
	PathArtifacts = "/v1/artifacts/" // PUT: bytes for parties to fetch
	PathStage     = "/v1/stage"      // POST: a Stage
	PathFinish    = "/v1/finish"     // POST: a Finish
)

// ErrMalformed is returned for bytes that are not what the channel carries at that place.
var ErrMalformed = errors.New("channel: malformed")

// Job is what a host hands to the enclave that it started. The enclave believes none of it before it has checked the
// signatures against what the contract pins.
type Job struct {
	Job        statement.Envelope   `json:"job"`
	Contract   statement.Envelope   `json:"contract"`
	Statements []statement.Envelope `json:"statements"` // offers, pools, parties, grants and revocations, in any order
	Limits     Limits               `json:"limits"`
}

// Limits of the job's resource class, as the perimeter enforces them.
type Limits struct {
	MemoryBytes int64 `json:"memory_bytes"`
	Threads     int64 `json:"threads"`
	ReplyMS     int64 `json:"reply_ms"` // how long to wait for the brokers' answers of one round
	RunMS       int64 `json:"run_ms"`   // how long data may be open
}

// DecodeJob reads a job strictly. It checks no signature.
func DecodeJob(src []byte) (*Job, error) {
	var j Job
	if err := decode(src, MaxJob, &j); err != nil {
		return nil, err
	}
	if len(j.Statements) > MaxStatements || !j.Limits.valid() {
		return nil, ErrMalformed
	}
	return &j, nil
}

func (l Limits) valid() bool {
	return within(l.MemoryBytes, 1<<50) && within(l.Threads, 1024) && within(l.ReplyMS, MaxMS) && within(l.RunMS, MaxMS)
}

// within reports whether n is a limit at all: no limit is none.
func within(n, most int64) bool {
	return n > 0 && n <= most
}

// Report asks for evidence over 64 bytes. An enclave that has a machine to vouch for it hands over what its machine said, which the
// host can only wrap; for one that has none, the host vouches.
type Report struct {
	Data         string   `json:"report_data"` // 128 hex digits
	Quote        []byte   `json:"quote,omitempty"`
	Endorsements [][]byte `json:"endorsements,omitempty"`
}

// Attest is a Report, decoded.
type Attest struct {
	Data   evidence.ReportData
	Quoted hosted.Quoted // empty where the host vouches
}

// NewReport asks for evidence.
func NewReport(a Attest) Report {
	return Report{Data: hex.EncodeToString(a.Data[:]), Quote: a.Quoted.Quote, Endorsements: a.Quoted.Endorsements}
}

// DecodeReport reads what NewReport made.
func DecodeReport(src []byte) (*Attest, error) {
	var r Report
	if err := decode(src, MaxReport, &r); err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(r.Data)
	if err != nil || len(b) != evidence.ReportDataSize || hex.EncodeToString(b) != r.Data {
		return nil, ErrMalformed
	}
	if len(r.Quote) > hosted.MaxQuote || len(r.Endorsements) > MaxEndorsements || len(r.Quote) == 0 && len(r.Endorsements) > 0 {
		return nil, ErrMalformed
	}
	for _, e := range r.Endorsements {
		if len(e) == 0 {
			return nil, ErrMalformed
		}
	}
	return &Attest{Data: evidence.ReportData(b), Quoted: hosted.Quoted{Quote: r.Quote, Endorsements: r.Endorsements}}, nil
}

// DecodeEvidence reads evidence strictly. Whether it is genuine, package evidence says.
func DecodeEvidence(src []byte) (*statement.Evidence, error) {
	var e statement.Evidence
	if err := decode(src, MaxEvidence, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// Message is a sealed message to a broker.
type Message struct {
	To   statement.Fingerprint `json:"to"`
	Kind string                `json:"kind"` // message.KindHello, KindQuote or KindReceipt
	Body []byte                `json:"body"`
}

// Messages are sent together: those of one round, as many as fit.
type Messages struct {
	Items []Message `json:"items"`
}

// DecodeMessages reads messages strictly.
func DecodeMessages(src []byte) (*Messages, error) {
	var m Messages
	if err := decode(src, MaxMessages, &m); err != nil {
		return nil, err
	}
	if len(m.Items) == 0 || len(m.Items) > MaxParties {
		return nil, ErrMalformed
	}
	for _, i := range m.Items {
		if !i.To.Valid() || !ValidName(i.Kind) || len(i.Body) == 0 || len(i.Body) > MaxBody {
			return nil, ErrMalformed
		}
	}
	return &m, nil
}

// Reply is a sealed answer. Seq orders what one enclave is given; From is what the exchange says.
type Reply struct {
	Seq  int64                 `json:"seq"`
	From statement.Fingerprint `json:"from"`
	Body []byte                `json:"body"`
}

// Await says what a poll for replies waits for.
type Await struct {
	After int64 // replies above this number
	// Want is how many would do. Once there is one, others are waited for a moment only.
	Want int
	Wait time.Duration // for the first
}

// Replies is one answer to a poll: possibly none.
type Replies struct {
	Items []Reply `json:"items"`
}

// DecodeReplies reads an answer strictly. after is the last number seen: lower ones are refused, so a host cannot make an
// enclave go round in circles.
func DecodeReplies(src []byte, after int64) (*Replies, error) {
	var r Replies
	if err := decode(src, MaxMessages, &r); err != nil {
		return nil, err
	}
	if len(r.Items) > MaxItems {
		return nil, ErrMalformed
	}
	for _, i := range r.Items {
		if i.Seq <= after || i.Seq >= 1<<53 || !i.From.Valid() || len(i.Body) == 0 || len(i.Body) > MaxBody {
			return nil, ErrMalformed
		}
		after = i.Seq
	}
	return &r, nil
}

// Range is a part of an object of the lake.
type Range struct {
	Object string `json:"object"`
	Off    int64  `json:"off"`
	Bytes  int64  `json:"bytes"`
}

// Ranges are asked for together, and come in this order.
type Ranges struct {
	Items []Range `json:"items"`
}

// DecodeRanges reads ranges strictly.
func DecodeRanges(src []byte) (*Ranges, error) {
	var r Ranges
	if err := decode(src, MaxAsked, &r); err != nil {
		return nil, err
	}
	if len(r.Items) == 0 || len(r.Items) > MaxRanges {
		return nil, ErrMalformed
	}
	room := int64(MaxRange)
	for _, i := range r.Items {
		if !statement.ValidObject(i.Object) || i.Off < 0 || i.Off >= 1<<53 || i.Bytes < 1 || i.Bytes > room {
			return nil, ErrMalformed
		}
		room -= i.Bytes
	}
	return &r, nil
}

// Stage tells the host, and through it the parties, how far the job is. The names are fixed words.
type Stage struct {
	Name string `json:"name"`
}

// Finish is the enclave's last word.
type Finish struct {
	State string // Done or Failed
	Code  string // of a failure: coarse, from policy and protocol alone, never from data
	// Artifacts that leave with Done, beside those that were put before: as many as fit.
	Artifacts []Artifact
}

// Artifact is bytes for parties to fetch.
type Artifact struct {
	Name string
	Body []byte
}

// finish is the text of a Finish. The bytes of the artifacts stand behind it.
type finish struct {
	State     string     `json:"state"`
	Code      string     `json:"code,omitempty"`
	Artifacts []artifact `json:"artifacts,omitempty"`
}

type artifact struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// Encode is what DecodeFinish reads.
func (f Finish) Encode() ([]byte, error) {
	text := finish{State: f.State, Code: f.Code}
	var bodies [][]byte
	for _, a := range f.Artifacts {
		text.Artifacts = append(text.Artifacts, artifact{Name: a.Name, Bytes: int64(len(a.Body))})
		bodies = append(bodies, a.Body)
	}
	b, err := statement.Marshal(text)
	return behind.Join(b, bodies...), err
}

// States of Finish.
const (
	Done   = "done"
	Failed = "failed"
)

// DecodeStage reads a stage strictly.
func DecodeStage(src []byte) (*Stage, error) {
	var s Stage
	if err := decode(src, MaxSmall, &s); err != nil {
		return nil, err
	}
	if !ValidName(s.Name) {
		return nil, ErrMalformed
	}
	return &s, nil
}

// DecodeFinish reads a finish strictly.
func DecodeFinish(src []byte) (*Finish, error) {
	var text finish
	if err := decode(behind.Text(src), MaxFinish, &text); err != nil {
		return nil, err
	}
	f := &Finish{State: text.State, Code: text.Code}
	done, failed := f.State == Done && f.Code == "", f.State == Failed && ValidCode(f.Code) && len(text.Artifacts) == 0
	if !done && !failed || len(text.Artifacts) > MaxArtifacts {
		return nil, ErrMalformed
	}
	names := map[string]bool{}
	var sizes []int64
	for _, a := range text.Artifacts {
		if !ValidArtifact(a.Name) || names[a.Name] {
			return nil, ErrMalformed
		}
		names[a.Name], sizes = true, append(sizes, a.Bytes)
	}
	bodies, ok := behind.Bodies(src, sizes)
	if !ok {
		return nil, ErrMalformed
	}
	for i, b := range bodies {
		f.Artifacts = append(f.Artifacts, Artifact{Name: text.Artifacts[i].Name, Body: b})
	}
	return f, nil
}

// Problem is the body of every answer that is not a success.
type Problem struct {
	Code string `json:"code"`
}

// DecodeProblem reads a problem strictly.
func DecodeProblem(src []byte) (*Problem, error) {
	var p Problem
	if err := decode(src, MaxSmall, &p); err != nil {
		return nil, err
	}
	if !ValidCode(p.Code) {
		return nil, ErrMalformed
	}
	return &p, nil
}

// Artifact names. Behind the two prefixes stands the fingerprint of who can open it.
const (
	ArtifactResult = "result"  // the table, encrypted under K
	ArtifactKey    = "key-"    // message.ResultKey, sealed to a recipient
	ArtifactBundle = "bundle-" // receipt.Bundle, sealed to a party of the job that is no recipient
)

// ValidArtifact reports whether name is one of a job's artifacts.
func ValidArtifact(name string) bool {
	if name == ArtifactResult {
		return true
	}
	for _, prefix := range []string{ArtifactKey, ArtifactBundle} {
		if fp, ok := strings.CutPrefix(name, prefix); ok {
			return statement.Fingerprint(fp).Valid()
		}
	}
	return false
}

// ValidName reports whether s can name a stage or a kind of message: short and plain, so that it can stand in a log.
func ValidName(s string) bool { return plain(s, "-") }

// ValidCode is ValidName for codes, in which a colon sets off the name of a party.
func ValidCode(s string) bool { return plain(s, "-:_") }

func plain(s, others string) bool {
	if s == "" || len(s) > MaxText || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return true
}

func decode(src []byte, limit int, v any) error {
	if err := statement.UnmarshalUpTo(src, limit, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
