package vectors_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

func openLetter(p *receipttest.Party, requester statement.Fingerprint, sealed []byte, l *message.Letter) error {
	return message.OpenWith(p.Box, message.BodyContext(requester, p.Fingerprint()), sealed, l)
}

// No kinds of the mailbox: a Letter is part of the job, a ResultKey an artifact of it.
const (
	kindLetter    = "letter"
	kindResultKey = "result-key"
)

func messagesFile(t *testing.T, a *receipttest.Account) vectors.MessageFile {
	f := vectors.MessageFile{Comment: comment}
	add := func(name, kind, why string, text string) {
		f.Messages = append(f.Messages, vectors.Message{Name: name, Kind: kind, Text: text, Accept: why == "", Refused: why})
	}
	x := a.Bundle
	r := body[statement.Receipt](t, x.Receipt)
	ack := &x.Acks[0]
	unasked := message.Letter{Body: statement.Body{Salt: a.Body.Salt}, Ack: ack}
	unsalted := message.Letter{Body: statement.Body{SQL: a.Body.SQL, Salt: []byte{}}}
	add("letter", kindLetter, "", text(t, message.Letter{Body: a.Body}))
	add("letter with an ack", kindLetter, "", text(t, message.Letter{Body: a.Body, Ack: ack}))
	add("letter without a question", kindLetter, "shape", text(t, unasked))
	add("letter without salt", kindLetter, "shape", text(t, unsalted))
	add("letter that is a body alone", kindLetter, "encoding", text(t, a.Body))

	hello := message.Hello{Job: r.Job, Session: r.Session, Evidence: r.Evidence}
	add("hello", message.KindHello, "", text(t, hello))
	add("hello of no job", message.KindHello, "shape", text(t, message.Hello{Session: r.Session, Evidence: r.Evidence}))
	add("hello of no session", message.KindHello, "shape", text(t, message.Hello{Job: r.Job, Session: statement.Session{Box: []byte{}}, Evidence: r.Evidence}))
	add("hello without evidence", message.KindHello, "shape", text(t, message.Hello{Job: r.Job, Session: r.Session, Evidence: statement.Evidence{Raw: []byte{}}}))
	add("hello with a space", message.KindHello, "encoding", " "+text(t, hello))

	quote := message.Quote{Job: r.Job, Session: r.Session, Plan: r.Plan, Readies: x.Readies, Evidence: r.Evidence}
	add("quote", message.KindQuote, "", text(t, quote))
	noReadies, noPlan, noJob := quote, quote, quote
	noReadies.Readies, noPlan.Plan, noJob.Job = []statement.Envelope{}, "", ""
	add("quote without readies", message.KindQuote, "shape", text(t, noReadies))
	add("quote of no plan", message.KindQuote, "shape", text(t, noPlan))
	add("quote of no job", message.KindQuote, "shape", text(t, noJob))

	notice := message.ReceiptNotice{Job: r.Job, Receipt: x.Receipt, Releases: x.Releases, Readies: x.Readies}
	add("receipt", message.KindReceipt, "", text(t, notice))
	noReleases, unready, jobless := notice, notice, notice
	noReleases.Releases, unready.Readies, jobless.Job = []statement.Envelope{}, []statement.Envelope{}, ""
	add("receipt without releases", message.KindReceipt, "shape", text(t, noReleases))
	add("receipt without readies", message.KindReceipt, "shape", text(t, unready))
	add("receipt of no job", message.KindReceipt, "shape", text(t, jobless))
	for _, c := range replies(a) {
		add(c.name, message.KindReply, c.why, text(t, c.reply))
	}
	key := message.ResultKey{Key: receipttest.Seed("result key", "job"), Bundle: []byte("{}")}
	add("result key", kindResultKey, "", text(t, key))
	add("result key without a key", kindResultKey, "shape", text(t, message.ResultKey{Key: []byte{}, Bundle: key.Bundle}))
	add("result key without a bundle", kindResultKey, "shape", text(t, message.ResultKey{Key: key.Key, Bundle: []byte{}}))
	return f
}

type replyCase struct {
	name, why string
	reply     message.Reply
}

