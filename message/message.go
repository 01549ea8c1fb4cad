package message

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of messages, in the order of a job's life.
const (
	KindHello   = "hello"   // enclave to brokers
	KindQuote   = "quote"   // enclave to brokers
	KindReceipt = "receipt" // enclave to brokers
	KindReply   = "reply"   // broker to enclave
	KindNotice  = "notice"  // broker to requester: a signed Refusal
)

// MaxSize of one sealed message, in bytes.
const MaxSize = 8 << 20

// ErrMalformed is returned for a message that does not decode strictly.
var ErrMalformed = errors.New("message: malformed")

// Letter is what a requester seals to each broker with its job (BodyContext). The job commits to the body alone; the rest may
// differ from broker to broker.
type Letter struct {
	Body statement.Body      `json:"body"`
	Ack  *statement.Envelope `json:"ack,omitempty"` // the newest of the reader's acknowledgements that the requester has
}

// Hello announces an enclave's session to a broker. The evidence binds session
// and job (evidence.HelloBinding), so it needs no signature.
type Hello struct {
	Job      statement.Digest   `json:"job"`
	Session  statement.Session  `json:"session"`
	Evidence statement.Evidence `json:"evidence"`
}

// Quote asks for keys. The evidence binds session, job, plan and readies
// (evidence.QuoteBinding).
type Quote struct {
	Job      statement.Digest     `json:"job"`
	Session  statement.Session    `json:"session"`
	Plan     statement.Digest     `json:"plan"`
	Readies  []statement.Envelope `json:"readies"`
	Evidence statement.Evidence   `json:"evidence"`
}

// ReceiptNotice hands a broker the receipt, signed by the session, with all
// releases that it names, so that the broker can check the whole account.
type ReceiptNotice struct {
	Job      statement.Digest     `json:"job"`
	Receipt  statement.Envelope   `json:"receipt"`
	Releases []statement.Envelope `json:"releases"`
	Readies  []statement.Envelope `json:"readies"`
}

// Reply is a broker's answer, sealed to the session. Exactly the fields of its
// stage are set; every statement in it is signed by the broker's party.
type Reply struct {
	Stage   string              `json:"stage"`             // KindHello, KindQuote or KindReceipt
	Refusal *statement.Envelope `json:"refusal,omitempty"` // any stage: and then nothing else
	Ready   *statement.Envelope `json:"ready,omitempty"`   // hello, from owners
	Body    *statement.Body     `json:"body,omitempty"`    // hello, from the requester; the job commits to it
	Release *statement.Envelope `json:"release,omitempty"` // quote, from owners
	Keys    []byte              `json:"keys,omitempty"`    // quote: statement.ReleasedKeys sealed to the session; the release names its digest
	Ack     *statement.Envelope `json:"ack,omitempty"`     // receipt, from owners
}

// ResultKey is K for one recipient, sealed to it, with the account of the job
// that entitles it to K: a receipt.Bundle's bytes.
type ResultKey struct {
	Key    []byte `json:"key"`
	Bundle []byte `json:"bundle"`
}

// validated is what every message of this package can say about itself.
type validated interface{ valid() bool }

func (m Letter) valid() bool { return m.Body.Valid() }

func (m Hello) valid() bool { return m.Job.Valid() && m.Session.Valid() && m.Evidence.Valid() }

func (m Quote) valid() bool {
	return m.Job.Valid() && m.Session.Valid() && m.Plan.Valid() && len(m.Readies) > 0 && m.Evidence.Valid()
}

func (m ReceiptNotice) valid() bool {
	return m.Job.Valid() && len(m.Releases) > 0 && len(m.Readies) > 0
}

// valid requires exactly the fields of the stage (docs/spec/messages.md, section 5).
func (m Reply) valid() bool {
	hello := m.Ready != nil || m.Body != nil
	quote := m.Release != nil || len(m.Keys) > 0
	if m.Refusal != nil {
		return (m.Stage == KindHello || m.Stage == KindQuote || m.Stage == KindReceipt) && !hello && !quote && m.Ack == nil
	}
	switch m.Stage {
	case KindHello:
		return hello && !quote && m.Ack == nil && (m.Body == nil || m.Body.Valid())
	case KindQuote:
		return !hello && m.Release != nil && len(m.Keys) > 0 && m.Ack == nil
	case KindReceipt:
		return !hello && !quote && m.Ack != nil
	}
	return false
}

func (m ResultKey) valid() bool { return len(m.Key) > 0 && len(m.Bundle) > 0 }

// SealTo encodes m and seals it to a party's or session's public box.
func SealTo(public []byte, c seal.Context, m any) ([]byte, error) {
	b, err := encode(m)
	if err != nil {
		return nil, err
	}
	return seal.To(public, c, b)
}

// SealBy is SealTo on a line to the reader.
func SealBy(l *seal.Line, c seal.Context, m any) ([]byte, error) {
	b, err := encode(m)
	if err != nil {
		return nil, err
	}
	return l.Seal(c, b)
}

func encode(m any) ([]byte, error) {
	if v, ok := m.(validated); ok && !v.valid() {
		return nil, fmt.Errorf("%w: field missing or not of its stage", ErrMalformed)
	}
	b, err := statement.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: too large", ErrMalformed)
	}
	return b, nil
}

// OpenWith opens and strictly decodes a message into m, a pointer to a zero value. On error m is zero.
func OpenWith(k *seal.BoxKey, c seal.Context, sealed []byte, m any) error {
	return OpenBy(k.Open, c, sealed, m)
}

// OpenBy is OpenWith for what opens a text of that context: a box, or a line's listener.
func OpenBy(open func(seal.Context, []byte) ([]byte, error), c seal.Context, sealed []byte, m any) error {
	if len(sealed) > MaxSize+4096 {
		return fmt.Errorf("%w: too large", ErrMalformed)
	}
	b, err := open(c, sealed)
	if err != nil {
		return err
	}
	return Read(b, m)
}

// Read decodes the clear text of a message strictly and checks that exactly the
// fields it must have are there.
func Read(text []byte, m any) error {
	if err := statement.Unmarshal(text, m); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if v, ok := m.(validated); ok && !v.valid() {
		reflect.ValueOf(m).Elem().SetZero()
		return fmt.Errorf("%w: field missing or not of its stage", ErrMalformed)
	}
	return nil
}
