package statement_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// TestContractLog: no quorum leaves out a side, and a contract that names no log keeps its bytes.
func TestContractLog(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{})
	base, err := statement.DecodeUnverified[statement.Contract](a.Bundle.Contract.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := statement.Payload(*base); err != nil || string(again) != string(a.Bundle.Contract.Payload) || strings.Contains(string(again), `"log"`) {
		t.Fatalf("a contract without a log has other bytes: %v", err)
	}
	sides := append(base.Owners(), base.Requester)
	auditor := receipttest.NewParty(t, "auditor").Fingerprint()
	good := func() *statement.Log {
		return &statement.Log{Key: "cordon.log/x+08c84f6c+AcTf", Witnesses: append(slices.Clone(sides), auditor), Quorum: int64(len(sides) + 1)}
	}
	for name, c := range map[string]struct {
		change func(*statement.Log)
		ok     bool
	}{
		"all":                     {func(*statement.Log) {}, true},
		"one need not":            {func(l *statement.Log) { l.Quorum-- }, true},
		"a side need not":         {func(l *statement.Log) { l.Quorum -= 2 }, false},
		"more than there are":     {func(l *statement.Log) { l.Quorum++ }, false},
		"no quorum":               {func(l *statement.Log) { l.Quorum = 0 }, false},
		"an owner is no witness":  {func(l *statement.Log) { l.Witnesses = l.Witnesses[1:] }, false},
		"requester is no witness": {func(l *statement.Log) { l.Witnesses[len(sides)-1] = receipttest.NewParty(t, "other").Fingerprint() }, false},
		"one twice":               {func(l *statement.Log) { l.Witnesses[len(sides)] = l.Witnesses[0] }, false},
		"malformed":               {func(l *statement.Log) { l.Witnesses[len(sides)] = "x" }, false},
		"no key":                  {func(l *statement.Log) { l.Key = "" }, false},
		"key with a line":         {func(l *statement.Log) { l.Key += "\n" }, false},
		"key too long":            {func(l *statement.Log) { l.Key = strings.Repeat("k", 257) }, false},
		"too many": {func(l *statement.Log) {
			for n := range 100 {
				l.Witnesses = append(l.Witnesses, receipttest.NewParty(t, strings.Repeat("x", n+1)).Fingerprint())
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := *base
			b.Log = good()
			c.change(b.Log)
			_, err := statement.Payload(b)
			if (err == nil) != c.ok || err != nil && !errors.Is(err, statement.ErrInvalid) {
				t.Fatal(err)
			}
		})
	}
}
