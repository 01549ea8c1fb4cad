package wire

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/cordon-exchange/cordon/statement"
)

// Limits of a frame, in bytes. A request may bring a message to sign.
const (
	MaxFrame   = 64 << 10
	MaxRequest = statement.MaxPayload
)

// Sizes of Ed25519 (RFC 8032).
const (
	PublicSize    = 32
	SignatureSize = 64
)

// ErrFrame says that the other side does not speak this protocol.
var ErrFrame = errors.New("helper: malformed frame")

// What can be asked.
const (
	OpOpen    = "open"    // the token or the server: once, first
	OpList    = "list"    // ids of the store's KEKs, the one that wraps first
	OpRenew   = "renew"   // makes one
	OpDestroy = "destroy" // one that is not the newest
	OpWrap    = "wrap"    // under the newest
	OpUnwrap  = "unwrap"
	OpMakeKey = "make-key" // an Ed25519 key pair, where the label has none
	OpPublic  = "public"   // the public key of the label's one pair
	OpSign    = "sign"     // with it
)

// Token names a token: as its URI does.
type Token struct {
	Module  string `json:"module"` // path of the vendor's library
	Token   string `json:"token"`
	Serial  string `json:"serial,omitempty"`
	Object  string `json:"object"`   // label of the KEKs, or of the signing key
	PINFile string `json:"pin_file"` // read by the helper alone
}

// Request to a helper.
type Request struct {
	Op    string `json:"op"`
	Token *Token `json:"token,omitempty"` // open: a token
	URL   string `json:"url,omitempty"`   // open: a server
	ID    []byte `json:"id,omitempty"`
	AAD   []byte `json:"aad,omitempty"`
	Data  []byte `json:"data,omitempty"` // wrap: 32 bytes; unwrap: what stands behind the id; sign: the message
}

// Codes of failures: stable.
const (
	CodeMissing   = "missing"    // no KEK of that id
	CodeRefused   = "refused"    // does not authenticate
	CodeModule    = "module"     // the library does not load
	CodeAway      = "away"       // no such token, or several; the server does not answer
	CodePINFile   = "pin-file"   // can't be read, or others can read it
	CodePIN       = "pin"        // wrong
	CodeLocked    = "pin-locked" // too many wrong ones
	CodeDenied    = "denied"     // the server refuses the credentials
	CodeWeak      = "weak-key"   // a KEK could leave the store
	CodeGone      = "gone"       // the token went away
	CodeElsewhere = "elsewhere"  // the server's own tools do that
	CodeFailed    = "failed"     // anything else
	CodeUsage     = "usage"      // the request makes no sense
	CodeTaken     = "taken"      // the label has a key already
)

// Reply of a helper.
type Reply struct {
	Code string   `json:"code,omitempty"` // empty: done
	Text string   `json:"text,omitempty"` // of a failure, for people: never a key or a PIN
	IDs  [][]byte `json:"ids,omitempty"`
	Data []byte   `json:"data,omitempty"`
}

// limit of a frame. What a helper answers is short, whatever it is.
func limit(v any) int {
	switch v.(type) {
	case Request, *Request:
		return MaxRequest
	}
	return MaxFrame
}

// Write sends a request or a reply.
func Write(w io.Writer, v any) error {
	b, err := statement.Marshal(v)
	if err != nil {
		return err
	}
	defer clear(b)
	if len(b) > limit(v) {
		return ErrFrame
	}
	frame := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...)
	defer clear(frame)
	_, err = w.Write(frame)
	return err
}

// Read receives a *Request or *Reply. io.EOF says that the other side is gone; any other error that it can't be trusted any more.
func Read(r io.Reader, v any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if int64(n) > int64(limit(v)) {
		return ErrFrame
	}
	b := make([]byte, n)
	defer clear(b)
	if _, err := io.ReadFull(r, b); err != nil {
		return ErrFrame
	}
	if err := statement.Unmarshal(b, v); err != nil {
		return ErrFrame
	}
	return nil
}
