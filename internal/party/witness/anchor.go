package witness

import (
	"crypto/hmac"
	"crypto/sha256"
	"path/filepath"
	"sync"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// Anchor is a head of the party's ledger that was handed out to be logged.
type Anchor struct {
	Head ledger.Head `json:"head"`
	AtMS int64       `json:"at_ms"`
	Done bool        `json:"-"` // the exchange has it: forgotten with the process, since handing it out again changes nothing
}

// Anchors remember the newest one. Salts come from the party's box key, so that a home that lost its files still recognises its own.
type Anchors struct {
	file string
	key  []byte

	mu   sync.Mutex
	kept *Anchor
}

const (
	anchorFile     = "anchor.json"
	anchorKeyLabel = "cordon/log-anchor-key/v1"
)

// OpenAnchors reads the newest one.
func OpenAnchors(dir string, box *seal.BoxKey) (*Anchors, error) {
	secret, err := box.BytesUnsafe() // it may be the key's own bytes: nobody clears them here
	if err != nil {
		return nil, err
	}
	a := &Anchors{file: filepath.Join(dir, anchorFile), key: statement.LabelledSum(anchorKeyLabel, secret).Bytes()}
	var kept Anchor
	there, err := read(a.file, &kept)
	if err != nil {
		return nil, err
	}
	if there {
		if !kept.Head.Digest.Valid() {
			return nil, damaged(anchorFile, nil)
		}
		a.kept = &kept
	}
	return a, nil
}

// Kept is the newest anchor; nil for none.
func (a *Anchors) Kept() *Anchor {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		return nil
	}
	k := *a.kept
	return &k
}

// Keep remembers an anchor, durably, before it is handed out.
func (a *Anchors) Keep(n Anchor) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil || a.kept.Head != n.Head {
		if err := write(a.file, &n); err != nil {
			return err
		}
	}
	a.kept = &n
	return nil
}

// Handed says that the exchange has it.
func (a *Anchors) Handed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept.Done = true
}

// Commitment to a head (docs/spec/log.md, section 6). The head's digest covers all entries before it.
func (a *Anchors) Commitment(h ledger.Head) []byte {
	m := hmac.New(sha256.New, a.key)
	m.Write(h.Digest.Bytes())
	c := translog.Commit(translog.KindAnchor, m.Sum(nil), h.Digest)
	return c[:]
}

// Receipt is the salt, and the commitment under it, with which this party logs a receipt.
func (a *Anchors) Receipt(d statement.Digest) (salt, commitment []byte) {
	m := hmac.New(sha256.New, a.key)
	m.Write(statement.Frame("receipt", d.Bytes()))
	salt = m.Sum(nil)
	c := translog.Commit(translog.KindReceipt, salt, d)
	return salt, c[:]
}

// Is reports whether a commitment is the one to this head.
func (a *Anchors) Is(commitment []byte, h ledger.Head) bool {
	return hmac.Equal(commitment, a.Commitment(h))
}
