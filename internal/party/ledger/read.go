package ledger

import (
	"bytes"
	"fmt"
	"os"

	"github.com/cordon-exchange/cordon/internal/fault"
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

// VerifyFile checks a ledger's file without locking it: a line that is being
// written at this moment does not count.
func VerifyFile(dir string, owner statement.Fingerprint) ([]Entry, Head, error) {
	src, err := os.ReadFile(current(dir))
	if err != nil {
		return nil, Head{}, fault.New(fault.LocalStorage, "can't read the ledger", "check the home folder", err)
	}
	entries, head, _, err := parse(src, owner)
	return entries, head, err
}
