package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/channel"
	hostchannel "github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Each case changes one thing of a job that succeeds (TestJob), and names the code that must come of it.

// replace swaps one of the statements that the host hands over.
func replace(j *channel.Job, old, with *statement.Envelope) {
	for i := range j.Statements {
		if j.Statements[i].Digest() == old.Digest() {
			j.Statements[i] = *with
			return
		}
	}
	panic("no such statement")
}

// drop leaves one of the statements out.
func drop(j *channel.Job, old *statement.Envelope) {
	var out []statement.Envelope
	for _, e := range j.Statements {
		if e.Digest() != old.Digest() {
			out = append(out, e)
		}
	}
	j.Statements = out
}

// altered is the envelope with a changed payload under the old signatures.
func altered(e *statement.Envelope, old, with string) *statement.Envelope {
	out := *e
	out.Payload = bytes.Replace(e.Payload, []byte(old), []byte(with), 1)
	if bytes.Equal(out.Payload, e.Payload) {
		panic("nothing altered")
	}
	return &out
}

// again signs the same payload.
func again(t *testing.T, e *statement.Envelope, by ...*party) *statement.Envelope {
	t.Helper()
	out := &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	for _, p := range by {
		if err := out.AddSignature(p.signer()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A broker that answers under an online key is believed, until the key is revoked.
func TestBrokerAnswersUnderAnOnlineKey(t *testing.T) {
	for name, code := range map[string]string{"in force": "", "revoked": "bad-reply:alpha"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			o, revocation := onlineOf(t, w.owners[0], w.now)
			h.of(w.owners[0]).signer = o
			if code == "" {
				if err := h.run(); err != nil || h.finish == nil || h.finish.State != channel.Done {
					t.Fatal(err, h.finish)
				}
				return
			}
			h.onJob = func(j *channel.Job) { j.Statements = append(j.Statements, *revocation) }
			h.wantFailure(code)
			h.wantNoReceipts()
		})
	}
}

func TestHostHandsOverSomethingElse(t *testing.T) {
	for _, c := range []struct {
		name, code string
		alter      func(t *testing.T, w *world, j *channel.Job)
	}{
		{"contract altered", "bad-contract", func(_ *testing.T, w *world, j *channel.Job) { j.Contract = *altered(w.contract, testPurpose, "profit") }},
		{"contract of another requester", "bad-job", func(t *testing.T, w *world, j *channel.Job) {
			mallory := newParty(t, "mallory", w.now)
			b := *must[*statement.Contract](t)(statement.DecodeUnverified[statement.Contract](w.contract.Payload))
			b.Requester = mallory.fp()
			j.Contract = *sign(t, b, mallory)
		}},
		{"another contract of the same requester", "bad-job", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Contract](t)(statement.DecodeUnverified[statement.Contract](w.contract.Payload))
			b.Nonce = nonce(99)
			j.Contract = *sign(t, b, w.institute)
		}},
		{"contract over", "bad-contract", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Contract](t)(statement.DecodeUnverified[statement.Contract](w.contract.Payload))
			b.UntilMS = w.now - 1
			j.Contract = *sign(t, b, w.institute)
		}},
		{"job altered", "bad-job", func(_ *testing.T, w *world, j *channel.Job) { j.Job = *altered(w.job, `"small"`, `"large"`) }},
		{"job signed by somebody else", "bad-job", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Job](t)(statement.DecodeUnverified[statement.Job](w.job.Payload))
			j.Job = *sign(t, b, w.owners[0])
		}},
		{"job expired", "bad-job", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Job](t)(statement.DecodeUnverified[statement.Job](w.job.Payload))
			b.CreatedMS, b.ExpiresMS = w.now-2, w.now-1
			j.Job = *sign(t, b, w.institute)
		}},
		{"offer altered", "bad-offer:alpha", func(_ *testing.T, w *world, j *channel.Job) {
			replace(j, w.owners[0].offer, altered(w.owners[0].offer, "min_units: 3", "min_units: 1"))
		}},
		{"offer signed by another key", "bad-offer:alpha", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Offer](t)(statement.DecodeUnverified[statement.Offer](w.owners[0].offer.Payload))
			replace(j, w.owners[0].offer, sign(t, b, newParty(t, "mallory", w.now)))
		}},
		{"older offer of the same owner", "bad-offer:alpha", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Offer](t)(statement.DecodeUnverified[statement.Offer](w.owners[0].offer.Payload))
			b.Version = "v0"
			replace(j, w.owners[0].offer, sign(t, b, w.owners[0]))
		}},
		{"offer missing", "bad-offer:alpha", func(_ *testing.T, w *world, j *channel.Job) { drop(j, w.owners[0].offer) }},
		{"pool without a signature", "bad-pool", func(t *testing.T, w *world, j *channel.Job) {
			short := *w.pool
			short.Signatures = short.Signatures[1:]
			replace(j, w.pool, &short)
		}},
		{"pool missing", "bad-pool", func(_ *testing.T, w *world, j *channel.Job) { drop(j, w.pool) }},
		{"box key swapped under the old signature", "bad-party", func(t *testing.T, w *world, j *channel.Job) {
			o, mallory := w.owners[0], newParty(t, "mallory", w.now)
			b := *must[*statement.Party](t)(statement.DecodeUnverified[statement.Party](o.me.Payload))
			b.Box = mallory.box.Public()
			swapped := *sign(t, b, o)
			swapped.Signatures = o.me.Signatures
			replace(j, o.me, &swapped)
		}},
		{"box key swapped under a new signature", "bad-party", func(t *testing.T, w *world, j *channel.Job) {
			o, mallory := w.owners[0], newParty(t, "mallory", w.now)
			b := *must[*statement.Party](t)(statement.DecodeUnverified[statement.Party](o.me.Payload))
			b.Box = mallory.box.Public()
			replace(j, o.me, sign(t, b, mallory))
		}},
		{"party of the same name with other keys", "bad-party", func(t *testing.T, w *world, j *channel.Job) {
			replace(j, w.owners[0].me, newParty(t, "alpha", w.now).me)
		}},
		{"grant missing", "no-grant:alpha", func(_ *testing.T, w *world, j *channel.Job) { drop(j, w.owners[0].grant) }},
		{"grant of another contract", "no-grant:alpha", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Grant](t)(statement.DecodeUnverified[statement.Grant](w.owners[0].grant.Payload))
			b.Contract = statement.Sum([]byte("another"))
			replace(j, w.owners[0].grant, sign(t, b, w.owners[0]))
		}},
		{"grant of another offer", "no-grant:alpha", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Grant](t)(statement.DecodeUnverified[statement.Grant](w.owners[0].grant.Payload))
			b.Offers = []statement.Digest{statement.Sum([]byte("another"))}
			replace(j, w.owners[0].grant, sign(t, b, w.owners[0]))
		}},
		{"grant over", "no-grant:alpha", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Grant](t)(statement.DecodeUnverified[statement.Grant](w.owners[0].grant.Payload))
			b.CreatedMS, b.UntilMS = w.now-2, w.now-1
			replace(j, w.owners[0].grant, sign(t, b, w.owners[0]))
		}},
		{"grant signed by another owner", "no-grant:alpha", func(t *testing.T, w *world, j *channel.Job) {
			b := *must[*statement.Grant](t)(statement.DecodeUnverified[statement.Grant](w.owners[0].grant.Payload))
			replace(j, w.owners[0].grant, sign(t, b, w.owners[1]))
		}},
		{"offer signed by a revoked key", "revoked:alpha", func(t *testing.T, w *world, j *channel.Job) {
			o, revocation := onlineOf(t, w.owners[0], w.now)
			replace(j, w.owners[0].offer, again(t, w.owners[0].offer, o))
			j.Statements = append(j.Statements, *revocation)
		}},
		{"grant signed by a revoked key", "revoked:alpha", func(t *testing.T, w *world, j *channel.Job) {
			o, revocation := onlineOf(t, w.owners[0], w.now)
			replace(j, w.owners[0].grant, again(t, w.owners[0].grant, o))
			j.Statements = append(j.Statements, *revocation)
		}},
		{"introduction signed by a revoked key", "revoked:alpha", func(t *testing.T, w *world, j *channel.Job) {
			o, revocation := onlineOf(t, w.owners[0], w.now)
			replace(j, w.owners[0].me, again(t, w.owners[0].me, o))
			j.Statements = append(j.Statements, *revocation)
		}},
		{"job signed by a revoked key", "revoked:institute", func(t *testing.T, w *world, j *channel.Job) {
			o, revocation := onlineOf(t, w.institute, w.now)
			j.Job = *again(t, w.job, o)
			j.Statements = append(j.Statements, *revocation)
		}},
		{"contract signed by a revoked key", "revoked:institute", func(t *testing.T, w *world, j *channel.Job) {
			o, revocation := onlineOf(t, w.institute, w.now)
			j.Contract = *again(t, w.contract, o)
			j.Statements = append(j.Statements, *revocation)
		}},
		{"pool signed by a revoked key", "revoked:alpha", func(t *testing.T, w *world, j *channel.Job) {
			o, revocation := onlineOf(t, w.owners[0], w.now)
			replace(j, w.pool, again(t, w.pool, o, w.owners[1], w.owners[2]))
			j.Statements = append(j.Statements, *revocation)
		}},
		{"grant revoked", "revoked:alpha", func(t *testing.T, w *world, j *channel.Job) {
			j.Statements = append(j.Statements, *sign(t, statement.Revocation{Author: w.owners[0].fp(), Revokes: w.owners[0].grant.Digest(), AtMS: w.now}, w.owners[0]))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			h.onJob = func(j *channel.Job) { c.alter(t, w, j) }
			h.wantFailure(c.code)
			if h.attested != 0 {
				t.Error("a broker could have been asked")
			}
		})
	}
}

