package ledger

import (
	"testing"
)

// TestHolds: a ledger holds each head that it went through, and no other.
func TestHolds(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, ok := l.At(0); ok || l.Holds(l.Head()) {
		t.Fatal("an empty ledger holds a head")
	}
	var went []Head
	for range 3 {
		if _, err := l.Append(t.Context(), refusal("c"), nil); err != nil {
			t.Fatal(err)
		}
		went = append(went, l.Head())
	}
	entries, last, err := VerifyFile(dir, owner)
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, t.TempDir())
	for range 3 {
		if _, err := other.Append(t.Context(), refusal("another"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range went {
		if at, ok := l.At(h.Seq); !ok || at != h || !l.Holds(h) || !Holds(entries, last, h) {
			t.Errorf("entry %d: not held", i+1)
		}
		if other.Holds(h) {
			t.Errorf("entry %d: held by another ledger", i+1)
		}
		h.Digest = digest("x")
		if l.Holds(h) || Holds(entries, last, h) {
			t.Errorf("entry %d: held with another digest", i+1)
		}
	}
	for _, seq := range []int64{-1, 0, 4} {
		if _, ok := l.At(seq); ok || l.Holds(Head{Seq: seq, Digest: last.Digest}) || Holds(entries, last, Head{Seq: seq, Digest: last.Digest}) {
			t.Errorf("entry %d is there", seq)
		}
	}
}

// TestHoldsWhatIsDurable: a head counts once its entry is on the disk.
func TestHoldsWhatIsDurable(t *testing.T) {
	l := open(t, t.TempDir())
	if _, err := l.Append(t.Context(), refusal("c"), nil); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	_, _, err := l.enqueue(func(*Accounts) ([]Entry, error) { return []Entry{refusal("queued")}, nil })
	queued := l.head
	l.queue = nil
	l.mu.Unlock()
	if err != nil || queued.Seq != 2 || l.Holds(queued) || !l.Holds(l.Head()) {
		t.Fatalf("head %d is held before it is written: %v", queued.Seq, err)
	}
}
