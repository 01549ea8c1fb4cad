package receipt_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

func verify(a *receipttest.Account) (*receipt.Report, error) {
	return receipt.Verify(context.Background(), a.Bytes, a.Options())
}

func TestGenuineAccountsVerify(t *testing.T) {
	for name, a := range map[string]*receipttest.Account{
		"result": receipttest.New(t, receipttest.Edit{}),
		"failed": receipttest.NewFailed(t, receipttest.Edit{}, "clamp"),
		"result to others too": receipttest.New(t, receipttest.Edit{
			Contract: func(c *statement.Contract) { c.Recipients = append(c.Recipients, c.Tables[0].Members[1].Owner) },
			Receipt: func(r *statement.Receipt) {
				r.Recipients = append(r.Recipients, receipttest.NewParty(t, "bravo").Fingerprint())
			},
		}),
		"a data set of its own beside the pool": receipttest.New(t, receipttest.Edit{
			Contract: func(c *statement.Contract) {
				c.Tables = append(c.Tables, statement.Table{Name: "alpha.strikes", Members: c.Tables[0].Members[:1]})
			},
		}),
		"parties not introduced": receipttest.New(t, receipttest.Edit{
			Bundle: func(b *receipt.Bundle) { b.Parties = b.Parties[:1] },
		}),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := verify(a)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Checks) != 13 || !r.Simulated() || len(r.Outside) != 3 || r.Digest != a.Bundle.Receipt.Digest() {
				t.Fatalf("%d checks, simulated %t, %d outside bounds", len(r.Checks), r.Simulated(), len(r.Outside))
			}
		})
	}
}

// lie is one thing wrong with an account, told by somebody who holds the keys
// to tell it, and all that follows made consistent with it.
type lie struct {
	name string
	want string // how the error begins, after ErrInvalid
	edit receipttest.Edit
}

// of calls f for what one owner signs.
func of[T any](t *testing.T, name string, owner func(*T) statement.Fingerprint, f func(*T)) func(*T) {
	who := receipttest.NewParty(t, name).Fingerprint()
	return func(v *T) {
		if owner(v) == who {
			f(v)
		}
	}
}

func grantOf(t *testing.T, f func(*statement.Grant)) func(*statement.Grant) {
	return of(t, "bravo", func(g *statement.Grant) statement.Fingerprint { return g.Owner }, f)
}

func readyOf(t *testing.T, f func(*statement.Ready)) func(*statement.Ready) {
	return of(t, "bravo", func(r *statement.Ready) statement.Fingerprint { return r.Owner }, f)
}

func releaseOf(t *testing.T, f func(*statement.Release)) func(*statement.Release) {
	return of(t, "bravo", func(r *statement.Release) statement.Fingerprint { return r.Owner }, f)
}

func ackOf(t *testing.T, f func(*statement.Ack)) func(*statement.Ack) {
	return of(t, "bravo", func(a *statement.Ack) statement.Fingerprint { return a.Owner }, f)
}

func onReceipt(f func(*statement.Receipt)) receipttest.Edit { return receipttest.Edit{Receipt: f} }
func onBundle(f func(*receipt.Bundle)) receipttest.Edit     { return receipttest.Edit{Bundle: f} }

func at(d time.Duration) int64 { return receipttest.Start.Add(d).UnixMilli() }

var elsewhere = statement.Sum([]byte("something else"))

func TestLiesDoNotVerify(t *testing.T) {
	mallory := receipttest.NewParty(t, "mallory")
	var lies []lie
	lies = append(lies, agreementLies(t, mallory)...)
	lies = append(lies, partyLies(t, mallory)...)
	lies = append(lies, offerLies(t, mallory)...)
	lies = append(lies, grantLies(t, mallory)...)
	lies = append(lies, readyLies(t)...)
	lies = append(lies, releaseLies(t)...)
	lies = append(lies, timeLies(t)...)
	lies = append(lies, evidenceLies(t, mallory)...)
	lies = append(lies, exposureLies(t)...)
	lies = append(lies, ackLies(t, mallory)...)
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			refused(t, receipttest.New(t, l.edit), l.want)
		})
	}
}

