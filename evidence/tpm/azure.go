package tpm

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// MaxHCLReport in bytes.
const MaxHCLReport = 8 << 10

// Platforms that an Azure machine runs on.
const (
	SNP = "SNP"
	TDX = "TDX"
)

// Hardware verifies the evidence of the machine that a virtual TPM runs in and returns its 64 bytes of report data. It refuses
// what is not genuine or not what its owner accepts, with the check's own error.
type Hardware func(raw []byte) (reportData []byte, err error)

// Azure is the evidence of an Azure confidential machine.
type Azure struct {
	HCL     []byte // the report that Azure's paravisor leaves in the TPM
	TDQuote []byte // on TDX, where the report above holds no quote
	Quote   Quote
}

// AzureOptions say what an Azure machine's evidence is judged by.
type AzureOptions struct {
	Nonce []byte       // required
	SNP   Hardware     // given the SNP report; without it machines on SNP are refused
	TDX   Hardware     // given the TD quote; without it machines on TDX are refused
	Trail *stage.Trail // notes what was proved; default: nobody asks
}

// Runtime is what the paravisor says about the machine. The hardware's evidence vouches for these words as far as it vouches for
// the paravisor.
type Runtime struct {
	VMID       string `json:"vmUniqueId"`
	SecureBoot bool   `json:"secure-boot"`
	Console    bool   `json:"console-enabled"`
	TPM        bool   `json:"tpm-enabled"`
}

// VerifyAzure checks an Azure machine's evidence: its hardware's, then that the attestation key stands in what that is bound to,
// then the quote (docs/spec/evidence-kinds.md, section 5).
func VerifyAzure(e Azure, o AzureOptions) (*Verified, error) {
	if len(o.Nonce) == 0 {
		return nil, ErrOptions
	}
	r, err := parseHCL(e.HCL)
	if err != nil {
		return nil, err
	}
	hardware, raw := o.SNP, r.report
	if r.platform == TDX {
		hardware, raw = o.TDX, e.TDQuote
	}
	if hardware == nil {
		return nil, fmt.Errorf("%w: machines on %s are not accepted", stage.AKBinding, r.platform)
	}
	data, err := hardware(raw)
	if err != nil {
		return nil, err
	}
	bound := sha256.Sum256(r.runtime)
	if len(data) != 64 || !bytes.Equal(data[:32], bound[:]) || !bytes.Equal(data[32:], make([]byte, 32)) {
		return nil, fmt.Errorf("%w: the hardware's evidence is not bound to the runtime data", stage.AKBinding)
	}
	ak, runtime, err := parseRuntime(r.runtime)
	if err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.AKBinding, "the hardware's evidence is bound to the attestation key")
	v, err := VerifyNoted(e.Quote, ak, o.Nonce, o.Trail)
	if err != nil {
		return nil, err
	}
	v.Platform, v.ReportData, v.Runtime = r.platform, data, runtime
	return v, nil
}

// ParseAzure reads an Azure machine's evidence: what the quote says, on which hardware it claims to be, and that hardware's own
// evidence. It proves nothing.
func ParseAzure(e Azure) (c *Content, hardware []byte, err error) {
	r, err := parseHCL(e.HCL)
	if err != nil {
		return nil, nil, err
	}
	if c, err = ParseQuote(e.Quote); err != nil {
		return nil, nil, err
	}
	_, runtime, err := parseRuntime(r.runtime)
	if err != nil {
		return nil, nil, err
	}
	c.Platform, c.Runtime = r.platform, runtime
	if r.platform == TDX {
		return c, e.TDQuote, nil
	}
	return c, r.report, nil
}

// hcl is the paravisor's report, taken apart.
type hcl struct {
	platform string
	report   []byte // of SNP
	runtime  []byte // JSON
}

// Places in the report, in bytes.
const (
	hclMagic   = "HCLA"
	hclReport  = 32
	snpSize    = 1184
	hclRuntime = hclReport + snpSize
	hclHeader  = 20
)

// parseHCL reads the report: a header, the hardware's report, and the runtime data with a header of its own.
func parseHCL(src []byte) (*hcl, error) {
	if len(src) > MaxHCLReport || len(src) < hclRuntime+hclHeader || string(src[:4]) != hclMagic {
		return nil, fmt.Errorf("%w: not a paravisor's report", stage.Parse)
	}
	head := src[hclRuntime:]
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(head[4*i:]) }
	size, version, kind, hash, length := word(0), word(1), word(2), word(3), word(4)
	body := head[hclHeader:]
	if version != 1 || hash != 1 || length == 0 || uint64(length) > uint64(len(body)) || uint64(size) != uint64(length)+hclHeader {
		return nil, fmt.Errorf("%w: runtime data", stage.Parse)
	}
	if rest := body[length:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		return nil, fmt.Errorf("%w: more after the runtime data", stage.Parse)
	}
	out := &hcl{report: src[hclReport:hclRuntime], runtime: body[:length]}
	switch kind {
	case 2:
		out.platform = SNP
	case 4:
		out.platform = TDX
	default:
		return nil, fmt.Errorf("%w: hardware %d", stage.Parse, kind)
	}
	return out, nil
}

// parseRuntime finds the attestation key in runtime data that the hardware's evidence is bound to.
func parseRuntime(src []byte) (*rsa.PublicKey, *Runtime, error) {
	var d struct {
		Keys []struct {
			KID string   `json:"kid"`
			KTY string   `json:"kty"`
			Ops []string `json:"key_ops"`
			E   string   `json:"e"`
			N   string   `json:"n"`
		} `json:"keys"`
		Runtime Runtime `json:"vm-configuration"`
	}
	if err := json.Unmarshal(src, &d); err != nil {
		return nil, nil, fmt.Errorf("%w: runtime data", stage.Parse)
	}
	var ak *rsa.PublicKey
	for _, k := range d.Keys {
		if k.KID != "HCLAkPub" {
			continue
		}
		n, err := base64.RawURLEncoding.Strict().DecodeString(k.N)
		if ak != nil || k.KTY != "RSA" || k.E != "AQAB" || !slices.Equal(k.Ops, []string{"sign"}) || err != nil {
			return nil, nil, fmt.Errorf("%w: attestation key in the runtime data", stage.AKBinding)
		}
		ak = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	}
	if ak == nil {
		return nil, nil, fmt.Errorf("%w: no attestation key in the runtime data", stage.AKBinding)
	}
	return ak, &d.Runtime, nil
}
