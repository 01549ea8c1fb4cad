package vectors_test

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// pae is DSSE's pre-authentication encoding, written here a second time.
func pae(e *statement.Envelope) string {
	return strings.Join([]string{"DSSEv1", strconv.Itoa(len(e.PayloadType)), e.PayloadType, strconv.Itoa(len(e.Payload)), string(e.Payload)}, " ")
}

func envelopesFile(t *testing.T, a *receipttest.Account) vectors.Accepted[vectors.Envelope] {
	file := vectors.Accepted[vectors.Envelope]{Comment: comment}
	one, three := a.Bundle.Acks[0], a.Bundle.Pools[0]
	for name, e := range map[string]*statement.Envelope{"one": &one} {
		file.Success = append(file.Success, envelope(t, name, e))
	}
	file.Success = append(file.Success, envelope(t, "three", &three))
	refuse := func(of string, from *statement.Envelope, name, class string, to []byte) {
		file.Failure = append(file.Failure, vectors.Refusal{Name: name, Of: of, Change: change(t, from.Bytes(), to), Error: class})
	}
	edited := func(name, class string, edit func(e *statement.Envelope)) {
		e, err := statement.ParseEnvelope(one.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		edit(e)
		refuse("one", &one, name, class, e.Bytes())
	}
	bravo := a.Owners[1]
	edited("payload type of something else", "envelope", func(e *statement.Envelope) { e.PayloadType = "application/json" })
	edited("payload type in capitals", "envelope", func(e *statement.Envelope) { e.PayloadType = strings.ToUpper(e.PayloadType) })
	edited("payload empty", "envelope", func(e *statement.Envelope) { e.Payload = []byte{} })
	edited("no signature", "envelope", func(e *statement.Envelope) { e.Signatures = []statement.Signature{} })
	edited("payload with one bit changed", "signature", func(e *statement.Envelope) { e.Payload[len(e.Payload)-3] ^= 1 })
	edited("signature with one bit changed", "signature", func(e *statement.Envelope) { e.Signatures[0].Sig[0] ^= 1 })
	edited("signature too short", "signature", func(e *statement.Envelope) { e.Signatures[0].Sig = e.Signatures[0].Sig[:63] })
	edited("signature too long", "signature", func(e *statement.Envelope) { e.Signatures[0].Sig = append(e.Signatures[0].Sig, 0) })
	edited("signature not reduced", "signature", func(e *statement.Envelope) { addOrder(e.Signatures[0].Sig[32:]) })
	edited("key of somebody else", "signature", func(e *statement.Envelope) { e.Signatures[0].KeyID = bravo.Key.Public().String() })
	edited("key named by its fingerprint", "signature", func(e *statement.Envelope) { e.Signatures[0].KeyID = string(a.Owners[0].Fingerprint()) })
	edited("key empty", "signature", func(e *statement.Envelope) { e.Signatures[0].KeyID = "" })
	edited("signed by a key of small order", "signature", func(e *statement.Envelope) {
		e.Signatures[0] = statement.Signature{KeyID: "ed25519:01" + strings.Repeat("00", 31), Sig: append([]byte{1}, make([]byte, 63)...)}
	})
	edited("signed twice by one party", "signature", func(e *statement.Envelope) { e.Signatures = append(e.Signatures, e.Signatures[0]) })
	edited("a wrong signature beside a good one", "signature", func(e *statement.Envelope) {
		e.Signatures = append(e.Signatures, statement.Signature{KeyID: bravo.Key.Public().String(), Sig: e.Signatures[0].Sig})
	})
	edited("payload signed without its pre-authentication encoding", "signature", func(e *statement.Envelope) {
		e.Signatures[0].Sig, _ = a.Owners[0].Key.Sign(e.Payload)
	})
	src := one.Bytes()
	payload := base64.StdEncoding.EncodeToString(one.Payload)
	refuse("one", &one, "payload twice", "envelope", replaced(t, src, `"payload":`, `"payload":"e30=","payload":`))
	refuse("one", &one, "field in capitals", "envelope", replaced(t, src, `"payloadType"`, `"payloadtype"`))
	refuse("one", &one, "unknown field", "envelope", replaced(t, src, `"signatures"`, `"extra":1,"signatures"`))
	refuse("one", &one, "unknown field of a signature", "envelope", replaced(t, src, `"sig":`, `"cert":"","sig":`))
	refuse("one", &one, "no payload", "envelope", replaced(t, src, `"payload":"`+payload+`",`, ``))
	refuse("one", &one, "payload as it is", "envelope", replaced(t, src, `"`+payload+`"`, string(one.Payload)))
	refuse("one", &one, "newline behind", "envelope", append(bytes.Clone(src), '\n'))
	refuse("one", &one, "a list of one", "envelope", append(append([]byte{'['}, src...), ']'))
	refuse("one", &one, "nothing", "envelope", []byte{})
	refuse("three", &three, "payload with one bit changed under three signatures", "signature", func() []byte {
		e := three
		e.Payload = bytes.Clone(e.Payload)
		e.Payload[len(e.Payload)-3] ^= 1
		return e.Bytes()
	}())
	certifiedEnvelopes(t, a, func(name string, e *statement.Envelope) {
		file.Success = append(file.Success, envelope(t, name, e))
	}, func(of, name string, from, to *statement.Envelope) { refuse(of, from, name, "certificate", to.Bytes()) })
	return file
}

func envelope(t *testing.T, name string, e *statement.Envelope) vectors.Envelope {
	signers, err := e.Signers()
	if err != nil {
		t.Fatal(err)
	}
	return vectors.Envelope{Name: name, Envelope: string(e.Bytes()), PAE: pae(e), Signers: names(signers)}
}

// addOrder adds the order of the group to a scalar, little-endian: the same number to a careless verifier.
func addOrder(s []byte) {
	order := []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	carry := 0
	for i := range s {
		carry += int(s[i]) + int(order[i])
		s[i] = byte(carry)
		carry >>= 8
	}
}

func TestEnvelopes(t *testing.T) {
	file := vectors.Envelopes()
	if len(file.Success) < 2 || len(file.Failure) < 20 {
		t.Fatal("vectors are missing")
	}
	by := map[string]string{}
	for _, s := range file.Success {
		by[s.Name] = s.Envelope
		e, err := statement.ParseEnvelope([]byte(s.Envelope))
		if err != nil {
			t.Fatal(err)
		}
		signers, err := e.Signers()
		if err != nil || strings.Join(names(signers), " ") != strings.Join(s.Signers, " ") {
			t.Errorf("%s: %v", s.Name, err)
		}
		for _, sig := range e.Signatures {
			k, err := statement.ParsePublicKey(sig.KeyID)
			if err != nil || !k.Verify([]byte(s.PAE), sig.Sig) {
				t.Errorf("%s: does not sign its pre-authentication encoding", s.Name)
			}
		}
	}
	for _, f := range file.Failure {
		t.Run(f.Name, func(t *testing.T) {
			e, err := statement.ParseEnvelope(f.Change.Apply([]byte(by[f.Of])))
			if (err != nil) != (f.Error == "envelope") || (err != nil) != (e == nil) {
				t.Fatalf("parsed: %v, want %s", err, f.Error)
			}
			if err == nil {
				var signers []statement.Fingerprint
				if signers, err = e.Signers(); signers != nil {
					t.Fatal("refused, but signers came back")
				}
			}
			if class(err) != f.Error {
				t.Fatalf("%v, want %s", err, f.Error)
			}
		})
	}
}