// What nobody relies on changes nothing: the exchange may hand over more than is needed.
func TestForeignStatementsAreIgnored(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	h.onJob = func(j *channel.Job) {
		mallory := newParty(t, "mallory", w.now)
		stranger := sign(t, statement.Revocation{Author: mallory.fp(), Revokes: w.owners[0].grant.Digest(), AtMS: w.now}, mallory)
		forged := altered(stranger, `"at_ms"`, `"at_ms"`+" ")
		j.Statements = append(j.Statements, *mallory.me, *stranger, *forged)
	}
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
}

func TestHostGivesOtherEvidence(t *testing.T) {
	for _, c := range []struct {
		name string
		on   int // the first or the second piece
		lie  func(data *evidence.ReportData, build *statement.Digest, p *statement.Perimeter)
	}{
		{"hello over other data", 1, func(d *evidence.ReportData, _ *statement.Digest, _ *statement.Perimeter) { d[0] ^= 1 }},
		{"hello of another build", 1, func(_ *evidence.ReportData, b *statement.Digest, _ *statement.Perimeter) { *b = statement.Sum(nil) }},
		{"hello of another form", 1, func(_ *evidence.ReportData, _ *statement.Digest, p *statement.Perimeter) { p.Form = "stronger" }},
		{"quote over other data", 2, func(d *evidence.ReportData, _ *statement.Digest, _ *statement.Perimeter) { d[63] ^= 1 }},
		{"quote of another build", 2, func(_ *evidence.ReportData, b *statement.Digest, _ *statement.Perimeter) { *b = statement.Sum(nil) }},
		{"quote of another form", 2, func(_ *evidence.ReportData, _ *statement.Digest, p *statement.Perimeter) { p.Form = "weaker" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFakeHost(newWorld(t))
			h.onEvidence = func(n int, d *evidence.ReportData, b *statement.Digest, p *statement.Perimeter) {
				if n == c.on {
					c.lie(d, b, p)
				}
			}
			h.wantFailure("bad-evidence")
			h.wantNoReceipts()
		})
	}
}