func refused(t *testing.T, a *receipttest.Account, want string) {
	t.Helper()
	r, err := verify(a)
	if r != nil || !errors.Is(err, receipt.ErrInvalid) {
		t.Fatalf("report %v, error %v", r != nil, err)
	}
	if got := strings.TrimPrefix(err.Error(), receipt.ErrInvalid.Error()+": "); !strings.HasPrefix(got, want) {
		t.Fatalf("error %q, want it to begin with %q", got, want)
	}
}

func agreementLies(t *testing.T, mallory *receipttest.Party) []lie {
	other := receipttest.New(t, receipttest.Edit{Job: func(j *statement.Job) { j.Nonce[0] ^= 1 }})
	bravo := receipttest.NewParty(t, "bravo").Fingerprint()
	return []lie{
		{"receipt signed by somebody else", "receipt: statement: signature", onBundle(func(b *receipt.Bundle) {
			b.Receipt = resigned(t, b.Receipt, mallory)
		})},
		{"job signed by somebody else", "job and contract: job: statement: signature", onBundle(func(b *receipt.Bundle) {
			b.Job = resigned(t, b.Job, mallory)
		})},
		{"contract signed by somebody else", "job and contract: contract: statement: signature", onBundle(func(b *receipt.Bundle) {
			b.Contract = resigned(t, b.Contract, mallory)
		})},
		{"job of another account", "job and contract: receipt is for another job", onBundle(func(b *receipt.Bundle) { b.Job = other.Bundle.Job })},
		{"receipt names another contract", "job and contract: receipt is for another contract", onReceipt(func(r *statement.Receipt) { r.Contract = elsewhere })},
		{"job names another contract", "job and contract: job is for another contract", receipttest.Edit{Job: func(j *statement.Job) { j.Contract = elsewhere }}},
		{"job of another requester", "job and contract: requester of the job", receipttest.Edit{Job: func(j *statement.Job) { j.Requester = bravo }}},
		{"contract of another requester", "job and contract: requester of the job", receipttest.Edit{Contract: func(c *statement.Contract) { c.Requester = bravo }}},
		{"receipt names another requester", "job and contract: requester of the receipt", onReceipt(func(r *statement.Receipt) { r.Requester = bravo })},
		{"receipt names another recipient", "job and contract: recipients", onReceipt(func(r *statement.Receipt) { r.Recipients[0] = bravo })},
		{"receipt adds a recipient", "job and contract: recipients", onReceipt(func(r *statement.Receipt) { r.Recipients = append(r.Recipients, bravo) })},
		{"operator not in the contract", "job and contract: operator", onReceipt(func(r *statement.Receipt) { r.Operator = bravo })},
		{"build not in the contract", "job and contract: enclave build", onReceipt(func(r *statement.Receipt) { r.Build = elsewhere })},
		{"job names an owner outside the contract", "job and contract: job names an owner", receipttest.Edit{Job: func(j *statement.Job) {
			j.Owners = append(j.Owners, mallory.Fingerprint())
			slices.Sort(j.Owners)
			j.Bodies = bodiesFor(j.Brokers())
		}}},
	}
}

// resigned is the same payload under another signature.
func resigned(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	t.Helper()
	out := statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	if err := out.AddSignature(by.Key); err != nil {
		t.Fatal(err)
	}
	return out
}

func bodiesFor(brokers []statement.Fingerprint) []statement.SealedBody {
	var out []statement.SealedBody
	for _, b := range brokers {
		out = append(out, statement.SealedBody{To: b, Sealed: []byte("sealed")})
	}
	return out
}

func partyLies(t *testing.T, mallory *receipttest.Party) []lie {
	introduction := func(name string, p *receipttest.Party) statement.Envelope {
		return receipttest.Sign(t, statement.Party{Name: name, Key: p.Key.Public().String(), Box: p.Box.Public(), CreatedMS: 1}, p)
	}
	alpha := receipttest.NewParty(t, "alpha")
	return []lie{
		{"party signed by somebody else", "parties: statement: signature", onBundle(func(b *receipt.Bundle) { b.Parties[0] = resigned(t, b.Parties[0], mallory) })},
		{"a stranger introduces itself", "parties: a party introduces itself that", onBundle(func(b *receipt.Bundle) { b.Parties = append(b.Parties, introduction("faa", mallory)) })},
		{"a second name", "parties: a party introduces itself twice", onBundle(func(b *receipt.Bundle) { b.Parties = append(b.Parties, introduction("delta", alpha)) })},
		{"another's name", "parties: two parties call themselves charlie", receipttest.Edit{Party: func(p *statement.Party) {
			if p.Name == "bravo" {
				p.Name = "charlie"
			}
		}}},
	}
}

