package vectors

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
)

//go:embed *.json
var files embed.FS

// load reads one embedded file, which the package's test keeps readable.
func load[T any](name string) T {
	src, err := files.ReadFile(name)
	if err != nil {
		panic("vectors: " + err.Error())
	}
	var v T
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		panic("vectors: " + name + ": " + err.Error())
	}
	return v
}

// Change says how a failure differs from a success: Cut bytes at offset At are
// replaced by Put, or by PutHex where they are not text.
type Change struct {
	At     int    `json:"at"`
	Cut    int    `json:"cut,omitempty"`
	Put    string `json:"put,omitempty"`
	PutHex string `json:"put_hex,omitempty"`
}

// Apply returns src with the change.
func (c Change) Apply(src []byte) []byte {
	put := []byte(c.Put)
	if c.PutHex != "" {
		b, err := hex.DecodeString(c.PutHex)
		if err != nil {
			panic("vectors: " + err.Error())
		}
		put = b
	}
	out := append([]byte{}, src[:c.At]...)
	out = append(out, put...)
	return append(out, src[c.At+c.Cut:]...)
}

// Statement must be accepted.
type Statement struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // "party", "offer", …
	Payload  string   `json:"payload"`
	Digest   string   `json:"digest"`
	Signers  []string `json:"signers"`
	Envelope string   `json:"envelope"`
}

// Refusal must not be accepted: a change of the success named Of.
type Refusal struct {
	Name   string `json:"name"`
	Of     string `json:"of"`
	Change Change `json:"change"`
	Error  string `json:"error"`           // "not strict", "type", "invalid", "envelope", "certificate", "signature"
	Field  string `json:"field,omitempty"` // what is invalid
}

// Accepted and refused inputs of one kind.
type Accepted[S any] struct {
	Comment string    `json:"comment"`
	Success []S       `json:"success"`
	Failure []Refusal `json:"failure"`
}

// Statements of every type; failures are changes of payloads.
func Statements() Accepted[Statement] { return load[Accepted[Statement]]("statements.json") }

// Envelope must be accepted as signed by Signers.
type Envelope struct {
	Name     string   `json:"name"`
	Envelope string   `json:"envelope"`
	PAE      string   `json:"pae"` // what is signed
	Signers  []string `json:"signers"`
}

// Envelopes are changes of encoded envelopes.
func Envelopes() Accepted[Envelope] { return load[Accepted[Envelope]]("envelopes.json") }

// Hashes are all hashes with a label.
type Hashes struct {
	Comment      string        `json:"comment"`
	Frames       []Frame       `json:"frames"`
	Fingerprints []Fingerprint `json:"fingerprints"`
	BadKeys      []Bad         `json:"bad_keys"`
	BadDigests   []Bad         `json:"bad_digests"`
	Bodies       []Body        `json:"bodies"`
	Sessions     []Session     `json:"sessions"`
	Evidence     []EvidenceSum `json:"evidence"`
	Commitments  []Commitment  `json:"key_commitments"`
	Hello        []Binding     `json:"hello_bindings"`
	Quote        []Binding     `json:"quote_bindings"`
}

// Frame of a label and parts, and its SHA-256.
type Frame struct {
	Label string   `json:"label"`
	Parts []string `json:"parts_hex"`
	Frame string   `json:"frame_hex"`
	Sum   string   `json:"labelled_sum"`
}

// Fingerprint of a public key.
type Fingerprint struct {
	Seed        string `json:"seed_hex"` // TEST KEY
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
}

// Bad is text that must be refused.
type Bad struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Body of a job, and the commitment to it.
type Body struct {
	Body       string `json:"body"`
	Commitment string `json:"commitment"`
}

// Session and its digest.
type Session struct {
	Key    string `json:"key"`
	Box    []byte `json:"box"`
	Digest string `json:"digest"`
}

// EvidenceSum is evidence and its digest.
type EvidenceSum struct {
	Evidence string `json:"evidence"`
	Digest   string `json:"digest"`
}

// KeyName is the name of a data key.
type KeyName struct {
	Owner   string `json:"owner"`
	Dataset string `json:"dataset"`
	Version string `json:"version"`
	Key     string `json:"key"`
}