// The form in the evidence is accepted by the contract, but it is not what the enclave found around itself.
func TestEvidenceClaimsAFormThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	members := must[*statement.Pool](t)(statement.DecodeUnverified[statement.Pool](w.pool.Payload)).Members
	b := w.contractBody(members)
	b.Perimeters = []string{testForm, "process"}
	w.contract = sign(t, b, w.institute)
	w.grantAll()
	w.ask(w.institute, testSQL)
	h := newFakeHost(w)
	h.onEvidence = func(_ int, _ *evidence.ReportData, _ *statement.Digest, p *statement.Perimeter) { p.Form = "process" }
	h.wantFailure("bad-evidence")
}

func TestBrokerAnswersSomethingElse(t *testing.T) {
	other := statement.Sum([]byte("something else"))
	for _, c := range []struct {
		name, code string
		fault      func(w *world, b *broker)
	}{
		{"ready for another plan", "other-plan:alpha", func(_ *world, b *broker) { b.onReady = func(r *statement.Ready) { r.Plan = other } }},
		{"ready for another job", "bad-reply:alpha", func(_ *world, b *broker) { b.onReady = func(r *statement.Ready) { r.Job = other } }},
		{"ready for another session", "bad-reply:alpha", func(_ *world, b *broker) { b.onReady = func(r *statement.Ready) { r.Session = other } }},
		{"ready with another offer", "bad-reply:alpha", func(_ *world, b *broker) {
			b.onReady = func(r *statement.Ready) { r.Offers = []statement.Digest{other} }
		}},
		{"ready under another grant", "bad-reply:alpha", func(_ *world, b *broker) { b.onReady = func(r *statement.Ready) { r.Grant = other } }},
		{"ready under another owner's grant", "bad-reply:alpha", func(w *world, b *broker) {
			b.onReady = func(r *statement.Ready) { r.Grant = w.owners[1].grant.Digest() }
		}},
		{"ready of another owner", "bad-reply:alpha", func(w *world, b *broker) { b.onReady = func(r *statement.Ready) { r.Owner = w.owners[1].fp() } }},
		{"ready expired", "bad-reply:alpha", func(w *world, b *broker) { b.onReady = func(r *statement.Ready) { r.ExpiresMS = w.now - 1 } }},
		{"ready signed by another key", "bad-reply:alpha", func(w *world, b *broker) { b.signer = w.owners[1] }},
		{"no ready", "bad-reply:alpha", func(_ *world, b *broker) { b.onReply = func(r *message.Reply) { r.Ready = nil } }},
		{"ready and more", "bad-reply:alpha", func(_ *world, b *broker) { b.onReply = func(r *message.Reply) { r.Keys = []byte{1} } }},
		{"body from an owner", "bad-reply:alpha", func(w *world, b *broker) { b.onReply = func(r *message.Reply) { r.Body = &w.body } }},
		{"refusal", "refused:alpha", func(_ *world, b *broker) {
			b.onReply = func(r *message.Reply) { r.Ready, r.Refusal = nil, b.refusal(message.KindHello) }
		}},
		{"refusal signed by another key", "bad-reply:alpha", func(w *world, b *broker) {
			b.onReply = func(r *message.Reply) {
				b.signer = w.owners[1]
				r.Ready, r.Refusal = nil, b.refusal(message.KindHello)
			}
		}},
		{"refusal of another job", "bad-reply:alpha", func(w *world, b *broker) {
			b.onReply = func(r *message.Reply) {
				r.Ready, r.Refusal = nil, sign(w.t, statement.Refusal{Party: b.fp(), Job: other, Stage: message.KindHello, Code: "policy", AtMS: w.now}, b.by())
			}
		}},
		{"refusal in another's name", "bad-reply:alpha", func(w *world, b *broker) {
			b.onReply = func(r *message.Reply) {
				r.Ready, r.Refusal = nil, sign(w.t, statement.Refusal{Party: w.owners[1].fp(), Job: w.job.Digest(), Stage: message.KindHello, Code: "policy", AtMS: w.now}, b.by())
			}
		}},
		{"silence", "no-answer:alpha", func(_ *world, b *broker) { b.silent = message.KindHello }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			h.limits.ReplyMS = patience(c.code)
			c.fault(w, h.of(w.owners[0]))
			h.wantFailure(c.code)
			h.wantNoReceipts()
			if h.attested > 1 {
				t.Error("keys were asked for")
			}
		})
	}
}