func offerLies(t *testing.T, mallory *receipttest.Party) []lie {
	other := receipttest.New(t, receipttest.Edit{Offer: func(o *statement.Offer) { o.Version = "2026-02" }})
	return []lie{
		{"offer signed by somebody else", "offers: statement: signature", onBundle(func(b *receipt.Bundle) { b.Offers[0] = resigned(t, b.Offers[0], mallory) })},
		{"offer of another version", "offers: an offer is not in the contract", onBundle(func(b *receipt.Bundle) { b.Offers[0] = other.Bundle.Offers[0] })},
		{"offer twice", "offers: an offer is there twice", onBundle(func(b *receipt.Bundle) { b.Offers = append(b.Offers, b.Offers[0]) })},
		{"offer missing", "ready: a ready names an offer that is not there", onBundle(func(b *receipt.Bundle) { b.Offers = b.Offers[:2] })},
		{"pool not signed by every member", "pools: statement: signature", onBundle(func(b *receipt.Bundle) { b.Pools[0].Signatures = b.Pools[0].Signatures[:2] })},
		{"pool missing", "pools: pool statement of pool.strikes missing", onBundle(func(b *receipt.Bundle) { b.Pools = nil })},
		{"pool of other members", "pools: pool statement of pool.strikes missing", receipttest.Edit{Contract: func(c *statement.Contract) {
			c.Tables[0].Members = c.Tables[0].Members[:2]
		}, Job: func(j *statement.Job) {
			j.Owners = keep(j.Owners, t, "alpha", "bravo")
			j.Bodies = bodiesFor(j.Brokers())
		},
			Bundle: func(b *receipt.Bundle) { b.Offers = b.Offers[:2]; b.Parties = slices.Delete(b.Parties, 2, 3) }}},
		{"pool of another name", "pools: pool statement of pool.flights missing", receipttest.Edit{Contract: func(c *statement.Contract) { c.Tables[0].Name = "pool.flights" }}},
		{"pool that the contract does not name", "pools: a pool is not in the contract", onBundle(func(b *receipt.Bundle) { b.Pools = append(b.Pools, other.Bundle.Pools...) })},
		{"pool twice", "pools: a pool is there twice", onBundle(func(b *receipt.Bundle) { b.Pools = append(b.Pools, b.Pools...) })},
	}
}

