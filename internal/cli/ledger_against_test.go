package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// TestLedgerVerifyAgainst: a ledger that went on since a bundle, and what a user sees of each that did not. One thing wrong per case.
func TestLedgerVerifyAgainst(t *testing.T) {
	ring, err := keyring.New("delta")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := home.Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.WriteConfig(home.Config{Name: "delta", Fingerprint: ring.Fingerprint(), Key: ring.Signer().Public().String(), CreatedMS: 1}); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(dir.Ledger(), ring.Fingerprint(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 3 {
		if _, err := l.Append(t.Context(), ledger.Entry{Kind: ledger.KindRefusal, Stage: "job", Code: "x"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	second, _ := l.At(2)
	account := receipttest.New(t, receipttest.Edit{})
	bundle := func(owner statement.Fingerprint, h ledger.Head, signer statement.Signer) []byte {
		b := *account.Bundle
		d := statement.Sum(nil)
		e, err := statement.Sign(statement.Ack{Owner: owner, Job: d, Receipt: d, Release: d, ReleasedMS: 1, ClosedMS: 1, Head: h}, signer)
		if err != nil {
			t.Fatal(err)
		}
		b.Acks = append(b.Acks[:len(b.Acks):len(b.Acks)], *e)
		src, err := statement.Marshal(&b)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	self, signer := ring.Fingerprint(), ring.Signer()
	for name, c := range map[string]struct {
		bundle []byte
		exit   int
		text   string
	}{
		"the head itself":       {bundle(self, l.Head(), signer), 0, "holds entry 3"},
		"entries since":         {bundle(self, second, signer), 0, "holds entry 2"},
		"further":               {bundle(self, ledger.Head{Seq: 9, Digest: second.Digest}, signer), 4, "ends at entry 3, and this party signed for entry 9"},
		"another digest":        {bundle(self, ledger.Head{Seq: 2, Digest: l.Head().Digest}, signer), 4, "entry 2 of the ledger is not the one"},
		"of others alone":       {account.Bytes, 3, "no acknowledgement signed by this party"},
		"signed by another":     {bundle(self, second, account.Owners[0].Key), 3, "no acknowledgement signed by this party"},
		"no bundle":             {[]byte("{}"), 3, "not a receipt bundle"},
		"a bundle that is long": {make([]byte, receipt.MaxBundle+1), 3, "can't read the bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bundle.json")
			if err := os.WriteFile(file, c.bundle, 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"ledger", "verify", "--home", dir.Path(), "--against", file}
			var out, errs bytes.Buffer
			code := Run(t.Context(), args, &out, &errs)
			if code != c.exit || !strings.Contains(out.String()+errs.String(), c.text) {
				t.Fatalf("exit %d: %s%s", code, &out, &errs)
			}
			if code != 0 && (out.Len() > 0 || !strings.HasPrefix(errs.String(), "error: ") || !strings.Contains(errs.String(), "\nhint: ")) {
				t.Errorf("printed %q and %q", &out, &errs)
			}
			wantJSONError(t, code, args...)
		})
	}
	file := filepath.Join(t.TempDir(), "bundle.json")
	if err := os.WriteFile(file, bundle(self, second, signer), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	var got struct{ Head, Against ledger.Head }
	if code := Run(t.Context(), []string{"ledger", "verify", "--home", dir.Path(), "--against", file, "--json"}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Against != second || got.Head != l.Head() {
		t.Fatalf("%s: %v", &out, err)
	}
}