func TestRequesterSendsAnotherBody(t *testing.T) {
	for _, c := range []struct {
		name, code string
		alter      func(*message.Reply)
	}{
		{"other SQL", "bad-body", func(r *message.Reply) { r.Body.SQL = "SELECT count(*) FROM pool.strikes" }},
		{"other salt", "bad-body", func(r *message.Reply) { r.Body.Salt = nonce(8) }},
		{"no body", "bad-reply:institute", func(r *message.Reply) { r.Body = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			h.of(w.institute).onReply = c.alter
			h.wantFailure(c.code)
		})
	}
}

// patience is how long the enclave waits for answers, in milliseconds: where one party is silent, still long enough for the others to
// answer on a busy machine; else far longer than a test takes.
func patience(code string) int64 {
	if strings.HasPrefix(code, "no-answer:") {
		return 2500
	}
	return 60_000
}

func TestReleaseIsNotTheOwnersOrNotForThisJob(t *testing.T) {
	other := statement.Sum([]byte("something else"))
	type r = *statement.Release
	for _, c := range []struct {
		name, code string
		fault      func(w *world, b *broker)
		released   bool // whether the owner's release is genuine all the same, so that it gets a receipt
	}{
		{"signed by another owner", "bad-release:alpha", func(w *world, b *broker) { b.onRelease = func(r, *statement.ReleasedKeys) { b.signer = w.owners[1] } }, false},
		{"of another job", "bad-release:alpha", func(_ *world, b *broker) { b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Job = other } }, false},
		{"to another session", "bad-release:alpha", func(_ *world, b *broker) { b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Session = other } }, false},
		{"for another plan", "bad-release:alpha", func(_ *world, b *broker) { b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Plan = other } }, false},
		{"on other evidence", "bad-release:alpha", func(_ *world, b *broker) { b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Evidence = other } }, false},
		{"after another ready", "bad-release:alpha", func(_ *world, b *broker) { b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Ready = other } }, false},
		{"under another grant", "bad-release:alpha", func(_ *world, b *broker) { b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Grant = other } }, false},
		{"of more columns", "bad-release:alpha", func(_ *world, b *broker) {
			b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Columns[0].Columns = append(r.Columns[0].Columns, "weight") }
		}, false},
		{"of fewer columns", "bad-release:alpha", func(_ *world, b *broker) {
			b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Columns[0].Columns = r.Columns[0].Columns[1:] }
		}, false},
		{"of another offer", "bad-release:alpha", func(_ *world, b *broker) {
			b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Columns[0].Offer = other }
		}, false},
		{"of other sealed keys", "bad-release:alpha", func(_ *world, b *broker) { b.onRelease = func(r r, _ *statement.ReleasedKeys) { r.Sealed = other } }, false},
		{"keys changed on the way", "bad-release:alpha", func(_ *world, b *broker) {
			b.onSealed = func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
		}, false},
		{"keys sealed to another session", "bad-release:alpha", func(w *world, b *broker) {
			b.onRelease = func(r r, _ *statement.ReleasedKeys) {
				mallory := newParty(w.t, "mallory", w.now)
				sealed := sealRaw(w.t, mallory.box.Public(), message.KeysContext(r.Job, b.fp()), statement.ReleasedKeys{Offers: []statement.OfferKeys{}})
				r.Sealed = statement.Sum(sealed)
				b.onSealed = func([]byte) []byte { return sealed }
			}
		}, true},
		{"a key of somebody's own making", "bad-key:alpha", func(w *world, b *broker) {
			b.onRelease = func(_ r, k *statement.ReleasedKeys) { k.Offers[0].Column[0].Key = nonce(3) }
		}, true},
		{"a footer key of somebody's own making", "bad-key:alpha", func(w *world, b *broker) {
			b.onRelease = func(_ r, k *statement.ReleasedKeys) { k.Offers[0].Footer = nonce(3) }
		}, true},
		{"keys of two columns swapped", "bad-key:alpha", func(w *world, b *broker) {
			b.onRelease = func(_ r, k *statement.ReleasedKeys) {
				c := k.Offers[0].Column
				c[0].Key, c[1].Key = c[1].Key, c[0].Key
			}
		}, true},
		{"a column's key missing", "bad-key:alpha", func(w *world, b *broker) {
			b.onRelease = func(_ r, k *statement.ReleasedKeys) { k.Offers[0].Column = k.Offers[0].Column[1:] }
		}, true},
		{"a key more than released", "bad-key:alpha", func(w *world, b *broker) {
			b.onRelease = func(_ r, k *statement.ReleasedKeys) {
				k.Offers[0].Column = append(k.Offers[0].Column, statement.ColumnKey{Column: "weight", Key: b.keys["weight"].BytesUnsafe()})
			}
		}, true},
		{"keys of another offer", "bad-key:alpha", func(w *world, b *broker) {
			b.onRelease = func(_ r, k *statement.ReleasedKeys) { k.Offers[0].Offer = w.owners[1].offer.Digest() }
		}, true},
		{"a short key", "bad-key:alpha", func(w *world, b *broker) {
			b.onRelease = func(_ r, k *statement.ReleasedKeys) { k.Offers[0].Footer = k.Offers[0].Footer[:16] }
		}, true},
		{"refused", "refused:alpha", func(w *world, b *broker) {
			b.onRelease = func(r, *statement.ReleasedKeys) {
				b.onReply = func(m *message.Reply) { m.Release, m.Keys, m.Refusal = nil, nil, b.refusal(message.KindQuote) }
			}
		}, false},
		{"never", "no-answer:alpha", func(w *world, b *broker) { b.silent = message.KindQuote }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			h.limits.ReplyMS = patience(c.code)
			c.fault(w, h.of(w.owners[0]))
			h.wantFailure(c.code)
			for _, o := range w.owners[1:] {
				h.wantReceipt(o, "failed:"+c.code)
			}
			if got := h.of(w.owners[0]).notice != nil; got != c.released {
				t.Errorf("alpha got a receipt: %v, want %v", got, c.released)
			}
			if len(h.artifacts) != 0 {
				t.Error("a result left")
			}
		})
	}
}

