package officers

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Operations on keys.
const (
	RotateKeys  = "rotate"
	MoveKeys    = "move"
	BackUpKeys  = "backup"
	DestroyKeys = "destroy"
	RekeyData   = "rekey"
)

// KeyOperationFormat names the format of a KeyOperation, with its version.
const KeyOperationFormat = "cordon-key-operation/1"

// KeyOperation says all that an operation on keys does: it is what officers approve, once. Which fields are set depends on the
// operation (docs/spec/keyring.md, section 9.1).
type KeyOperation struct {
	Format     string                `json:"format"`      // set by the gate
	Party      statement.Fingerprint `json:"party"`       // set by the gate
	List       int64                 `json:"list"`        // number of the list in force; 0: none. Set by the gate
	Operation  string                `json:"operation"`   // RotateKeys…
	Store      string                `json:"store"`       // key store that wraps, or did before a move
	KEKs       []string              `json:"keks"`        // of it, that which wraps first; of a version: that which wraps its key
	To         string                `json:"to"`          // a move's key store
	ToKEKs     []string              `json:"to_keks"`     // that it has already
	DestroyOld bool                  `json:"destroy_old"` // all of keks that wrap nothing any more end
	Dataset    string                `json:"dataset"`
	Version    string                `json:"version"`
	Offer      statement.Digest      `json:"offer"`
	Next       string                `json:"next"`     // version that a rekey publishes
	Versions   []KeyOfVersion        `json:"versions"` // in a backup
	Custodians []KeyCustodian        `json:"custodians"`
	Threshold  int64                 `json:"threshold"`  // how many of them open it
	CreatedMS  int64                 `json:"created_ms"` // of the request. Set by the gate
}

// KeyOfVersion is a version whose wrapped keys are in a backup.
type KeyOfVersion struct {
	Dataset string `json:"dataset"`
	Version string `json:"version"`
	KEK     string `json:"kek"`
}

// KeyCustodian gets a share of a backup's key.
type KeyCustodian struct {
	Name      string `json:"name"`
	Recipient string `json:"recipient"`
}

// Operate lets an operation on keys begin, or keeps it as a request and returns *Waiting. Where officers are required for keys, what
// they approved passes once: its entry in the ledger uses it up, whatever becomes of the operation.
func (g *Gate) Operate(ctx context.Context, op KeyOperation) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, d, err := g.InForce()
	if err != nil {
		return err
	}
	op.Format, op.Party, op.List = KeyOperationFormat, g.Self, 0
	if l != nil {
		op.List = l.Number
	}
	payload, err := g.asAsked(op)
	if err != nil {
		return err
	}
	a := asked{list: l, digest: d, action: statement.ActionKey, payload: payload}
	var got []*statement.Verified[statement.Approval]
	if l != nil && l.requires(a.action) {
		if got, err = g.approvals(a); err != nil {
			return err
		}
		if int64(len(got)) < l.Threshold {
			return g.waits(a, len(got))
		}
	}
	return g.begin(ctx, a, op.Operation, got)
}

// begin writes down what begins, with the approvals of it, in one step.
func (g *Gate) begin(ctx context.Context, a asked, operation string, got []*statement.Verified[statement.Approval]) error {
	about := statement.Sum(a.payload)
	if err := g.write("operations", about, a.payload); err != nil {
		return err
	}
	_, err := g.Ledger.AppendAll(ctx, func(acc *ledger.Accounts) ([]ledger.Entry, error) {
		if acc.KeyOperationBegun(about) {
			return nil, fault.New(fault.Refused, "this operation was approved once, and has begun", "give the command again, and have it approved anew", nil)
		}
		return append(counted(acc, a, got), ledger.Entry{Kind: ledger.KindKey, About: about, Name: operation}), nil
	})
	if err != nil {
		return err
	}
	return removeFile(g.file("requests", about))
}

// asAsked is the payload of an operation: that of a kept request for exactly this one, if none has begun under it; else a fresh one,
// which nobody can have approved.
func (g *Gate) asAsked(op KeyOperation) ([]byte, error) {
	requests, err := g.requestsOf(statement.ActionKey)
	if err != nil {
		return nil, err
	}
	for _, r := range requests {
		var old KeyOperation
		if statement.Unmarshal(r.Payload, &old) != nil { // a certificate
			continue
		}
		op.CreatedMS = old.CreatedMS
		if p, err := op.encode(); err == nil && bytes.Equal(p, r.Payload) && !g.begun(r.Digest()) {
			return p, nil
		}
	}
	for op.CreatedMS = g.Now().UnixMilli(); ; op.CreatedMS++ {
		p, err := op.encode()
		if err != nil || !g.begun(statement.Sum(p)) {
			return p, err
		}
	}
}

func (g *Gate) begun(operation statement.Digest) (yes bool) {
	g.Ledger.View(func(a *ledger.Accounts) { yes = a.KeyOperationBegun(operation) })
	return yes
}

func (op KeyOperation) encode() ([]byte, error) {
	version := op.Dataset != "" && op.Version != "" && op.Offer.Valid()
	ok := op.Format == KeyOperationFormat && op.Party.Valid() && op.List >= 0
	switch op.Operation {
	case RotateKeys:
		ok = ok && op.Store != "" && len(op.KEKs) > 0
	case MoveKeys:
		ok = ok && op.Store != "" && op.To != "" && op.To != op.Store
	case BackUpKeys:
		ok = ok && op.Store != "" && len(op.Custodians) > 0 && op.Threshold > 0
	case DestroyKeys:
		ok = ok && op.Store != "" && version
	case RekeyData:
		ok = ok && version && op.Next != ""
	default:
		ok = false
	}
	if !ok {
		return nil, fmt.Errorf("officers: not a whole operation on keys: %q", op.Operation)
	}
	op.KEKs, op.ToKEKs = append([]string{}, op.KEKs...), append([]string{}, op.ToKEKs...) // one encoding of none
	op.Versions, op.Custodians = append([]KeyOfVersion{}, op.Versions...), append([]KeyCustodian{}, op.Custodians...)
	return statement.Marshal(op)
}
