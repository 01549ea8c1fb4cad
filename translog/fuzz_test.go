package translog_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// FuzzLeaf: what is accepted re-encodes to the same bytes.
func FuzzLeaf(f *testing.F) {
	f.Add(translog.Leaf{TimeMS: 1795360000001}.Bytes())
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := translog.ParseLeaf(src)
		if err != nil {
			if l != (translog.Leaf{}) {
				t.Fatal("refused, but something came back")
			}
			return
		}
		if !bytes.Equal(l.Bytes(), src) {
			t.Fatal("another encoding")
		}
	})
}

// FuzzCheckpoint signs any text as the log: what is taken for a checkpoint is the one text of its values.
func FuzzCheckpoint(f *testing.F) {
	l := newLog(f, origin)
	f.Add(text(origin, "3", root(1)))
	f.Add(text(origin, "03", root(1)))
	f.Add(origin + "\n3\n\n")
	f.Fuzz(func(t *testing.T, src string) {
		_, _ = l.key.Open([]byte(src)) // as it is, unsigned
		n, err := sign(l, src)
		if err != nil {
			return
		}
		s, err := l.key.Open(n)
		if err != nil {
			return
		}
		size, err := json.Marshal(s.Size)
		if err != nil || text(s.Origin, string(size), s.Root[:]) != src {
			t.Fatalf("%q is taken for %+v", src, s.Checkpoint)
		}
	})
}

// FuzzCosignature: what is accepted is the line that its witness made, and no other.
func FuzzCosignature(f *testing.F) {
	l := newLog(f, origin)
	s := l.open(f, "3", 1)
	p := receipttest.NewParty(f, "alpha")
	c, err := translog.Cosign(s, p.Key, 1795360000)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Line, c.Key)
	f.Add(c.Line+"=", c.Key)
	f.Fuzz(func(t *testing.T, line, key string) {
		got := translog.Cosignature{Line: line, Key: key}
		w, err := got.Verify(s)
		if err == nil && (line != c.Line || key != c.Key || w.Party != p.Fingerprint()) {
			t.Fatalf("%q by %q is taken", line, key)
		}
	})
}

// FuzzEntry: no proof but the right one puts an entry into a tree.
func FuzzEntry(f *testing.F) {
	e := translog.Entry{Kind: translog.KindJob, Digest: statement.Sum([]byte("a")), Salt: make([]byte, translog.SaltSize), TimeMS: 5}
	cp := translog.Checkpoint{Origin: origin, Size: 1, Root: [32]byte(e.Leaf().Hash())}
	b, err := json.Marshal(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, src []byte) {
		var got translog.Entry
		if statement.Unmarshal(src, &got) != nil {
			return
		}
		if got.Verify(cp) == nil && (got.Digest != e.Digest || got.Kind != e.Kind || got.TimeMS != e.TimeMS || got.Index != 0 || base64.StdEncoding.EncodeToString(got.Salt) != base64.StdEncoding.EncodeToString(e.Salt)) {
			t.Fatalf("%s is taken", src)
		}
	})
}