// An owner that releases while another refuses has an exposure, so it must get a receipt, even if it answers later.
func TestLateReleaseIsAccountedFor(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	alpha, beta := h.of(w.owners[0]), h.of(w.owners[1])
	alpha.onRelease = func(*statement.Release, *statement.ReleasedKeys) {
		alpha.onReply = func(m *message.Reply) { m.Release, m.Keys, m.Refusal = nil, nil, alpha.refusal(message.KindQuote) }
	}
	beta.onRelease = func(*statement.Release, *statement.ReleasedKeys) { time.Sleep(300 * time.Millisecond) }
	h.wantFailure("refused:alpha")
	h.wantReceipt(w.owners[1], "failed:refused:alpha")
	h.wantReceipt(w.owners[2], "failed:refused:alpha")
}

func TestDataIsNotWhatWasOffered(t *testing.T) {
	for _, c := range []struct {
		name, code string
		spoil      func(w *world, object string, off int64, b []byte) ([]byte, error)
	}{
		{"one bit flipped", "bad-data:alpha", func(w *world, object string, off int64, b []byte) ([]byte, error) {
			at := int64(len(w.lake[object])/3) - off // in the pages
			b[at] ^= 1
			return b, nil
		}},
		{"footer flipped", "bad-data:alpha", func(_ *world, _ string, _ int64, b []byte) ([]byte, error) {
			b[len(b)-40] ^= 1
			return b, nil
		}},
		{"another owner's object", "bad-data:alpha", func(w *world, _ string, _ int64, b []byte) ([]byte, error) {
			for path, other := range w.lake {
				if path != objectOf(w.owners[0]) {
					n := min(len(b), len(other)) - 8
					copy(b[len(b)-n:], other[len(other)-n:])
					return b, nil
				}
			}
			return nil, errors.New("no other object")
		}},
		{"truncated", "channel", func(_ *world, _ string, _ int64, b []byte) ([]byte, error) { return b[:len(b)/2], nil }},
		{"gone", "channel", func(*world, string, int64, []byte) ([]byte, error) {
			return nil, &hostchannel.Problem{Status: 404, Code: "not-found"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
				if path != objectOf(w.owners[0]) {
					return b, nil
				}
				return c.spoil(w, path, off, b)
			}
			h.wantFailure(c.code)
			for _, o := range w.owners {
				h.wantReceipt(o, "failed:"+c.code)
			}
			if len(h.artifacts) != 0 {
				t.Error("a result left")
			}
		})
	}
}