// Commitment to a data key.
type Commitment struct {
	Name   KeyName `json:"name"`
	Key    string  `json:"key_hex"` // TEST KEY
	Commit string  `json:"commit"`
}

// Binding is report data of evidence.
type Binding struct {
	Job        string   `json:"job"`
	Session    string   `json:"session"`
	Plan       string   `json:"plan,omitempty"`
	Readies    []string `json:"readies,omitempty"`
	ReportData string   `json:"report_data_hex"`
}

// AllHashes returns the vectors of hashes.
func AllHashes() Hashes { return load[Hashes]("hashes.json") }

// Sealing holds sealed texts, which are random: made once, they must open.
type Sealing struct {
	Comment string    `json:"comment"`
	HPKE    []Sealed  `json:"hpke"`  // texts alone
	Lines   []Sealed  `json:"lines"` // texts of a conversation
	Wrapped []Wrapped `json:"wrapped"`
	Results []Result  `json:"results"`
}

// Sealed is an HPKE text. Where Opens is false it must not open.
type Sealed struct {
	Name      string `json:"name"`
	Opens     bool   `json:"opens"`
	Private   []byte `json:"private"` // TEST KEY
	Public    []byte `json:"public"`
	Purpose   string `json:"purpose"`
	Job       string `json:"job"`
	To        string `json:"to"`
	From      string `json:"from"`
	Info      string `json:"info_hex"`
	Plaintext string `json:"plaintext"`
	Sealed    []byte `json:"sealed"`
}

// Wrapped is a wrapped data key.
type Wrapped struct {
	Name     string  `json:"name"`
	Opens    bool    `json:"opens"`
	Wrapping string  `json:"wrapping_hex"` // TEST KEY
	Context  KeyName `json:"context"`
	Key      string  `json:"key_hex"` // TEST KEY
	Wrapped  string  `json:"wrapped_hex"`
}

// Result is an encrypted result.
type Result struct {
	Name       string `json:"name"`
	Opens      bool   `json:"opens"`
	Key        string `json:"key_hex"` // TEST KEY
	Job        string `json:"job"`
	Plaintext  string `json:"plaintext"`
	Ciphertext string `json:"ciphertext_hex"`
}

// AllSealing returns the vectors of sealed texts.
func AllSealing() Sealing { return load[Sealing]("sealing.json") }

// Evidence must verify at a time, or fail with Error.
type Evidence struct {
	Name     string `json:"name"`
	Evidence string `json:"evidence"`
	AtMS     int64  `json:"at_ms"`
	Error    string `json:"error,omitempty"` // "kind", "malformed", "signature", "clock"
}

// EvidenceFile lists evidence.
type EvidenceFile struct {
	Comment  string     `json:"comment"`
	Evidence []Evidence `json:"evidence"`
}

// AllEvidence returns the vectors of simulated evidence.
func AllEvidence() []Evidence { return load[EvidenceFile]("evidence.json").Evidence }

// Message is the clear text of a sealed message.
type Message struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Text    string `json:"text"`
	Accept  bool   `json:"accept"`
	Refused string `json:"refused,omitempty"` // why
}

// MessageFile lists messages.
type MessageFile struct {
	Comment  string    `json:"comment"`
	Messages []Message `json:"messages"`
}

// AllMessages returns the vectors of messages.
func AllMessages() []Message { return load[MessageFile]("messages.json").Messages }

// Account is a receipt bundle, which verifies with Pins, and changes of it, which do not.
type Account struct {
	Comment string          `json:"comment"`
	Pins    []string        `json:"pins"`
	Receipt string          `json:"receipt"` // digest
	Failure []AccountChange `json:"failure"`
	Missing []MissingPin    `json:"missing_pins"`
}

// AccountChange must not verify.
type AccountChange struct {
	Name   string `json:"name"`
	Change Change `json:"change"`
}

// MissingPin of a list of pins: without it the bundle must not verify.
type MissingPin struct {
	Name string `json:"name"`
	Pin  string `json:"pin"`
}

// AllAccounts returns the vector of receipts.
func AllAccounts() Account { return load[Account]("receipt.json") }

// Bundle is the receipt bundle that AllAccounts is about.
func Bundle() []byte {
	b, err := files.ReadFile("bundle.json")
	if err != nil {
		panic("vectors: " + err.Error())
	}
	return b
}
