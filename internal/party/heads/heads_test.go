package heads_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// ack of a party's ledger at an entry, closed at a time.
func ack(t *testing.T, p *receipttest.Party, seq, closedMS int64, line string) heads.Ack {
	t.Helper()
	d := statement.Sum([]byte(line))
	e := receipttest.Sign(t, statement.Ack{
		Owner: p.Fingerprint(), Job: d, Receipt: d, Release: d, ReleasedMS: 1, ClosedMS: closedMS, Head: statement.LedgerHead{Seq: seq, Digest: d},
	}, p)
	a, err := heads.Verify(&e, p.Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func see(t *testing.T, s *heads.Store, acks ...heads.Ack) []heads.Back {
	t.Helper()
	back, err := s.See(acks...)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestNewest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "heads")
	s := heads.Open(dir)
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	if s.Newest(alpha.Fingerprint()) != nil {
		t.Fatal("something of nobody")
	}
	old, next, others := ack(t, alpha, 3, 30, "three"), ack(t, alpha, 5, 50, "five"), ack(t, bravo, 1, 10, "one")
	if back := see(t, s, next, others, old); len(back) != 0 {
		t.Fatalf("an older acknowledgement is no contradiction: %v", back)
	}
	for name, s := range map[string]*heads.Store{"same process": s, "next process": heads.Open(dir)} {
		if a := s.Newest(alpha.Fingerprint()); a == nil || a.Digest() != next.Digest() {
			t.Errorf("%s: alpha's newest is %v", name, a)
		}
		if b := s.Newest(bravo.Fingerprint()); b == nil || b.Digest() != others.Digest() {
			t.Errorf("%s: bravo's newest is %v", name, b)
		}
	}
}

// TestBack: what one ledger, by one clock, can't have signed, in both orders.
func TestBack(t *testing.T) {
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	known := ack(t, alpha, 5, 50, "five")
	for _, c := range []struct {
		name string
		now  heads.Ack
		back bool
	}{
		{"the same", known, false},
		{"later", ack(t, alpha, 6, 51, "six"), false},
		{"later, at the same time", ack(t, alpha, 6, 50, "six"), false},
		{"earlier", ack(t, alpha, 4, 49, "four"), false},
		{"earlier, at the same time", ack(t, alpha, 4, 50, "four"), false},
		{"at an earlier entry later", ack(t, alpha, 4, 51, "four"), true},
		{"at the same entry with another digest", ack(t, alpha, 5, 50, "FIVE"), true},
		{"at a later entry earlier", ack(t, alpha, 6, 49, "six"), true},
		{"of another owner", ack(t, bravo, 4, 51, "four"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := heads.Open(t.TempDir())
			see(t, s, known)
			back := see(t, s, c.now)
			if (len(back) == 1) != c.back {
				t.Fatalf("%v", back)
			}
			if c.back && (back[0].Owner != alpha.Fingerprint() || back[0].Known.Digest() != known.Digest() || back[0].Now.Digest() != c.now.Digest()) {
				t.Fatal("another contradiction than there is")
			}
			want := known
			if c.now.Body().Owner == known.Body().Owner && c.now.Body().Head.Seq > 5 {
				want = c.now
			}
			if s.Newest(alpha.Fingerprint()).Digest() != want.Digest() {
				t.Fatal("not the furthest head is remembered")
			}
		})
	}
}

// TestFilesAreNotTrusted: what is not signed by the owner that it is kept for is none.
func TestFilesAreNotTrusted(t *testing.T) {
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	good := ack(t, alpha, 5, 50, "five").Envelope().Bytes()
	revocation := receipttest.Sign(t, statement.Revocation{Author: alpha.Fingerprint(), Revokes: statement.Sum(nil), AtMS: 1}, alpha)
	stolen := *ack(t, alpha, 5, 50, "five").Body()
	forged := receipttest.Sign(t, stolen, bravo)
	for name, src := range map[string][]byte{
		"empty": nil, "cut short": good[:len(good)-1], "something behind": append(good[:len(good):len(good)], '\n'), "no JSON": []byte("\xff"),
		"of another owner": ack(t, bravo, 5, 50, "five").Envelope().Bytes(), "another statement": revocation.Bytes(), "signed by another": forged.Bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range []string{string(alpha.Fingerprint()) + ".json", "missing.json"} {
				if err := os.WriteFile(filepath.Join(dir, f), src, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := heads.Open(dir)
			if s.Newest(alpha.Fingerprint()) != nil || s.Missing(alpha.Fingerprint()) != nil {
				t.Fatal("taken for an acknowledgement")
			}
			next := ack(t, alpha, 1, 10, "one")
			see(t, s, next)
			if a := heads.Open(dir).Newest(alpha.Fingerprint()); a == nil || a.Digest() != next.Digest() {
				t.Fatal("not replaced by a good one")
			}
		})
	}
}

func TestMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "heads")
	s := heads.Open(dir)
	alpha := receipttest.NewParty(t, "alpha")
	if s.Missing(alpha.Fingerprint()) != nil {
		t.Fatal("something is missing from the start")
	}
	far, missed := ack(t, alpha, 9, 90, "nine"), ack(t, alpha, 5, 50, "five")
	see(t, s, far)
	if err := s.Miss(missed); err != nil {
		t.Fatal(err)
	}
	s = heads.Open(dir)
	if a := s.Missing(alpha.Fingerprint()); a == nil || a.Digest() != missed.Digest() {
		t.Fatal("forgotten")
	}
	if a := s.Newest(alpha.Fingerprint()); a == nil || a.Digest() != far.Digest() {
		t.Fatal("the newest is another's business")
	}
}

// TestNowhereToWrite: this process remembers all the same, and says that the next one won't.
func TestNowhereToWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "heads")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := heads.Open(file)
	a := ack(t, receipttest.NewParty(t, "alpha"), 5, 50, "five")
	if _, err := s.See(a); err == nil {
		t.Fatal("no word of it")
	}
	if got := s.Newest(a.Body().Owner); got == nil || got.Digest() != a.Digest() {
		t.Fatal("forgotten at once")
	}
	if s.Miss(a) == nil {
		t.Fatal("no word of what is missing")
	}
}
