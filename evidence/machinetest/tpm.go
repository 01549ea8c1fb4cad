package machinetest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

func registers(e Enclave) []hosted.Register {
	return []hosted.Register{{Index: 0, Value: measured(e, "firmware", 32)}, {Index: 11, Value: measured(e, "program", 32)}}
}

// tpmQuote is what anybody can make who has a key: that is what it is worth.
func (m *Machines) tpmQuote(t testing.TB, e Enclave, data evidence.ReportData) hosted.Quoted {
	t.Helper()
	pcrs, message := registers(e), quoted(e, data)
	sum := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, m.tpm, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := tpm2.Marshal(tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
		Hash: tpm2.TPMAlgSHA256, SignatureR: tpm2.TPM2BECCParameter{Buffer: r.FillBytes(make([]byte, 32))},
		SignatureS: tpm2.TPM2BECCParameter{Buffer: s.FillBytes(make([]byte, 32))},
	})})
	quote, err := (&hosted.TPMQuote{Message: message, Signature: sig, PCRs: pcrs, AK: m.attestationKey(t)}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return hosted.Quoted{Quote: quote}
}

// quoted is the message of a quote over an enclave's registers.
func quoted(e Enclave, data evidence.ReportData) []byte {
	digest, nonce := sha256.New(), sha256.Sum256(data[:])
	for _, r := range registers(e) {
		digest.Write(r.Value)
	}
	return tpm2.Marshal(tpm2.TPMSAttest{
		Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestQuote, ExtraData: tpm2.TPM2BData{Buffer: nonce[:]},
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestQuote, &tpm2.TPMSQuoteInfo{
			PCRSelect: tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: []byte{1, 8, 0}}}},
			PCRDigest: tpm2.TPM2BDigest{Buffer: digest.Sum(nil)},
		}),
	})
}

func (m *Machines) attestationKey(t testing.TB) []byte {
	t.Helper()
	pub, err := m.tpm.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return tpm2.Marshal(tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: true, SignEncrypt: true},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Scheme:  tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})},
			CurveID: tpm2.TPMECCNistP256,
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: pub[1:33]}, Y: tpm2.TPM2BECCParameter{Buffer: pub[33:]},
		}),
	})
}