func replies(a *receipttest.Account) []replyCase {
	x := a.Bundle
	ready, release, ack, refusal := &x.Readies[0], &x.Releases[0], &x.Acks[0], &x.Grants[0] // any envelope: who reads it checks what it is
	keys, empty := []byte("sealed keys"), statement.Body{SQL: "", Salt: a.Body.Salt}
	unsalted := statement.Body{SQL: a.Body.SQL, Salt: []byte{}}
	return []replyCase{
		{"reply: ready", "", message.Reply{Stage: "hello", Ready: ready}},
		{"reply: body", "", message.Reply{Stage: "hello", Body: &a.Body}},
		{"reply: ready and body", "", message.Reply{Stage: "hello", Ready: ready, Body: &a.Body}},
		{"reply: release and keys", "", message.Reply{Stage: "quote", Release: release, Keys: keys}},
		{"reply: ack", "", message.Reply{Stage: "receipt", Ack: ack}},
		{"reply: refusal of a hello", "", message.Reply{Stage: "hello", Refusal: refusal}},
		{"reply: refusal of a quote", "", message.Reply{Stage: "quote", Refusal: refusal}},
		{"reply: refusal of a receipt", "", message.Reply{Stage: "receipt", Refusal: refusal}},
		{"reply: no stage", "shape", message.Reply{Ready: ready}},
		{"reply: unknown stage", "shape", message.Reply{Stage: "reply", Ack: ack}},
		{"reply: refusal of an unknown stage", "shape", message.Reply{Stage: "reply", Refusal: refusal}},
		{"reply: nothing to a hello", "shape", message.Reply{Stage: "hello"}},
		{"reply: body without a question", "shape", message.Reply{Stage: "hello", Body: &empty}},
		{"reply: body without salt", "shape", message.Reply{Stage: "hello", Body: &unsalted}},
		{"reply: release to a hello", "shape", message.Reply{Stage: "hello", Ready: ready, Release: release}},
		{"reply: keys to a hello", "shape", message.Reply{Stage: "hello", Ready: ready, Keys: keys}},
		{"reply: ack to a hello", "shape", message.Reply{Stage: "hello", Ready: ready, Ack: ack}},
		{"reply: keys without a release", "shape", message.Reply{Stage: "quote", Keys: keys}},
		{"reply: release without keys", "shape", message.Reply{Stage: "quote", Release: release}},
		{"reply: ready to a quote", "shape", message.Reply{Stage: "quote", Release: release, Keys: keys, Ready: ready}},
		{"reply: body to a quote", "shape", message.Reply{Stage: "quote", Release: release, Keys: keys, Body: &a.Body}},
		{"reply: ack to a quote", "shape", message.Reply{Stage: "quote", Release: release, Keys: keys, Ack: ack}},
		{"reply: nothing to a receipt", "shape", message.Reply{Stage: "receipt"}},
		{"reply: ready to a receipt", "shape", message.Reply{Stage: "receipt", Ack: ack, Ready: ready}},
		{"reply: release to a receipt", "shape", message.Reply{Stage: "receipt", Ack: ack, Release: release}},
		{"reply: refusal and ready", "shape", message.Reply{Stage: "hello", Refusal: refusal, Ready: ready}},
		{"reply: refusal and keys", "shape", message.Reply{Stage: "quote", Refusal: refusal, Keys: keys}},
		{"reply: refusal and ack", "shape", message.Reply{Stage: "receipt", Refusal: refusal, Ack: ack}},
	}
}

// target makes a zero value of a kind of message.
func target(t *testing.T, kind string) any {
	t.Helper()
	for k, v := range map[string]any{
		message.KindHello: &message.Hello{}, message.KindQuote: &message.Quote{}, message.KindReceipt: &message.ReceiptNotice{},
		message.KindReply: &message.Reply{}, kindLetter: &message.Letter{}, kindResultKey: &message.ResultKey{},
	} {
		if k == kind {
			return v
		}
	}
	t.Fatalf("no such kind: %s", kind)
	return nil
}

func TestMessages(t *testing.T) {
	list := vectors.AllMessages()
	if len(list) < 40 {
		t.Fatal("vectors are missing")
	}
	box, c := receipttest.NewParty(t, "alpha").Box, seal.Context{Purpose: seal.PurposeHello}
	for _, m := range list {
		t.Run(m.Name, func(t *testing.T) {
			sealed, err := seal.To(box.Public(), c, []byte(m.Text))
			if err != nil {
				t.Fatal(err)
			}
			v := target(t, m.Kind)
			err = message.OpenWith(box, c, sealed, v)
			if !m.Accept {
				if !errors.Is(err, message.ErrMalformed) || !reflect.ValueOf(v).Elem().IsZero() {
					t.Fatalf("%v", err)
				}
				unsendable(t, box, c, m)
				return
			}
			if err != nil || text(t, v) != m.Text {
				t.Fatalf("%v", err)
			}
			again, err := message.SealTo(box.Public(), c, v)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := box.Open(c, again); err != nil || string(got) != m.Text {
				t.Fatalf("what is sent differs: %v", err)
			}
		})
	}
}

// unsendable: what a reader would refuse, no writer sends.
func unsendable(t *testing.T, box *seal.BoxKey, c seal.Context, m vectors.Message) {
	t.Helper()
	v := target(t, m.Kind)
	if m.Refused != "shape" {
		return
	}
	if err := statement.Unmarshal([]byte(m.Text), v); err != nil {
		t.Fatalf("should be well encoded: %v", err)
	}
	if sealed, err := message.SealTo(box.Public(), c, v); sealed != nil || !errors.Is(err, message.ErrMalformed) {
		t.Fatalf("sent: %v", err)
	}
}
