package machinetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

// aws is a root, an intermediate and a signing key of Nitro's form.
type aws struct{ root, between, leaf *identity }

func (m *Machines) newAWS(t testing.TB) *aws {
	t.Helper()
	p := elliptic.P384()
	a := &aws{root: m.issue(t, nil, p, "aws.nitro-enclaves", true)}
	a.between = m.issue(t, a.root, p, "between", true)
	a.leaf = m.issue(t, a.between, p, "an enclave", false)
	return a
}

// nitroPCRs of an enclave; those of one in debug mode are zero.
func nitroPCRs(e Enclave) map[uint8][]byte {
	out := map[uint8][]byte{}
	for i := range uint8(16) {
		out[i] = make([]byte, 48)
	}
	if !e.Debug {
		out[0], out[1], out[2] = measured(e, "pcr0", 48), measured(e, "pcr1", 48), measured(e, "pcr2", 48)
	}
	return out
}

func (m *Machines) nitroDocument(t testing.TB, e Enclave, data evidence.ReportData) hosted.Quoted {
	t.Helper()
	payload := encode(t, map[string]any{
		"module_id": "i-1", "digest": "SHA384", "timestamp": m.at.UnixMilli(), "pcrs": nitroPCRs(e), "certificate": m.aws.leaf.cert.Raw,
		"cabundle": [][]byte{m.aws.root.cert.Raw, m.aws.between.cert.Raw}, "public_key": nil, "user_data": data[:], "nonce": nil,
	})
	head := encode(t, map[int64]int64{1: -35})
	sum := sha512.Sum384(encode(t, []any{"Signature1", head, []byte{}, payload}))
	r, s, err := ecdsa.Sign(rand.Reader, m.aws.leaf.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	return hosted.Quoted{Quote: encode(t, []any{head, map[int64]any{}, payload, sig})}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	out, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
