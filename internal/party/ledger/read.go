package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// Head is the last entry's number and digest. Whoever notes it elsewhere can
// tell later whether the ledger was rolled back.
type Head = statement.LedgerHead

// Holds reports whether a verified ledger with these entries and this last head went through another head: whether it is that
// ledger, or a later state of it.
func Holds(entries []Entry, last, h Head) bool {
	at, ok := headAt(entries, last, h.Seq)
	return ok && at == h
}

// headAt is the head after entry seq: the entry behind it states its digest.
func headAt(entries []Entry, last Head, seq int64) (Head, bool) {
	switch {
	case seq < 1 || seq > last.Seq:
		return Head{}, false
	case seq == last.Seq:
		return last, true
	}
	return Head{Seq: seq, Digest: entries[seq].Previous}, true
}

// parse verifies the whole chain. Whole is the length of all complete entries:
// what stands behind it is the torn rest of an append that never returned.
func parse(src []byte, owner statement.Fingerprint) (entries []Entry, head Head, whole int64, err error) {
	head = Head{Digest: Genesis(owner)}
	for rest := src; ; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return entries, head, whole, nil
		}
		line := rest[:end]
		e, err := decodeEntry(line)
		if err != nil {
			return nil, Head{}, 0, damagedAt(head.Seq+1, "does not decode")
		}
		if e.Seq != head.Seq+1 || e.Previous != head.Digest {
			return nil, Head{}, 0, damagedAt(head.Seq+1, "does not follow from the entry before")
		}
		entries = append(entries, e)
		head = Head{Seq: e.Seq, Digest: statement.Sum(line)}
		whole += int64(end) + 1
		rest = rest[end+1:]
	}
}

func damagedAt(seq int64, what string) error {
	return fault.New(fault.Untrusted, fmt.Sprintf("ledger damaged at entry %d: it %s", seq, what),
		"keep the file as it is, and restore the ledger from a backup; nothing is released meanwhile", ErrDamaged)
}

// Copy is a ledger that was read once and verified: what is looked at is what is written out.
type Copy struct {
	Entries []Entry
	Head    Head
	src     []byte // of just these entries
}

// Read verifies the ledger in a folder that was copied, of whatever epoch. One that lacks the file of an epoch that it names is no whole copy.
func Read(dir string, owner statement.Fingerprint) (*Copy, error) {
	last, err := lastNumber(dir)
	if err != nil {
		return nil, storage(err)
	}
	if _, err := os.Stat(entriesFile(dir, last)); err != nil && last > 1 {
		missing := filepath.Base(entriesFile(dir, last))
		return nil, fault.New(fault.Untrusted, "this ledger lacks "+missing, "copy the whole folder; if the party never had that file, remove "+filepath.Base(epochFile(dir, last))+" from the copy", err)
	}
	return read(dir, owner)
}

// read does not lock: a line that is being written at this moment does not count.
func read(dir string, owner statement.Fingerprint) (*Copy, error) {
	src, err := os.ReadFile(current(dir))
	if err != nil {
		return nil, fault.New(fault.LocalStorage, "can't read the ledger", "check the home folder", err)
	}
	entries, head, whole, err := parse(src, owner)
	if err != nil {
		return nil, err
	}
	return &Copy{Entries: entries, Head: head, src: src[:whole]}, nil
}

// WriteTo begins a ledger with the copy, in a folder that has none. Epochs start anew: who had the ledger before is not known there.
func (c *Copy) WriteTo(dir string) error {
	have, err := filepath.Glob(filepath.Join(dir, "ledger*.ndjson"))
	if err == nil && len(have) > 0 {
		return fault.New(fault.LocalStorage, "the folder has a ledger already", "name another one; a ledger is never overwritten", nil)
	}
	return errors.Join(err, home.WriteFile(entriesFile(dir, 1), c.src))
}

// VerifyFile checks a ledger where it is kept, without locking it.
func VerifyFile(dir string, owner statement.Fingerprint) ([]Entry, Head, error) {
	c, err := read(dir, owner)
	if err != nil {
		return nil, Head{}, err
	}
	return c.Entries, c.Head, nil
}

// FrozenBy is the entry that stopped the party's releases, nil if they may go on.
func FrozenBy(entries []Entry) (by *Entry) {
	for i := range entries {
		switch e := &entries[i]; e.Kind {
		case KindFreeze:
			by = e
		case KindThaw:
			by = nil
		}
	}
	return by
}
