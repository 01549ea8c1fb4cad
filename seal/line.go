package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"

	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/statement"
)

// A conversation is sealed under one encapsulation: HPKE in base mode, export only, with the KEM and KDF of texts alone. Each purpose, job
// and party has a key of its own, exported from it (docs/spec/sealing.md, section 2.2).
const (
	encSize = 1120
	keySize = 32
)

func lineInfo() []byte { return statement.Frame("cordon/seal/line/v1") }

// Line seals texts to one reader, which can open any of them alone. It may be used concurrently.
type Line struct {
	enc    []byte
	sender *hpke.Sender
}

// NewLine begins a conversation with who holds a public key: that it can be begun shows that the key is good, before there is a text.
func NewLine(public []byte) (*Line, error) {
	pk, err := kem().NewPublicKey(public)
	if err != nil {
		return nil, ErrBadKey
	}
	enc, sender, err := hpke.NewSender(pk, kdf(), hpke.ExportOnly(), lineInfo())
	if err != nil {
		return nil, err
	}
	return &Line{enc, sender}, nil
}

// Seal seals a text of the conversation. Two of the same purpose share a key, not a nonce.
func (l *Line) Seal(c Context, plaintext []byte) ([]byte, error) {
	a, err := c.exported(l.sender.Export)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(l.enc)+len(plaintext)+a.Overhead())
	return a.Seal(append(out, l.enc...), nil, plaintext, nil), nil
}

// Listener opens texts of one line. It may be used concurrently, and keeps what was encapsulated: who holds it needs no private key.
type Listener struct {
	enc       []byte
	recipient *hpke.Recipient
}

// Name names the line, as LineOf does.
func (l *Listener) Name() statement.Digest { return statement.Sum(l.enc) }

// LineOf names the line that a text claims to be of.
func LineOf(sealed []byte) (statement.Digest, bool) {
	if len(sealed) < encSize {
		return "", false
	}
	return statement.Sum(sealed[:encSize]), true
}

// Listen gives the listener of the line that a text is of. That the text opens, it does not say.
func (k *BoxKey) Listen(sealed []byte) (l *Listener, err error) {
	if len(sealed) < encSize {
		return nil, ErrOpen
	}
	secretmode.Do(func() {
		var priv hpke.PrivateKey
		if priv, err = k.private(); err != nil {
			return
		}
		l = &Listener{enc: bytes.Clone(sealed[:encSize])}
		l.recipient, err = hpke.NewRecipient(l.enc, priv, kdf(), hpke.ExportOnly(), lineInfo())
	})
	if err != nil {
		return nil, ErrOpen
	}
	return l, nil
}

// Open opens a text of this line: one of another line does not open.
func (l *Listener) Open(c Context, sealed []byte) (out []byte, err error) {
	if !bytes.HasPrefix(sealed, l.enc) {
		return nil, ErrOpen
	}
	secretmode.Do(func() {
		var a cipher.AEAD
		if a, err = c.exported(l.recipient.Export); err == nil {
			out, err = a.Open(nil, nil, sealed[len(l.enc):], nil)
		}
	})
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// exported is the cipher for one purpose, job and party.
func (c Context) exported(export func(string, int) ([]byte, error)) (cipher.AEAD, error) {
	info, err := c.info()
	if err != nil {
		return nil, err
	}
	if !c.Spoken() {
		return nil, ErrBadKey // a text alone
	}
	key, err := export(string(info), keySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(b)
}
