package statement_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// seeds adds what is accepted and what is refused of one kind.
func seeds(f *testing.F, kind string) {
	file, by := vectors.Statements(), map[string]string{}
	for _, s := range file.Success {
		if s.Kind == kind {
			by[s.Name] = s.Payload
			f.Add([]byte(s.Payload))
		}
	}
	if len(by) == 0 {
		f.Fatal("no vector")
	}
	for _, x := range file.Failure {
		if src, ok := by[x.Of]; ok {
			f.Add(x.Change.Apply([]byte(src)))
		}
	}
}

// fuzz: one pass and decoding again agree; what is accepted encodes to the same bytes again; what is refused returns nothing.
func fuzz[T any, P interface {
	*T
	statement.Statement
}](f *testing.F, kind string) {
	seeds(f, kind)
	f.Fuzz(func(t *testing.T, src []byte) {
		agree(t, src, func() any { return new(T) })
		s, err := statement.DecodeUnverified[T, P](src)
		if err != nil {
			if s != nil {
				t.Fatal("refused, but something came back")
			}
			return
		}
		again, err := statement.Marshal(s)
		if err != nil || !bytes.Equal(again, src) {
			t.Fatalf("accepted bytes encode differently: %v\n%s\n%s", err, src, again)
		}
	})
}

func FuzzUnmarshalParty(f *testing.F)         { fuzz[statement.Party](f, "party") }
func FuzzUnmarshalOffer(f *testing.F)         { fuzz[statement.Offer](f, "offer") }
func FuzzUnmarshalPool(f *testing.F)          { fuzz[statement.Pool](f, "pool") }
func FuzzUnmarshalContract(f *testing.F)      { fuzz[statement.Contract](f, "contract") }
func FuzzUnmarshalGrant(f *testing.F)         { fuzz[statement.Grant](f, "grant") }
func FuzzUnmarshalCounter(f *testing.F)       { fuzz[statement.Counter](f, "counter") }
func FuzzUnmarshalRejection(f *testing.F)     { fuzz[statement.Rejection](f, "rejection") }
func FuzzUnmarshalJob(f *testing.F)           { fuzz[statement.Job](f, "job") }
func FuzzUnmarshalReady(f *testing.F)         { fuzz[statement.Ready](f, "ready") }
func FuzzUnmarshalRefusal(f *testing.F)       { fuzz[statement.Refusal](f, "refusal") }
func FuzzUnmarshalRelease(f *testing.F)       { fuzz[statement.Release](f, "release") }
func FuzzUnmarshalReceipt(f *testing.F)       { fuzz[statement.Receipt](f, "receipt") }
func FuzzUnmarshalAck(f *testing.F)           { fuzz[statement.Ack](f, "ack") }
func FuzzUnmarshalRevocation(f *testing.F)    { fuzz[statement.Revocation](f, "revocation") }
func FuzzUnmarshalCertificate(f *testing.F)   { fuzz[statement.Certificate](f, "certificate") }
func FuzzUnmarshalApproval(f *testing.F)      { fuzz[statement.Approval](f, "approval") }
func FuzzUnmarshalTemplate(f *testing.F)      { fuzz[statement.Template](f, "template") }
func FuzzUnmarshalAccreditation(f *testing.F) { fuzz[statement.Accreditation](f, "accreditation") }
func FuzzUnmarshalOrder(f *testing.F)         { fuzz[statement.Order](f, "order") }
func FuzzUnmarshalSettlement(f *testing.F)    { fuzz[statement.Settlement](f, "settlement") }
func FuzzUnmarshalCharge(f *testing.F)        { fuzz[statement.Charge](f, "charge") }
func FuzzUnmarshalClosing(f *testing.F)       { fuzz[statement.Closing](f, "closing") }
func FuzzUnmarshalRefund(f *testing.F)        { fuzz[statement.Refund](f, "refund") }
func FuzzUnmarshalInvoice(f *testing.F)       { fuzz[statement.Invoice](f, "invoice") }

func FuzzParseEnvelope(f *testing.F) {
	file, by := vectors.Envelopes(), map[string]string{}
	for _, s := range file.Success {
		by[s.Name] = s.Envelope
		f.Add([]byte(s.Envelope))
	}
	for _, x := range file.Failure {
		f.Add(x.Change.Apply([]byte(by[x.Of])))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		agree(t, src, func() any { return new(statement.Envelope) })
		e, err := statement.ParseEnvelope(src)
		if err != nil {
			if e != nil || !errors.Is(err, statement.ErrEnvelope) {
				t.Fatalf("refused, but %v", err)
			}
			return
		}
		if !bytes.Equal(e.Bytes(), src) {
			t.Fatal("accepted bytes encode differently")
		}
		got, err := e.Signers()
		if err != nil && got != nil {
			t.Fatal("refused, but signers came back")
		}
		if err == nil && len(got) != len(e.Signatures) {
			t.Fatal("signatures that nobody made")
		}
	})
}
