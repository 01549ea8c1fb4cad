package publish

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/statement"
)

// opened decrypts a version with the keys that the store releases for it.
func (p *publisher) opened(t *testing.T, v *statement.Verified[statement.Offer]) string {
	t.Helper()
	plain, err := p.open(t.Context(), v, quiet)
	if err != nil {
		t.Fatal(err)
	}
	_, rows := rowsOf(t, plain)
	return strings.Join(rows, " ")
}

// TestRekey: the same rows, schema, policy and contents; no key and no ciphertext of before.
func TestRekey(t *testing.T) {
	for name, rowID := range map[string]string{"as it is": "", "numbered": "report_id"} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			r := request(write(t, "t.csv", []byte(goodCSV)))
			if rowID != "" {
				r.RowID = rowID
				r.Columns = slices.DeleteFunc(slices.Clone(r.Columns), func(c Rename) bool { return c.To == rowID })
			}
			before, err := p.Publish(t.Context(), r, quiet)
			if err != nil {
				t.Fatal(err)
			}
			old, after, err := p.Rekey(t.Context(), "strikes", quiet)
			if err != nil {
				t.Fatal(err)
			}
			a, b := before.Body(), after.Body()
			if old.Offer.Digest() != before.Digest() || b.Version != "2" || b.Replaces != before.Digest() || a.Policy != b.Policy || len(a.Schema) != len(b.Schema) {
				t.Fatalf("%+v", b)
			}
			for i := range a.Schema {
				if a.Schema[i] != b.Schema[i] {
					t.Errorf("column %+v became %+v", a.Schema[i], b.Schema[i])
				}
			}
			for _, c := range a.Commitments {
				if other, ok := b.Commitment(c.Key); !ok || other == c.Commit {
					t.Errorf("the key of %s is the old one", c.Key)
				}
			}
			if p.opened(t, before) != p.opened(t, after) {
				t.Error("other rows")
			}
			// The keys of one version open nothing of the other.
			keys, err := p.Store.Release(t.Context(), before.Digest(), []string{"size"})
			if err != nil {
				t.Fatal(err)
			}
			sealed := p.ex.Objects[b.Files[0].Object]
			_, _, err = pme.OpenStrict(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), pme.OpenOptions{
				Keys: pme.Keys{Footer: keys.Footer, Columns: map[string][]byte{"size": keys.Column[0].Key}}, AADPrefix: []byte(b.Files[0].AADPrefix), Columns: []string{"size"},
			})
			if err == nil {
				t.Error("old keys open the new version")
			}
			// It has the contents that it had, for others in a pool and for publishing them again.
			if p2, _ := p.Store.Get(after.Digest()); p2.Same != before.Digest() {
				t.Errorf("counts as other contents: %q", p2.Same)
			}
			if _, err := p.Publish(t.Context(), r, quiet); fault.ExitCode(err) != int(fault.Refused) {
				t.Errorf("the same rows again: %v", err)
			}
		})
	}
}

// TestRekeyRefused: what the lake changed is published by nobody.
func TestRekeyRefused(t *testing.T) {
	p := newPublisher(t)
	if _, o, err := p.Rekey(t.Context(), "strikes", quiet); o != nil || fault.ExitCode(err) != int(fault.Input) {
		t.Fatalf("nothing to rekey: %v", err)
	}
	v, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet)
	if err != nil {
		t.Fatal(err)
	}
	object := v.Body().Files[0].Object
	good := p.ex.Objects[object]
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{"cut": good[:len(good)-1], "one bit": flipped, "empty": {}} {
		p.ex.Objects[object] = bad
		if _, o, err := p.Rekey(t.Context(), "strikes", quiet); o != nil || fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(p.Store.List()) != 1 {
		t.Error("something was published")
	}
}