// A changed page is found whether the engine came to read it or not: here it gives up before it reads anything.
func TestChangedPageThatNobodyReads(t *testing.T) {
	w := (&world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]",
		rows: 2000, scatter: true, // most of the file are pages
	}).populate()
	for name, c := range map[string]struct {
		code string
		bit  byte
	}{"sound": {"engine", 0}, "changed": {"bad-data:beta", 1}} {
		t.Run(name, func(t *testing.T) {
			w.ask(w.institute, testSQL)
			h := newFakeHost(w)
			h.limits.MemoryBytes = 1 << 20
			h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
				if path == objectOf(w.owners[1]) {
					b[int64(len(w.lake[path])/8)-off] ^= c.bit
				}
				return b, nil
			}
			h.wantFailure(c.code)
		})
	}
}

// asksFor reports whether a function, by the end of its name, is among those that called.
func asksFor(function string) bool {
	var pcs [20]uintptr
	for frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])]); ; {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, function) {
			return true
		}
		if !more {
			return false
		}
	}
}

// A host that holds back a part until time is over learns nothing by it of the rest: neither from the outcome nor from when the job ends,
// whether a page that it changed was read before.
func TestChangedPageBesideWhatIsHeldBack(t *testing.T) {
	w := (&world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]",
		rows: 200_000, scatter: true,
	}).populate()
	of := []string{objectOf(w.owners[0]), objectOf(w.owners[1]), objectOf(w.owners[2])}
	slices.SortFunc(of, func(x, y string) int { return cmp.Compare(len(w.lake[x]), len(w.lake[y])) })
	first, last := of[0], of[2] // as they are fetched
	for name, bit := range map[string]byte{"sound": 0, "changed": 1} {
		t.Run(name, func(t *testing.T) {
			w.ask(w.institute, testSQL)
			h := newFakeHost(w)
			h.limits.RunMS = 2000
			h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
				end := int64(len(w.lake[path]))
				if path == last && off+int64(len(b)) < end-100 { // no footer
					time.Sleep(3 * time.Second)
				}
				if at := end/8 - off; path == first && at >= 0 && at < int64(len(b)) {
					b[at] ^= bit
				}
				return b, nil
			}
			began := time.Now()
			h.wantFailure("timed-out")
			if took := time.Since(began); took < time.Duration(h.limits.RunMS)*time.Millisecond {
				t.Errorf("it ended after %v, before its time was over", took)
			}
			r := h.wantReceipt(w.owners[1], statement.OutcomeFailed+"timed-out")
			if !slices.ContainsFunc(r.Stages, func(s statement.Stage) bool { return s.Name == "run" }) {
				t.Errorf("time was over before the run: %v", r.Stages)
			}
			for _, e := range r.Exposures {
				if e.Owner == w.owners[1].fp() && e.Bytes == 0 {
					t.Errorf("nothing of %s was decrypted, it says", e.Column)
				}
			}
		})
	}
}

