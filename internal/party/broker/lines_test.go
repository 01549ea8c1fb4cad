package broker

import (
	"bytes"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// answerLine is the line of the last answer.
func (w *world) answerLine() statement.Digest {
	w.t.Helper()
	d, ok := seal.LineOf(w.ex.Answers[len(w.ex.Answers)-1].Body)
	if !ok {
		w.t.Fatal("an answer of no line")
	}
	return d
}

func (w *world) lineOf(sealed []byte) statement.Digest {
	d, _ := seal.LineOf(sealed)
	return d
}

// TestLines: the quote goes on with the lines of its hello, keys too, and takes them away; whatever finds none begins its own.
func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*enclave)
		same   bool
	}{
		"the hello's":     {change: func(*enclave) {}, same: true},
		"another line":    {change: func(e *enclave) { e.line = nil }},
		"alone":           {change: func(e *enclave) { e.alone = true }},
		"after a restart": {change: func(e *enclave) { e.w.openBroker() }},
		"lost to others":  {change: func(e *enclave) { clear(e.w.broker.begun) }},
		"after a bad quote": {change: func(e *enclave) {
			e.sendRaw(wire.KindQuote, append(bytes.Clone(e.sealed(seal.Context{Purpose: seal.PurposeQuote}, "x")), 0))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			e := w.enclave(w.newJob(nil))
			h := e.hello(nil)
			hello := w.answerLine()
			c.change(e)
			q := e.newQuote(e.readies(h.Ready, nil))
			r := e.send(wire.KindQuote, message.QuoteContext(e.j.digest, w.self()), q)
			e.take(q, r)
			if (w.answerLine() == hello) != c.same || w.lineOf(r.Keys) != w.answerLine() {
				t.Error("answered by another line")
			}
			if len(w.broker.begun) != 0 && c.same {
				t.Error("the lines are still at hand after the release")
			}
		})
	}
}

// TestLineOfAnotherBox: a quote by the hello's line, of a session with another box, is answered to that box: the line to the first
// box is not used. It is refused: the evidence is for a session that no ready is for.
func TestLineOfAnotherBox(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	h := e.hello(nil)
	hello, other := w.answerLine(), must(seal.NewBoxKey())
	e.box, e.session.Box = other, other.Public()
	r := e.quote(e.readies(h.Ready, nil), nil)
	if r == nil || r.Refusal == nil || w.answerLine() == hello {
		t.Fatalf("not refused to the new box: %s", e.why(r))
	}
}

// TestLineOfAnotherJob: the lines of one job's hello do not serve another job.
func TestLineOfAnotherJob(t *testing.T) {
	w := newWorld(t, nil)
	one, two := w.enclave(w.newJob(nil)), w.enclave(w.newJob(nil))
	h1 := one.hello(nil)
	two.box, two.session, two.sign, two.line = one.box, one.session, one.sign, nil
	h2 := two.hello(nil)
	hello := w.answerLine()
	two.line = one.line
	q := two.newQuote(two.readies(h2.Ready, nil))
	two.take(q, two.send(wire.KindQuote, message.QuoteContext(two.j.digest, w.self()), q))
	if w.answerLine() == hello || len(w.broker.begun) != 2 {
		t.Error("lines of another hello were used")
	}
	q = one.newQuote(one.readies(h1.Ready, nil))
	one.take(q, one.send(wire.KindQuote, message.QuoteContext(one.j.digest, w.self()), q))
}

// TestLinesAge: lines whose hello got no quote in time are dropped with the next hello or quote, and serve no quote that is late.
func TestLinesAge(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	e.hello(nil)
	w.now = w.now.Add(readyTime - time.Millisecond)
	other := w.enclave(w.newJob(nil))
	if other.hello(nil); len(w.broker.begun) != 2 {
		t.Fatalf("%d lines are at hand, want both", len(w.broker.begun))
	}
	w.now = w.now.Add(time.Millisecond)
	third := w.enclave(w.newJob(nil))
	if third.hello(nil); len(w.broker.begun) != 2 {
		t.Errorf("%d lines are at hand, want those of the last two hellos", len(w.broker.begun))
	}
	w.now = w.now.Add(readyTime)
	e.sendRaw(wire.KindQuote, e.sealed(seal.Context{Purpose: seal.PurposeQuote}, "x"))
	if len(w.broker.begun) != 0 {
		t.Errorf("%d old lines are at hand after a late quote", len(w.broker.begun))
	}
}

// TestLinesAreBounded: hellos without quotes do not fill the memory, and neither do those that are refused.
func TestLinesAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	for i := range maxBegun {
		w.broker.begun[lineName{job: statement.Sum([]byte{byte(i), byte(i >> 8)})}] = begun{until: w.now.Add(readyTime)}
	}
	if e.hello(nil); len(w.broker.begun) != 1 {
		t.Errorf("%d lines are at hand", len(w.broker.begun))
	}
	evil := w.enclave(w.newJob(nil))
	evil.attest.build = statement.Sum([]byte("evil"))
	if evil.hello(nil); len(w.broker.begun) != 1 {
		t.Error("a refused hello left its lines")
	}
}
