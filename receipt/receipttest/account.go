package receipttest

import (
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Start is the time at which the job of every account was signed.
var Start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func ms(after time.Duration) int64 { return Start.Add(after).UnixMilli() }

// Edit holds what a test changes, each just before it is signed. Those for
// statements of owners are called once for each owner; nil changes nothing.
type Edit struct {
	Party    func(*statement.Party)
	Offer    func(*statement.Offer)
	Pool     func(*statement.Pool)
	Contract func(*statement.Contract)
	Grant    func(*statement.Grant)
	Job      func(*statement.Job)
	Ready    func(*statement.Ready)
	Report   func(*Report)
	Hosted   func(evidence.ReportData) (kind string, q hosted.Quoted) // evidence of this kind, of Report's build, instead of simulated
	Evidence func(*statement.Evidence)
	Release  func(*statement.Release)
	Receipt  func(*statement.Receipt)
	Ack      func(*statement.Ack)
	Bundle   func(*receipt.Bundle)
}

func edit[T any](f func(*T), v *T) {
	if f != nil {
		f(v)
	}
}

// Report is what the operator's evidence asserts.
type Report struct {
	Signer    *Party
	Build     statement.Digest
	Data      evidence.ReportData
	Perimeter statement.Perimeter
	At        time.Time
}

// Account is a job with its whole history.
type Account struct {
	Requester, Operator *Party
	Owners              []*Party // alpha, bravo, charlie
	Session             *Party
	Body                statement.Body
	Bundle              *receipt.Bundle
	Bytes               []byte // the bundle, encoded

	t        testing.TB
	edit     Edit
	failed   string
	offers   []statement.Digest // in the order of Owners
	policies []statement.Digest
	ready    []statement.Digest
	grants   []statement.Digest
	release  []statement.Digest
	receipt  statement.Receipt
}

// Build is the enclave build of every account.
var Build = statement.Sum([]byte("a test's enclave build"))

// Columns of every offer; the first two are released.
func Columns() []string { return []string{"cost", "size", "phase"} }

// New makes the account of a job over pool.strikes with a result: requester
// institute, operator cloudco, owners alpha, bravo and charlie.
func New(t testing.TB, e Edit) *Account { return build(t, e, "") }

// NewFailed makes the account of a job that failed with a code after the release.
func NewFailed(t testing.TB, e Edit, code string) *Account { return build(t, e, code) }

func build(t testing.TB, e Edit, failed string) *Account {
	t.Helper()
	a := &Account{
		t: t, edit: e, failed: failed, Bundle: &receipt.Bundle{Format: receipt.Format},
		Requester: NewParty(t, "institute"), Operator: NewParty(t, "cloudco"), Session: NewParty(t, "session"),
		Owners: []*Party{NewParty(t, "alpha"), NewParty(t, "bravo"), NewParty(t, "charlie")},
		Body: statement.Body{
			SQL:    "select size, avg(cost) from pool.strikes where phase = $1 group by size",
			Params: []statement.Param{{Type: "varchar", Value: "Climb"}}, Salt: Seed("salt", "job"),
		},
	}
	a.introduce()
	a.agree()
	a.submit()
	a.run()
	a.close()
	edit(e.Bundle, a.Bundle)
	out, err := a.Bundle.Encode()
	if err != nil {
		t.Fatal(err)
	}
	a.Bytes = out
	return a
}

// Everyone of the account but the session.
func (a *Account) Everyone() []*Party {
	return append(slices.Clone(a.Owners), a.Requester, a.Operator)
}

// Pins are the fingerprints of everyone.
func (a *Account) Pins() []statement.Fingerprint {
	var out []statement.Fingerprint
	for _, p := range a.Everyone() {
		out = append(out, p.Fingerprint())
	}
	return out
}

// Options accept the account if it is genuine.
func (a *Account) Options() receipt.Options {
	return receipt.Options{Pins: a.Pins(), Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify}}
}

// Sign signs s as p, for a test that puts a statement of its own into a bundle.
func Sign[T any, P interface {
	*T
	statement.Statement
}](t testing.TB, s T, by ...*Party) statement.Envelope {
	t.Helper()
	signers := make([]statement.Signer, len(by))
	for i, p := range by {
		signers[i] = p.Key
	}
	env, err := statement.Sign[T, P](s, signers...)
	if err != nil {
		t.Fatalf("sign %T: %v", s, err)
	}
	return *env
}

// Owner's keys are committed to in its offer.
func (a *Account) keyName(owner *Party, key string) seal.KeyName {
	return seal.KeyName{Owner: owner.Fingerprint(), Dataset: "strikes", Version: "2026-01", Key: key}
}