// What is fetched while owners decide may stall as well: the job ends when its time is over.
func TestHostThatStalls(t *testing.T) {
	w := newLargeWorld(t)
	h := newFakeHost(w)
	h.limits.RunMS = 1000
	const stall = 8 * time.Second
	h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
		if off+int64(len(b)) < int64(len(w.lake[path]))-100 { // no footer
			time.Sleep(stall)
		}
		return b, nil
	}
	h.wantFailure("timed-out")
	r := h.wantReceipt(w.owners[1], statement.OutcomeFailed+"timed-out")
	if took := time.Duration(r.Clear.Micros) * time.Microsecond; took > stall/2 {
		t.Errorf("data was in clear for %v", took)
	}
}

// It is found as well when the job's time is over before the engine reads anything: how slow an enclave is, its host decides.
func TestChangedPageThatThereIsNoTimeToRead(t *testing.T) {
	w := (&world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]",
		rows: 60_000, scatter: true, // pages that the first look at the file's end doesn't fetch
	}).populate()
	h := newFakeHost(w)
	var needed atomic.Int64
	h.onObject = func(_ string, _ int64, b []byte) ([]byte, error) { needed.Add(1); return b, nil }
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		code string
		bit  byte
	}{"sound": {"timed-out", 0}, "changed": {"bad-data:beta", 1}} {
		t.Run(name, func(t *testing.T) {
			w.ask(w.institute, testSQL)
			h := newFakeHost(w)
			h.limits.RunMS = 2000
			left := needed.Load()
			h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
				if at := int64(len(w.lake[path])/8) - off; path == objectOf(w.owners[1]) && at >= 0 && at < int64(len(b)) {
					b[at] ^= c.bit
				}
				atomic.AddInt64(&left, -1)
				return b, nil
			}
			var steps atomic.Int64
			h.clock = func() time.Time {
				if asksFor("(*run).step") && steps.Add(1) == 2 { // "open", "run"
					for atomic.LoadInt64(&left) > 0 {
						time.Sleep(time.Millisecond)
					}
					time.Sleep(time.Duration(h.limits.RunMS) * time.Millisecond)
				}
				return time.Now()
			}
			h.wantFailure(c.code)
			r := h.wantReceipt(w.owners[1], statement.OutcomeFailed+c.code)
			if !slices.ContainsFunc(r.Stages, func(s statement.Stage) bool { return s.Name == "run" }) {
				t.Errorf("time was over before the run: %v", r.Stages)
			}
		})
	}
}

func objectOf(o *party) string {
	b, err := statement.DecodeUnverified[statement.Offer](o.offer.Payload)
	if err != nil {
		panic(err)
	}
	return b.Files[0].Object
}

