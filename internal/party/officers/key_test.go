package officers

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

var keys = []string{statement.ActionKey}

func destroy() KeyOperation {
	return KeyOperation{
		Operation: DestroyKeys, Store: "local", KEKs: []string{"aa"}, Dataset: "strikes", Version: "1", Offer: statement.Sum([]byte("offer")),
	}
}

// approveNext asks for an operation, and has two officers approve it.
func (w *world) approveNext(op KeyOperation, list statement.Digest) statement.Digest {
	w.t.Helper()
	need := new(Waiting)
	if err := w.Operate(w.t.Context(), op); !errors.As(err, &need) {
		w.t.Fatalf("got %v, want to wait", err)
	}
	r := must(w.request(need.Request))
	for i := range 2 {
		if err := w.approve(i, statement.ActionKey, r.Payload, list, nil); err != nil {
			w.t.Fatal(err)
		}
	}
	return need.Request
}

// TestKeyOperationOnce: what was approved passes once, though its request and its approvals lie where they lay.
func TestKeyOperationOnce(t *testing.T) {
	w := newWorld(t)
	list := w.set(2, keys, 0, 1)
	about := w.approveNext(destroy(), list)
	kept := must(os.ReadFile(w.file("requests", about)))
	approved := w.count(ledger.KindApprove)
	w.now = w.now.Add(time.Hour) // asked again later, it is the same request
	if err := w.Operate(t.Context(), destroy()); err != nil {
		t.Fatal(err)
	}
	if w.count(ledger.KindApprove) != approved+2 || w.count(ledger.KindKey) != 1 {
		t.Fatalf("%d approvals, %d operations in the ledger", w.count(ledger.KindApprove)-approved, w.count(ledger.KindKey))
	}
	if got := must(os.ReadFile(w.file("operations", about))); statement.Sum(got) != about {
		t.Error("what was approved is not kept")
	}
	if err := os.WriteFile(w.file("requests", about), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	w.waits(w.Operate(t.Context(), destroy()), 0)
	if err := os.RemoveAll(filepath.Join(w.Home.Officers(), "requests")); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(-time.Hour) // nor with the clock put back to the first
	w.waits(w.Operate(t.Context(), destroy()), 0)
	if w.count(ledger.KindKey) != 1 {
		t.Error("it began twice")
	}
}

// TestKeyOperationBegins in one step with the check that it has not.
func TestKeyOperationBegins(t *testing.T) {
	w := newWorld(t)
	list := w.set(2, keys, 0, 1)
	about := w.approveNext(destroy(), list)
	a := asked{list: must2(w.InForce()), digest: list, action: statement.ActionKey, payload: must(w.request(about)).Payload}
	got := must(w.approvals(a))
	if err := w.begin(t.Context(), a, DestroyKeys, got); err != nil {
		t.Fatal(err)
	}
	if err := w.begin(t.Context(), a, DestroyKeys, got); fault.ExitCode(err) != int(fault.Refused) {
		t.Errorf("began again: %v", err)
	}
	if w.count(ledger.KindKey) != 1 {
		t.Error("it stands in the ledger twice")
	}
}

func must2(l *List, _ statement.Digest, err error) *List { return must(l, err) }

// TestKeyOperationOfAnother: approvals of one operation let no other begin.
func TestKeyOperationOfAnother(t *testing.T) {
	for name, edit := range map[string]func(*KeyOperation){
		"version":    func(o *KeyOperation) { o.Version = "2" },
		"data set":   func(o *KeyOperation) { o.Dataset = "other" },
		"offer":      func(o *KeyOperation) { o.Offer = statement.Sum([]byte("other")) },
		"KEK":        func(o *KeyOperation) { o.KEKs = []string{"bb"} },
		"store":      func(o *KeyOperation) { o.Store = "vault:other" },
		"operation":  func(o *KeyOperation) { o.Operation = RotateKeys },
		"to":         func(o *KeyOperation) { o.To = "vault:other" },
		"KEK there":  func(o *KeyOperation) { o.ToKEKs = []string{"bb"} },
		"old":        func(o *KeyOperation) { o.DestroyOld = true },
		"next":       func(o *KeyOperation) { o.Next = "3" },
		"versions":   func(o *KeyOperation) { o.Versions = []KeyOfVersion{{Dataset: "strikes", Version: "1", KEK: "aa"}} },
		"custodians": func(o *KeyOperation) { o.Custodians = []KeyCustodian{{Name: "cfo", Recipient: "age1"}} },
		"threshold":  func(o *KeyOperation) { o.Threshold = 1 },
	} {
		w := newWorld(t)
		w.approveNext(destroy(), w.set(2, keys, 0, 1))
		op := destroy()
		edit(&op)
		w.waits(w.Operate(t.Context(), op), 0)
		if w.count(ledger.KindKey) != 0 {
			t.Errorf("another %s: it began", name)
		}
		if err := w.Operate(t.Context(), destroy()); err != nil {
			t.Errorf("beside another %s: %v", name, err)
		}
	}
}

// TestKeyOperationUnderAnotherList, even of the same officers, is another.
func TestKeyOperationUnderAnotherList(t *testing.T) {
	w := newWorld(t)
	w.approveNext(destroy(), w.set(2, keys, 0, 1))
	w.set(2, append(keys, statement.ActionGrant), 0, 1)
	w.waits(w.Operate(t.Context(), destroy()), 0)
}

// TestKeyOperationWithoutOfficers is written down, and nobody is asked: without a list, and with one for something else.
func TestKeyOperationWithoutOfficers(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		if i == 2 {
			w.set(2, grants, 0, 1)
		}
		if err := w.Operate(t.Context(), destroy()); err != nil { // twice at one time
			t.Fatal(err)
		}
		if w.count(ledger.KindKey) != i+1 {
			t.Fatalf("%d operations in the ledger after %d", w.count(ledger.KindKey), i+1)
		}
	}
	if err := w.Operate(t.Context(), KeyOperation{Operation: DestroyKeys}); err == nil {
		t.Error("began, of no version")
	}
}

// TestKeyOperationIsWritten as docs/spec/keyring.md says, byte for byte.
func TestKeyOperationIsWritten(t *testing.T) {
	op := destroy()
	op.Format, op.Party, op.List, op.CreatedMS = KeyOperationFormat, newWorld(t).Self, 1, 1_700_000_000_000
	want := `{"format":"cordon-key-operation/1","party":"` + string(op.Party) + `","list":1,"operation":"destroy","store":"local","keks":["aa"],"to":"","to_keks":[],` +
		`"destroy_old":false,"dataset":"strikes","version":"1","offer":"` + string(op.Offer) + `","next":"","versions":[],"custodians":[],"threshold":0,"created_ms":1700000000000}`
	got := must(op.encode())
	if string(got) != want {
		t.Errorf("written as %s", got)
	}
	var back KeyOperation
	if err := json.Unmarshal(got, &back); err != nil || string(must(back.encode())) != want {
		t.Errorf("read back otherwise: %v", err)
	}
}
