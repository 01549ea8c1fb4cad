package exhibit

import (
	"encoding/hex"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/nitro"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/token"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

// measured is the program that evidence says it is of: as contracts name builds (docs/spec/evidence.md, section 9), and as the
// hardware does. What a kind does not say is empty. It proves nothing.
func measured(e *Exhibit) (digest, raw string) {
	switch e.Kind {
	case SGX, TDX:
		if q, err := dcap.Parse(e.Raw); err == nil {
			return measuredQuote(q)
		}
	case SNP:
		if r, err := snp.Parse(e.Raw); err == nil {
			return string(hosted.Build(evidence.SNP, r.Measurement, r.HostData)), r.Measurement.String()
		}
	case Nitro:
		if d, err := nitro.Parse(e.Raw); err == nil {
			return string(hosted.Build(evidence.Nitro, d.PCRs[0], d.PCRs[1], d.PCRs[2])), d.PCRs[0].String()
		}
	case Token:
		if c, err := token.Parse(e.Raw); err == nil {
			return c.ImageDigest, c.ImageDigest
		}
	case TPMAzure:
		return measuredAzure(e)
	case TPMSoftware:
		if _, s, err := parseSoft(e.Raw); err == nil {
			return string(hosted.TPMBuild(s.PCRs)), ""
		}
	case Simulated:
		if r, err := simulated.Read(e.Raw); err == nil {
			return string(r.Build), ""
		}
	}
	return "", ""
}

// measuredAzure is what the hardware measured: the paravisor. What runs above it stands in the TPM's registers.
func measuredAzure(e *Exhibit) (digest, raw string) {
	a, _, err := tpm.ParseAzureForm(e.Raw)
	if err != nil {
		return "", ""
	}
	c, inner, err := tpm.ParseAzure(a)
	if err != nil {
		return "", ""
	}
	switch c.Platform {
	case tpm.SNP:
		if r, err := snp.Parse(inner); err == nil {
			return "", r.Measurement.String()
		}
	case tpm.TDX:
		if q, err := dcap.Parse(inner); err == nil && q.TD != nil {
			return "", hex.EncodeToString(q.TD.MRTD[:])
		}
	}
	return "", ""
}
