package attest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/tpm/measured"
	"github.com/cordon-exchange/cordon/internal/enclave/attest"
	"github.com/cordon-exchange/cordon/internal/enclave/tpm"
	"github.com/cordon-exchange/cordon/internal/enclave/tpm/swtpmtest"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// From a TPM's quote to a relying party's claims: the enclave asks, the host wraps, the verifier finds the program and the binding.
func TestTPM(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	rw := swtpmtest.Start(t)
	program := sha256.Sum256([]byte("program"))
	if err := tpm.New(rw).Extend(measured.Register, program); err != nil {
		t.Fatal(err)
	}
	a, err := attest.TPM(rw)
	if err != nil {
		t.Fatal(err)
	}
	a, told := attest.Told(hosted.TPMSoftware, a)
	data := evidence.HelloBinding(statement.Sum([]byte("job")), statement.Sum([]byte("session")))
	q, err := a(ctx, data)
	if err != nil {
		t.Fatal(err)
	}
	host := receipttest.NewParty(t, "host")
	p := statement.Perimeter{Form: "vm", Details: []statement.Property{}}
	e, err := hosted.Attest(host.Key, hosted.TPMSoftware, measured.Build(program), data, p, q, now)
	if err != nil {
		t.Fatal(err)
	}
	relying := kinds.Verifiers(kinds.Options{})
	c, err := relying.Verify(ctx, e, now)
	if err != nil || c.Build != measured.Build(program) || c.ReportData != data || !c.Simulated || c.Operator != host.Fingerprint() {
		t.Fatalf("%+v, %v", c, err)
	}
	if c, err := told(ctx, e, now); err != nil || c.Build != measured.Build(program) {
		t.Errorf("the enclave does not take its own quote: %v", err)
	}

	// The host says something else of the same quote.
	for name, e := range map[string]func() (*statement.Evidence, error){
		"another program": func() (*statement.Evidence, error) {
			return hosted.Attest(host.Key, hosted.TPMSoftware, measured.Build(sha256.Sum256([]byte("other"))), data, p, q, now)
		},
		"another session": func() (*statement.Evidence, error) {
			other := evidence.HelloBinding(statement.Sum([]byte("job")), statement.Sum([]byte("other")))
			return hosted.Attest(host.Key, hosted.TPMSoftware, measured.Build(program), other, p, q, now)
		},
	} {
		lie, err := e()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := relying.Verify(ctx, lie, now); err == nil || c != nil {
			t.Errorf("%s is believed", name)
		}
	}

	// The enclave takes evidence of the quote that it made last, and of no other.
	if _, err := a(ctx, data); err != nil {
		t.Fatal(err)
	}
	if _, err := told(ctx, e, now); err == nil {
		t.Error("evidence of an older quote is taken")
	}
}

// A quote that failed leaves nothing that the host could show.
func TestToldAfterAFailure(t *testing.T) {
	var fail error
	a, told := attest.Told(hosted.TPMSoftware, func(context.Context, evidence.ReportData) (hosted.Quoted, error) {
		return hosted.Quoted{Quote: []byte("quote")}, fail
	})
	host, data, now := receipttest.NewParty(t, "host"), evidence.ReportData{1}, time.Now()
	q, err := a(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	e, err := hosted.Attest(host.Key, hosted.TPMSoftware, receipttest.Build, data, statement.Perimeter{Form: "vm", Details: []statement.Property{}}, q, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := told(t.Context(), e, now); err != nil {
		t.Fatal(err)
	}
	fail = errors.New("no quote")
	if _, err := a(t.Context(), data); !errors.Is(err, fail) {
		t.Fatal(err)
	}
	if _, err := told(t.Context(), e, now); err == nil {
		t.Error("an older quote is taken")
	}
}

func TestNoTPM(t *testing.T) {
	if _, err := attest.TPM(nobody{}); !errors.Is(err, attest.ErrMachine) {
		t.Error(err)
	}
}

type nobody struct{}

func (nobody) Read([]byte) (int, error)    { return 0, errors.New("nobody") }
func (nobody) Write(b []byte) (int, error) { return len(b), nil }
