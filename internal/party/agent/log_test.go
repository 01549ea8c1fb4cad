package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/translog"
)

func (r *running) witnessed(t *testing.T, look bool) *api.Log {
	t.Helper()
	var l api.Log
	if err := r.Call(t.Context(), api.PathLog, api.LogVerify{Look: look}, &l); err != nil {
		t.Fatal(err)
	}
	return &l
}

func (r *running) seq(t *testing.T) int64 {
	t.Helper()
	var s api.Status
	if err := r.Call(t.Context(), api.PathStatus, api.Empty{}, &s); err != nil {
		t.Fatal(err)
	}
	return s.Ledger.Seq
}

// anchors of the party in the log.
func (r *running) anchors(t *testing.T, url string) int {
	t.Helper()
	c, err := client.New(client.Options{URL: url, Signer: r.ring.Signer()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	own, err := c.LogCommitments(t.Context(), translog.KindAnchor, 10)
	if err != nil {
		t.Fatal(err)
	}
	return len(own.Items)
}

func (r *running) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for begin := time.Now(); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (r *running) behind(t *testing.T) bool {
	t.Helper()
	var s api.Status
	if err := r.Call(t.Context(), api.PathStatus, api.Empty{}, &s); err != nil {
		t.Fatal(err)
	}
	return s.LedgerBehind
}

// copyTree copies a folder's files, in place of what is there.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestAnchors: a ledger that is put back is older than what was anchored of it, whether or not the rest of the home is put back, too.
func TestAnchors(t *testing.T) {
	s := newServer(t)
	o, log := options(t, "alpha", "http://"+s.addr)
	r := serveWith(t, o, log)
	write := func(reason string) { // entries of the ledger
		if err := r.Call(context.Background(), api.PathFreeze, api.Freeze{Reason: reason}, &api.Freeze{}); err != nil {
			t.Fatal(err)
		}
	}
	anchored := func(n int) bool {
		l := r.witnessed(t, false)
		return l.Anchor != nil && l.Anchor.Seq == r.seq(t) && r.anchors(t, o.Exchange) >= n
	}
	write("exercise")
	r.until(t, "first anchor", func() bool { return anchored(1) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, r.home.Path(), old)
	again := func() {
		o.Keys = nil
		r = serveWith(t, o, log)
	}
	again()
	if r.behind(t) {
		t.Fatal("a ledger that was only started again is behind")
	}
	write("")
	r.until(t, "second anchor", func() bool { return anchored(2) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	copyTree(t, r.home.Path(), whole)

	copyTree(t, filepath.Join(old, "ledger"), r.home.Ledger())
	again()
	if !r.behind(t) {
		t.Error("a ledger that was put back is not noticed by the anchor that was kept")
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	copyTree(t, old, r.home.Path())
	again()
	if !r.behind(t) {
		t.Error("a home that was put back is not noticed by the log")
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	copyTree(t, whole, r.home.Path())
	again()
	if r.behind(t) {
		t.Error("the newest copy is behind")
	}
}

// TestReceiptIsNoAnchor: a receipt that a party had logged after its last anchor says nothing of its ledger.
func TestReceiptIsNoAnchor(t *testing.T) {
	s := newServer(t)
	o, log := options(t, "alpha", "http://"+s.addr)
	r := serveWith(t, o, log)
	if err := r.Call(t.Context(), api.PathFreeze, api.Freeze{Reason: "exercise"}, &api.Freeze{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "anchor", func() bool { return r.anchors(t, o.Exchange) == 1 })
	c, err := client.New(client.Options{URL: o.Exchange, Signer: r.ring.Signer()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	commitment := []byte("a commitment that is of 32 bytes")
	if err := c.LogCommit(t.Context(), translog.KindReceipt, commitment); err != nil {
		t.Fatal(err)
	}
	r.until(t, "receipt", func() bool {
		own, err := c.LogCommitment(t.Context(), commitment, 0)
		return err == nil && len(own.Items) == 1
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	o.Keys = nil
	r = serveWith(t, o, log)
	if r.behind(t) {
		t.Error("a party that logged a receipt releases nothing any more")
	}
}
