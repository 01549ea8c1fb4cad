package seal_test

import (
	"errors"
	"testing"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// TestContextIsBound: a text sealed now opens under its own context and under none that differs in one field.
func TestContextIsBound(t *testing.T) {
	k, err := seal.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	own := seal.Context{Purpose: seal.PurposeReply, Job: statement.Sum(nil), To: "cordon1a", From: "cordon1b"}
	sealed, err := seal.To(k.Public(), own, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(own, sealed); err != nil || string(got) != "x" {
		t.Fatalf("does not open: %v", err)
	}
	for name, change := range map[string]func(*seal.Context){
		"purpose": func(c *seal.Context) { c.Purpose = seal.PurposeKeys },
		"job":     func(c *seal.Context) { c.Job = statement.Sum([]byte("another")) },
		"reader":  func(c *seal.Context) { c.To = "cordon1c" },
		"writer":  func(c *seal.Context) { c.From = "cordon1c" },
	} {
		c := own
		change(&c)
		if got, err := k.Open(c, sealed); got != nil || !errors.Is(err, seal.ErrOpen) {
			t.Errorf("opens for another %s: %v", name, err)
		}
	}
}

// TestNamesAreBound: a wrapped key opens under its own name alone, a result for its own job alone.
func TestNamesAreBound(t *testing.T) {
	k, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	own := seal.KeyName{Owner: "cordon1a", Dataset: "d", Version: "v", Key: "k"}
	wrapped, err := k.Wrap(own, k)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap(own, wrapped); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*seal.KeyName){
		"owner":    func(n *seal.KeyName) { n.Owner = "cordon1b" },
		"data set": func(n *seal.KeyName) { n.Dataset = "e" },
		"version":  func(n *seal.KeyName) { n.Version = "w" },
		"column":   func(n *seal.KeyName) { n.Key = "l" },
	} {
		n := own
		change(&n)
		if got, err := k.Unwrap(n, wrapped); got != nil || !errors.Is(err, seal.ErrOpen) {
			t.Errorf("unwraps for another %s: %v", name, err)
		}
	}
	result, err := k.Encrypt(seal.ResultAAD(statement.Sum(nil)), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Decrypt(seal.ResultAAD(statement.Sum([]byte("another"))), result); got != nil || !errors.Is(err, seal.ErrOpen) {
		t.Errorf("the result opens for another job: %v", err)
	}
}
