package machinetest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

// azureQuote is a virtual TPM's, whose key stands in what the hardware's evidence is bound to.
func (m *Machines) azureQuote(t testing.TB, kind string, e Enclave, data evidence.ReportData) hosted.Quoted {
	t.Helper()
	key, err := m.azure()
	if err != nil {
		t.Fatal(err)
	}
	runtime := fmt.Appendf(nil, `{"keys":[{"kid":"HCLAkPub","kty":"RSA","key_ops":["sign"],"e":"AQAB","n":%q}],"vm-configuration":{"secure-boot":true,"tpm-enabled":true}}`,
		base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	bound := sha256.Sum256(runtime)
	var inner evidence.ReportData
	copy(inner[:], bound[:])
	q := hosted.AzureQuote{Message: quoted(e, data), PCRs: registers(e)}
	below, platform, report := hosted.Quoted{}, uint32(2), make([]byte, 1184)
	if kind == evidence.AzureTDX {
		below, platform = m.intelQuote(t, evidence.TDX, e, inner), 4
		q.TDQuote = below.Quote
	} else {
		below = m.snpReport(t, e, inner)
		report = below.Quote
	}
	q.HCL = hcl(platform, report, runtime)
	sum := sha256.Sum256(q.Message)
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	q.Signature = tpm.RSASSA(sig)
	src, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return hosted.Quoted{Quote: src, Endorsements: below.Endorsements}
}

// hcl is the paravisor's report.
func hcl(platform uint32, report, runtime []byte) []byte {
	out := slices.Concat([]byte("HCLA"), make([]byte, 28), report)
	for _, word := range []uint32{uint32(len(runtime)) + 20, 1, platform, 1, uint32(len(runtime))} {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return append(out, runtime...)
}
