package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// Run runs the suite. open opens the store in dir; reopening it must show what was there.
func Run(t *testing.T, open func(t *testing.T, dir string) store.Store) {
	for name, f := range map[string]func(*suite){
		"statements":           (*suite).statements,
		"listing":              (*suite).listing,
		"paging":               (*suite).paging,
		"registration":         (*suite).registration,
		"revocation":           (*suite).revocation,
		"replace envelope":     (*suite).replaceEnvelope,
		"mailbox":              (*suite).mailbox,
		"notices":              (*suite).notices,
		"job":                  (*suite).job,
		"claim":                (*suite).claim,
		"oldest first":         (*suite).oldest,
		"silent operators":     (*suite).silence,
		"lease":                (*suite).lease,
		"expiry":               (*suite).expiry,
		"messages and replies": (*suite).messages,
		"pages of replies":     (*suite).replyPages,
		"artifacts":            (*suite).artifacts,
		"finish":               (*suite).finish,
		"retry":                (*suite).retry,
		"all or nothing":       (*suite).allOrNothing,
		"concurrency":          (*suite).concurrency,
		"reopen":               (*suite).reopen,
		"inspection":           (*suite).inspection,
		"money":                (*suite).money,
		"ends of orders":       (*suite).orderEnds,
		"bounds of orders":     (*suite).bounds,
		"money at once":        (*suite).moneyAtOnce,
		"log":                  (*suite).logEntries,
		"log of signatures":    (*suite).logSignatures,
		"log of a retry":       (*suite).logRetry,
		"log of a party":       (*suite).logOwn,
		"log together":         (*suite).logTogether,
		"log checkpoints":      (*suite).logCheckpoints,
		"log kept":             (*suite).logKept,
		"uses":                 (*suite).uses,
		"storage":              (*suite).storage,
		"waiting":              (*suite).waiting,
		"closed":               (*suite).closed,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := &suite{T: t, Store: open(t, dir), ctx: t.Context(), again: func() store.Store { return open(t, dir) }}
			t.Cleanup(func() { _ = s.Close() })
			f(s)
		})
	}
}

type suite struct {
	*testing.T
	store.Store
	ctx   context.Context
	again func() store.Store
}

// fp and dg make identifiers that differ in n.
func fp(n int) statement.Fingerprint {
	return statement.Fingerprint(fmt.Sprintf("cordon1%064x", n))
}

func dg(n int) statement.Digest { return statement.Digest(fmt.Sprintf("sha256:%064x", n)) }

func lease(n int) string { return fmt.Sprintf("%032x", n) }

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) is(err, want error) {
	s.Helper()
	if !isError(err, want) {
		s.Fatalf("got %v, want %v", err, want)
	}
}

func (s *suite) equal(got, want any) {
	s.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		s.Fatalf("got %s\nwant %s", g, w)
	}
}

func (s *suite) add(st store.Statement, deliver ...store.Delivery) bool {
	s.Helper()
	added, err := s.AddStatement(s.ctx, st, deliver)
	s.ok(err)
	return added
}

func offer(n int) store.Statement {
	return store.Statement{Digest: dg(n), Kind: store.KindOffer, Name: "strikes", Complete: true,
		Envelope: []byte(fmt.Sprint("offer ", n)), Authors: []statement.Fingerprint{fp(n)}}
}

func party(n int, name string, d int, at int64) store.Statement {
	return store.Statement{Digest: dg(d), Kind: store.KindParty, Name: name, Complete: true, Envelope: []byte(name),
		Authors: []statement.Fingerprint{fp(n)},
		Party:   &store.Party{Fingerprint: fp(n), Name: name, Statement: dg(d), CreatedMS: at}}
}

func to(n int, body string) store.Delivery {
	return store.Delivery{To: fp(n), Item: store.Item{Kind: "statement", From: fp(9), Body: []byte(body)}}
}

var everything = store.Page{Items: 1000, Bytes: 1 << 20}

func (s *suite) inbox(n int, after int64) string {
	s.Helper()
	list, err := s.Mailbox(s.ctx, fp(n), after, everything)
	s.ok(err)
	var out []string
	for i, it := range list {
		if i > 0 && list[i-1].Seq >= it.Seq {
			s.Fatal("seq does not grow")
		}
		out = append(out, string(it.Body))
	}
	return strings.Join(out, ",")
}

func (s *suite) digests(q store.Query) string {
	s.Helper()
	if q.Page.Items == 0 {
		q.Page = everything
	}
	list, err := s.List(s.ctx, q)
	s.ok(err)
	var out []string
	for _, st := range list {
		out = append(out, strings.TrimLeft(strings.TrimPrefix(string(st.Digest), "sha256:"), "0"))
	}
	return strings.Join(out, ",")
}