func keep(list []statement.Fingerprint, t *testing.T, names ...string) []statement.Fingerprint {
	var out []statement.Fingerprint
	for _, n := range names {
		if f := receipttest.NewParty(t, n).Fingerprint(); slices.Contains(list, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

func grantLies(t *testing.T, mallory *receipttest.Party) []lie {
	return []lie{
		{"grant signed by somebody else", "grants: statement: signature", onBundle(func(b *receipt.Bundle) { b.Grants[0] = resigned(t, b.Grants[0], mallory) })},
		{"grant of another contract", "grants: a grant is for another contract", receipttest.Edit{Grant: grantOf(t, func(g *statement.Grant) { g.Contract = elsewhere })}},
		{"grant missing", "grants: not exactly the grants of the job's owners", onBundle(func(b *receipt.Bundle) { b.Grants = b.Grants[:2] })},
		{"grant twice", "grants: two of one owner", onBundle(func(b *receipt.Bundle) { b.Grants = append(b.Grants, b.Grants[0]) })},
		{"grant of a stranger", "grants: not exactly the grants of the job's owners", onBundle(func(b *receipt.Bundle) {
			b.Grants = append(b.Grants, receipttest.Sign(t, statement.Grant{
				Owner: mallory.Fingerprint(), Contract: b.Contract.Digest(), Offers: []statement.Digest{elsewhere},
				Authority: statement.ByHand, CreatedMS: 1, UntilMS: 2,
			}, mallory))
		})},
		{"receipt names another grant", "grants: not the grants that the receipt names", onReceipt(func(r *statement.Receipt) { r.Grants[0] = elsewhere })},
		{"receipt leaves a grant out", "grants: not the grants that the receipt names", onReceipt(func(r *statement.Receipt) { r.Grants = r.Grants[:2] })},
	}
}

func readyLies(t *testing.T) []lie {
	ready := func(f func(*statement.Ready)) receipttest.Edit { return receipttest.Edit{Ready: readyOf(t, f)} }
	mallory := receipttest.NewParty(t, "mallory")
	alphasOffer := func(a *statement.Ready) { a.Offers = []statement.Digest{offerOf(t, "alpha")} }
	return []lie{
		{"ready signed by somebody else", "ready: statement: signature", onBundle(func(b *receipt.Bundle) { b.Readies[0] = resigned(t, b.Readies[0], mallory) })},
		{"ready missing", "ready: not exactly the readies of the job's owners", onBundle(func(b *receipt.Bundle) { b.Readies = b.Readies[:2] })},
		{"ready twice", "ready: two of one owner", onBundle(func(b *receipt.Bundle) { b.Readies = append(b.Readies, b.Readies[0]) })},
		{"receipt names another ready", "ready: not the readies that the receipt names", onReceipt(func(r *statement.Receipt) { r.Readies[0] = elsewhere })},
		{"ready for another job", "ready: a ready is for another job", ready(func(r *statement.Ready) { r.Job = elsewhere })},
		{"ready for another plan", "ready: a ready is for another plan", ready(func(r *statement.Ready) { r.Plan = elsewhere })},
		{"ready for another session", "ready: a ready is for another session", ready(func(r *statement.Ready) { r.Session = elsewhere })},
		{"ready under another grant", "ready: a ready does not follow from its owner's grant", ready(func(r *statement.Ready) { r.Grant = elsewhere })},
		{"ready for an unknown offer", "ready: a ready names an offer that is not there", ready(func(r *statement.Ready) { r.Offers[0] = elsewhere })},
		{"ready for another owner's offer", "ready: a ready names an offer that is not there or not its owner's", ready(alphasOffer)},
		{"ready for an offer not granted", "ready: a ready names an offer that its owner did not grant", receipttest.Edit{
			Grant: grantOf(t, func(g *statement.Grant) { g.Offers[0] = elsewhere })}},
		{"ready asks for more than the offer", "ready: a ready asks for more", ready(func(r *statement.Ready) { r.Price = 4 })},
		{"job over a part of the pool", "ready: only part of a pool's epoch", receipttest.Edit{
			Job: func(j *statement.Job) {
				j.Owners = keep(j.Owners, t, "alpha", "bravo")
				j.Bodies = bodiesFor(j.Brokers())
			},
			Receipt: func(r *statement.Receipt) {
				r.Grants, r.Readies, r.Releases, r.Exposures = r.Grants[:2], r.Readies[:2], r.Releases[:2], r.Exposures[:6]
				total(r)
			},
			Bundle: func(b *receipt.Bundle) {
				b.Grants, b.Readies, b.Releases, b.Acks = b.Grants[:2], b.Readies[:2], b.Releases[:2], b.Acks[:2]
			},
		}},
	}
}

// total makes the sums of an account right again.
func total(r *statement.Receipt) {
	r.Clear.Bytes = 0
	for _, e := range r.Exposures {
		r.Clear.Bytes += e.Bytes
	}
	r.Clear.ByteMilliseconds = statement.ByteMilliseconds(r.Clear.Bytes, r.Clear.Micros)
}

// offerOf is deterministic: an offer depends on nothing but its owner's name.
func offerOf(t *testing.T, name string) statement.Digest {
	a := receipttest.New(t, receipttest.Edit{})
	for i, p := range a.Owners {
		if p.Name == name {
			return a.Bundle.Offers[i].Digest()
		}
	}
	t.Fatal("no such owner")
	return ""
}

func releaseLies(t *testing.T) []lie {
	release := func(f func(*statement.Release)) receipttest.Edit { return receipttest.Edit{Release: releaseOf(t, f)} }
	mallory := receipttest.NewParty(t, "mallory")
	return []lie{
		{"release signed by somebody else", "releases: statement: signature", onBundle(func(b *receipt.Bundle) { b.Releases[0] = resigned(t, b.Releases[0], mallory) })},
		{"release missing", "releases: not the releases that the receipt names", onBundle(func(b *receipt.Bundle) { b.Releases = b.Releases[:2] })},
		{"release twice", "releases: two of one owner", onBundle(func(b *receipt.Bundle) { b.Releases = append(b.Releases, b.Releases[0]) })},
		{"receipt names another release", "releases: not the releases that the receipt names", onReceipt(func(r *statement.Receipt) { r.Releases[0] = elsewhere })},
		{"result without a release of every owner", "releases: a result without a release of every owner", receipttest.Edit{
			Receipt: func(r *statement.Receipt) { r.Releases, r.Exposures = r.Releases[:2], r.Exposures[:6]; total(r) },
			Bundle:  func(b *receipt.Bundle) { b.Releases, b.Acks = b.Releases[:2], b.Acks[:2] },
		}},
		{"release of somebody not concerned", "releases: a release of somebody", func() receipttest.Edit {
			var extra statement.Envelope
			return receipttest.Edit{
				Release: releaseOf(t, func(r *statement.Release) {
					x := *r
					x.Owner = mallory.Fingerprint()
					extra = receipttest.Sign(t, x, mallory)
				}),
				Receipt: func(r *statement.Receipt) { r.Releases = append(r.Releases, extra.Digest()) },
				Bundle:  func(b *receipt.Bundle) { b.Releases = append(b.Releases, extra) },
			}
		}()},
		{"release for another job", "releases: a release is for another job", release(func(r *statement.Release) { r.Job = elsewhere })},
		{"release for another plan", "releases: a release is for another plan", release(func(r *statement.Release) { r.Plan = elsewhere })},
		{"release for another session", "releases: a release is for another session", release(func(r *statement.Release) { r.Session = elsewhere })},
		{"release for other evidence", "releases: a release is for other evidence", release(func(r *statement.Release) { r.Evidence = elsewhere })},
		{"release after another ready", "releases: a release does not follow from its owner's ready", release(func(r *statement.Release) { r.Ready = elsewhere })},
		{"release under another grant", "releases: a release does not follow from its owner's grant", release(func(r *statement.Release) { r.Grant = elsewhere })},
		{"release of another offer", "releases: a release opens other offers", release(func(r *statement.Release) { r.Columns[0].Offer = offerOf(t, "alpha") })},
		{"release charges more", "releases: a release charges more", release(func(r *statement.Release) { r.Charged = 4 })},
		{"release of an unknown column", "releases: a release opens a column that its offer does not have", release(func(r *statement.Release) { r.Columns[0].Columns = []string{"cost", "pilot"} })},
		{"release of a noise key that the offer has not", "releases: a release opens a column that its offer does not have", release(func(r *statement.Release) { r.Columns[0].Columns = []string{"cost", statement.NoiseKey} })},
	}
}

func timeLies(t *testing.T) []lie {
	released := func(ms int64, more receipttest.Edit) receipttest.Edit {
		more.Release = releaseOf(t, func(r *statement.Release) { r.ReleasedMS = ms })
		return more
	}
	return []lie{
		{"release before the contract", "times: a release while the contract", released(at(-24*time.Hour-time.Millisecond), receipttest.Edit{
			Grant: grantOf(t, func(g *statement.Grant) { g.CreatedMS = at(-25 * time.Hour) })})},
		{"release after the contract", "times: a release while the contract", released(at(24*time.Hour+time.Millisecond), receipttest.Edit{
			Grant: grantOf(t, func(g *statement.Grant) { g.UntilMS = at(48 * time.Hour) }),
			Job:   func(j *statement.Job) { j.ExpiresMS = at(48 * time.Hour) },
			Ready: readyOf(t, func(r *statement.Ready) { r.ExpiresMS = at(48 * time.Hour) }),
		})},
		{"release before the grant", "times: a release while its owner's grant", released(at(-20*time.Hour-time.Millisecond), receipttest.Edit{})},
		{"release after the grant", "times: a release while its owner's grant", released(at(1001*time.Millisecond), receipttest.Edit{
			Grant: grantOf(t, func(g *statement.Grant) { g.UntilMS = at(time.Second) })})},
		{"release after the job", "times: a release after the job", receipttest.Edit{Job: func(j *statement.Job) { j.ExpiresMS = at(1019 * time.Millisecond) }}},
		{"release after the ready", "times: a release after its owner's ready", receipttest.Edit{Ready: readyOf(t, func(r *statement.Ready) { r.ExpiresMS = at(1009 * time.Millisecond) })}},
	}
}

func evidenceLies(t *testing.T, mallory *receipttest.Party) []lie {
	report := func(f func(*receipttest.Report)) receipttest.Edit { return receipttest.Edit{Report: f} }
	return []lie{
		{"evidence too old at the first release", "evidence: " + evidence.ErrClock.Error(), report(func(r *receipttest.Report) { r.At = receipttest.Start.Add(-5 * time.Minute) })},
		{"evidence too old at the last release", "evidence: " + evidence.ErrClock.Error(), receipttest.Edit{
			Report:  func(r *receipttest.Report) { r.At = receipttest.Start.Add(-4 * time.Minute) },
			Release: releaseOf(t, func(r *statement.Release) { r.ReleasedMS = at(61 * time.Second) })}},
		{"evidence from the future", "evidence: " + evidence.ErrClock.Error(), report(func(r *receipttest.Report) { r.At = receipttest.Start.Add(6 * time.Minute) })},
		{"evidence with one bit changed", "evidence: evidence: ", receipttest.Edit{Evidence: func(e *statement.Evidence) { e.Raw[len(e.Raw)-10] ^= 1 }}},
		{"evidence of another kind", "evidence: " + evidence.ErrKind.Error(), receipttest.Edit{
			Contract: func(c *statement.Contract) { c.Evidence = []string{"sgx"} }}},
		{"evidence with a kind nobody can verify", "evidence: " + evidence.ErrKind.Error(), receipttest.Edit{
			Contract: func(c *statement.Contract) { c.Evidence = []string{"sgx"} },
			Evidence: func(e *statement.Evidence) { e.Kind = "sgx" },
			Receipt:  func(r *statement.Receipt) { r.Perimeter.Kind, r.Perimeter.Simulated = "sgx", false }}},
		{"evidence made for something else", "evidence: " + evidence.ErrBinding.Error(), report(func(r *receipttest.Report) { r.Data[0] ^= 1 })},
		{"evidence of a build nobody accepted", "evidence: " + evidence.ErrBuild.Error(), report(func(r *receipttest.Report) { r.Build = elsewhere })},
		{"evidence of an operator nobody accepted", "evidence: " + evidence.ErrOperator.Error(), report(func(r *receipttest.Report) { r.Signer = mallory })},
		{"evidence of a perimeter nobody accepted", "evidence: " + evidence.ErrPerimeter.Error(), report(func(r *receipttest.Report) { r.Perimeter.Form = "process-no-userns" })},
		{"receipt states another accepted build", "evidence: receipt states another build", receipttest.Edit{
			Contract: func(c *statement.Contract) { c.Builds = append(c.Builds, elsewhere) },
			Receipt:  func(r *statement.Receipt) { r.Build = elsewhere }}},
		{"receipt states another accepted operator", "evidence: receipt states another operator", receipttest.Edit{
			Contract: func(c *statement.Contract) { c.Operators = append(c.Operators, c.Requester) },
			Receipt:  func(r *statement.Receipt) { r.Operator = r.Requester }}},
		{"receipt states another form", "evidence: receipt states another perimeter", receipttest.Edit{
			Contract: func(c *statement.Contract) { c.Perimeters = append(c.Perimeters, "vm") },
			Receipt:  func(r *statement.Receipt) { r.Perimeter.Form = "vm" }}},
		{"receipt adds a protection", "evidence: receipt states another perimeter", onReceipt(func(r *statement.Receipt) {
			r.Perimeter.Details = append(r.Perimeter.Details, statement.Property{Name: "tpm", Value: "yes"})
		})},
		{"receipt changes a protection", "evidence: receipt states another perimeter", onReceipt(func(r *statement.Receipt) {
			r.Perimeter.Details = slices.Clone(r.Perimeter.Details)
			r.Perimeter.Details[2].Value = "none"
		})},
		{"receipt changes the filter that evidence shows", "evidence: receipt states another perimeter", report(func(r *receipttest.Report) { r.Perimeter.Seccomp = elsewhere })},
		{"receipt changes what evidence shows of the enclave itself", "evidence: receipt states another perimeter", receipttest.Edit{
			Report: func(r *receipttest.Report) {
				r.Perimeter.Self = []statement.Property{{Name: "key-memory", Value: "none"}}
			},
			Receipt: func(r *statement.Receipt) {
				r.Perimeter.Self = []statement.Property{{Name: "key-memory", Value: "memfd_secret"}}
			}}},
	}
}

func exposureLies(t *testing.T) []lie {
	return []lie{
		{"a released column is left out", "exposures: a released column is missing", onReceipt(func(r *statement.Receipt) {
			r.Exposures = r.Exposures[:len(r.Exposures)-1]
			total(r)
		})},
		{"a footer is left out", "exposures: a released column is missing", onReceipt(func(r *statement.Receipt) {
			r.Exposures = slices.Delete(r.Exposures, 0, 1)
			total(r)
		})},
		{"a column that nobody released", "exposures: a column was in clear that nobody released", onReceipt(func(r *statement.Receipt) {
			r.Exposures[1].Column = "phase"
		})},
		{"a column twice", "exposures: a column was in clear that nobody released, or is listed twice", onReceipt(func(r *statement.Receipt) {
			r.Exposures = append(r.Exposures, r.Exposures[0])
			total(r)
		})},
		{"a column of another owner", "exposures: a column was in clear that nobody released", onReceipt(func(r *statement.Receipt) {
			r.Exposures[0].Owner = r.Exposures[3].Owner
		})},
		{"a column of another offer", "exposures: a column was in clear that nobody released", onReceipt(func(r *statement.Receipt) {
			r.Exposures[0].Offer = r.Exposures[3].Offer
		})},
	}
}

func ackLies(t *testing.T, mallory *receipttest.Party) []lie {
	ack := func(f func(*statement.Ack)) receipttest.Edit { return receipttest.Edit{Ack: ackOf(t, f)} }
	return []lie{
		{"acknowledgement signed by somebody else", "acknowledgements: statement: signature", onBundle(func(b *receipt.Bundle) { b.Acks[0] = resigned(t, b.Acks[0], mallory) })},
		{"acknowledgement missing", "acknowledgements: missing", onBundle(func(b *receipt.Bundle) { b.Acks = b.Acks[:2] })},
		{"no acknowledgement", "acknowledgements: missing", onBundle(func(b *receipt.Bundle) { b.Acks = []statement.Envelope{} })},
		{"acknowledgement twice", "acknowledgements: two of one owner", onBundle(func(b *receipt.Bundle) { b.Acks[2] = b.Acks[0] })},
		{"acknowledgement of a stranger", "acknowledgements: an acknowledgement of somebody who released nothing", onBundle(func(b *receipt.Bundle) {
			b.Acks = append(b.Acks, receipttest.Sign(t, statement.Ack{Owner: mallory.Fingerprint(), Job: b.Job.Digest(),
				Receipt: b.Receipt.Digest(), Release: b.Releases[0].Digest(), ReleasedMS: 1, ClosedMS: 2,
				Head: statement.LedgerHead{Seq: 1, Digest: elsewhere}}, mallory))
		})},
		{"acknowledgement of another job", "acknowledgements: an acknowledgement is for another job", ack(func(a *statement.Ack) { a.Job = elsewhere })},
		{"acknowledgement of another receipt", "acknowledgements: an acknowledgement is for another receipt", ack(func(a *statement.Ack) { a.Receipt = elsewhere })},
		{"acknowledgement of another release", "acknowledgements: an acknowledgement is for another release", ack(func(a *statement.Ack) { a.Release = elsewhere })},
		{"acknowledgement shortens its time", "acknowledgements: an acknowledgement states another time", ack(func(a *statement.Ack) { a.ReleasedMS++ })},
	}
}

func TestFailedJobsAccountForWhatWasReleased(t *testing.T) {
	refused(t, receipttest.NewFailed(t, onReceipt(func(r *statement.Receipt) { r.Exposures = r.Exposures[:8] }), "clamp"), "exposures: a released column is missing")
	part := receipttest.Edit{
		Receipt: func(r *statement.Receipt) { r.Releases, r.Exposures = r.Releases[:2], r.Exposures[:6]; total(r) },
		Bundle:  func(b *receipt.Bundle) { b.Releases, b.Acks = b.Releases[:2], b.Acks[:2] },
	}
	if _, err := verify(receipttest.NewFailed(t, part, "owner-silent")); err != nil {
		t.Fatalf("a job can fail after a part of the releases: %v", err)
	}
}

// TestUnknownPartiesShowInFull: the start of a fingerprint would be easy to imitate.
func TestUnknownPartiesShowInFull(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{Bundle: func(b *receipt.Bundle) { b.Parties = b.Parties[:1] }})
	r, err := verify(a)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Who(a.Owners[0].Fingerprint()); got != "alpha" {
		t.Errorf("alpha is shown as %s", got)
	}
	if got := r.Who(a.Owners[1].Fingerprint()); got != string(a.Owners[1].Fingerprint()) {
		t.Errorf("a party not introduced is shown as %s", got)
	}
	opt := a.Options()
	opt.Pins = opt.Pins[:1]
	if _, err := receipt.Verify(context.Background(), a.Bytes, opt); err == nil || !strings.Contains(err.Error(), "(not introduced)") {
		t.Errorf("%v", err)
	}
}

func TestSummary(t *testing.T) {
	r, err := verify(receipttest.New(t, receipttest.Edit{}))
	if err != nil {
		t.Fatal(err)
	}
	s := r.Summary()
	if s.Digest != r.Digest || !s.Simulated || s.Receipt != r.Receipt || len(s.Outside) != 3 || len(s.Checks) != len(r.Checks) || len(s.Notes) != 1 || len(s.Names) != 5 {
		t.Errorf("%+v", s)
	}
}

func TestEveryPinIsNeeded(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{})
	for i, p := range a.Everyone() {
		opt := a.Options()
		opt.Pins = slices.Delete(opt.Pins, i, i+1)
		_, err := receipt.Verify(context.Background(), a.Bytes, opt)
		if err == nil || !strings.Contains(err.Error(), "pinned: no pin given for "+string(p.Fingerprint())+" (calls itself "+p.Name+")") {
			t.Fatalf("without the pin of %s: %v", p.Name, err)
		}
	}
}

func TestAbsenceRefuses(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{})
	for name, opt := range map[string]receipt.Options{
		"no options":   {},
		"no pins":      {Verifiers: a.Options().Verifiers},
		"no verifiers": {Pins: a.Pins()},
		"nil verifier": {Pins: a.Pins(), Verifiers: evidence.Verifiers{"simulated": nil}},
		"another kind": {Pins: a.Pins(), Verifiers: evidence.Verifiers{"sgx": a.Options().Verifiers["simulated"]}},
	} {
		if r, err := receipt.Verify(context.Background(), a.Bytes, opt); r != nil || !errors.Is(err, receipt.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNotesWarn(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{
		Offer:    operatedBy(receipttest.NewParty(t, "institute")),
		Contract: func(c *statement.Contract) { c.Operators = []statement.Fingerprint{c.Requester} },
		Report:   func(r *receipttest.Report) { r.Signer = receipttest.NewParty(t, "institute") },
		Receipt:  func(r *statement.Receipt) { r.Operator = r.Requester },
		Release:  releaseOf(t, func(r *statement.Release) { r.Number, r.Charged = 2, 0 }),
		Bundle:   func(b *receipt.Bundle) { b.Parties = b.Parties[:4] },
	})
	notes(t, a, "SIMULATED", "the operator of the host also receives", "bravo released its keys for the second time")
	charlie := receipttest.NewParty(t, "charlie")
	notes(t, receipttest.New(t, receipttest.Edit{
		Offer:    operatedBy(charlie),
		Contract: func(c *statement.Contract) { c.Operators = []statement.Fingerprint{charlie.Fingerprint()} },
		Report:   func(r *receipttest.Report) { r.Signer = charlie },
		Receipt:  func(r *statement.Receipt) { r.Operator = charlie.Fingerprint() },
		Bundle:   func(b *receipt.Bundle) { b.Parties = b.Parties[:4] },
	}), "SIMULATED", "the operator of the host is one of the owners")
	notes(t, receipttest.New(t, receipttest.Edit{}), "SIMULATED")
}

func operatedBy(p *receipttest.Party) func(*statement.Offer) {
	return func(o *statement.Offer) {
		o.Policy = receipttest.PolicyText([]statement.Fingerprint{p.Fingerprint()}, evidence.Simulated, receipttest.Build)
	}
}

func notes(t *testing.T, a *receipttest.Account, want ...string) {
	t.Helper()
	r, err := verify(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Notes) != len(want) {
		t.Errorf("%d notes, want %d", len(r.Notes), len(want))
	}
	got := strings.Join(r.Notes, "\n")
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("no note with %q in %q", w, got)
		}
	}
}