func TestNoKeyWithoutEveryAcknowledgement(t *testing.T) {
	other := statement.Sum([]byte("something else"))
	for _, c := range []struct {
		name, code string
		fault      func(w *world, b *broker)
	}{
		{"missing", "no-answer:alpha", func(_ *world, b *broker) { b.silent = message.KindReceipt }},
		{"signed by another owner", "bad-ack:alpha", func(w *world, b *broker) { b.onAck = func(*statement.Ack) { b.signer = w.owners[1] } }},
		{"of another receipt", "bad-ack:alpha", func(_ *world, b *broker) { b.onAck = func(a *statement.Ack) { a.Receipt = other } }},
		{"of another release", "bad-ack:alpha", func(_ *world, b *broker) { b.onAck = func(a *statement.Ack) { a.Release = other } }},
		{"of another job", "bad-ack:alpha", func(_ *world, b *broker) { b.onAck = func(a *statement.Ack) { a.Job = other } }},
		{"of another owner", "bad-ack:alpha", func(w *world, b *broker) { b.onAck = func(a *statement.Ack) { a.Owner = w.owners[1].fp() } }},
		{"with another time of release", "bad-ack:alpha", func(_ *world, b *broker) { b.onAck = func(a *statement.Ack) { a.ReleasedMS-- } }},
		{"refused", "refused:alpha", func(_ *world, b *broker) {
			b.onAck = func(*statement.Ack) {
				b.onReply = func(m *message.Reply) { m.Ack, m.Refusal = nil, b.refusal(message.KindReceipt) }
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			h.limits.ReplyMS = patience(c.code)
			c.fault(w, h.of(w.owners[0]))
			h.wantFailure(c.code)
		})
	}
}

func TestNoResultWithoutAReceipt(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	h.peak = func() (int64, error) { return 0, errors.New("no measure") }
	h.wantFailure("internal")
	if len(h.artifacts) != 0 {
		t.Error("a result left")
	}
}

func TestNoKeyIfTheResultIsNotStored(t *testing.T) {
	h := newFakeHost(newWorld(t))
	h.onPut = func(name string) error {
		if name == channel.ArtifactResult {
			return errors.New("disk full")
		}
		return nil
	}
	h.wantFailure("result-unsent")
}

func TestNoResultIfItsKeysAreNotStored(t *testing.T) {
	h := newFakeHost(newWorld(t))
	h.onPut = func(name string) error {
		if strings.HasPrefix(name, channel.ArtifactKey) {
			return errors.New("disk full")
		}
		return nil
	}
	h.wantFailure("result-unsent")
}

// TestLastArtifacts: what is too much for the last word is put before it.
func TestLastArtifacts(t *testing.T) {
	half := make([]byte, channel.MaxLast/2)
	all := []channel.Artifact{{Name: "a", Body: half}, {Name: "b", Body: half[2:]}, {Name: "c", Body: half[:1]}}
	for n, want := range map[int]int{0: 0, 1: 1, 2: 2, 3: 2} {
		last, before := lastOf(all[:n])
		if len(last) != want || len(last)+len(before) != n {
			t.Errorf("%d artifacts: %d leave with the last word, %d before", n, len(last), len(before))
		}
	}
}

func TestMessagesThatNeverArrive(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	h.limits.ReplyMS = patience("no-answer:gamma")
	h.onMessage = func(m *channel.Message) bool { return m.To != w.owners[2].fp() }
	started := time.Now()
	h.wantFailure("no-answer:gamma")
	if took := time.Since(started); took > 15*time.Second { // the job itself may take 20 s
		t.Errorf("took %s", took)
	}
}

// Replies to another session, of another round or in another's name say nothing; the genuine one still counts.
func TestStrayRepliesAreIgnored(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	stranger := must[*seal.BoxKey](t)(seal.NewBoxKey())
	old := sealRaw(t, stranger.Public(), message.ReplyContext(w.job.Digest(), w.owners[0].fp()), message.Reply{Stage: message.KindHello})
	h.deliver(w.owners[0].fp(), old)
	h.deliver(w.owners[0].fp(), []byte("not sealed at all"))
	h.deliver(newParty(t, "mallory", w.now).fp(), old)
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
}

// The host passes beta's genuine answer off as alpha's.
func TestOneOwnersAnswerInAnothersName(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	h.limits.ReplyMS = patience("no-answer:alpha")
	h.onMessage = func(m *channel.Message) bool { return m.To != w.owners[0].fp() }
	beta := h.of(w.owners[1])
	beta.onReply = func(*message.Reply) {}
	h.mirror = map[statement.Fingerprint]statement.Fingerprint{w.owners[1].fp(): w.owners[0].fp()}
	h.wantFailure("no-answer:alpha") // it does not open: the sealing names its writer
}

func TestKilledInTheMiddle(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	h.of(w.owners[0]).onRelease = func(*statement.Release, *statement.ReleasedKeys) { h.hangUp() }
	done := make(chan error, 1)
	go func() { done <- h.run() }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a job without a host succeeded")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still running")
	}
	if h.finish != nil {
		t.Error("finished")
	}
	h.wantNoKey()
}

func TestTooLargeForItsClass(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	h.limits.MemoryBytes = 4 << 20
	err := h.run()
	if err == nil {
		t.Error("ran")
	}
	h.wantNoKey()
}

func TestRequesterWithOwnData(t *testing.T) {
	w := newWorld(t)
	me := w.owners[0]
	members := must[*statement.Pool](t)(statement.DecodeUnverified[statement.Pool](w.pool.Payload)).Members
	b := w.contractBody(members)
	b.Requester, b.Recipients = me.fp(), []statement.Fingerprint{me.fp()}
	w.contract = sign(t, b, me)
	w.grantAll()
	w.ask(me, testSQL)
	h := newFakeHost(w)
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	if table, _ := h.open(me); len(table.Rows) != 2 {
		t.Errorf("%d rows", len(table.Rows))
	}
	if b := h.of(w.institute); b.session != nil {
		t.Error("somebody not concerned was asked")
	}
}

func TestIncompleteOptions(t *testing.T) {
	if err := Run(context.Background(), Options{}); !errors.Is(err, errOptions) {
		t.Errorf("got %v", err)
	}
}
