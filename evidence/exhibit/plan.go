package exhibit

import "github.com/cordon-exchange/cordon/evidence/stage"

// planned is a check that a kind has, and what it asks.
type planned struct {
	stage stage.Error
	asks  string
}

// planOf lists the checks of a kind in the order of docs/spec/evidence.md, section 7.3, and docs/spec/evidence-kinds.md.
func planOf(e *Exhibit) []planned {
	out := planOfKind(e)
	if e.host != nil {
		out = append(out, planned{stageHost, "does the operator vouch for this quote, and does it show what the operator says?"})
	}
	return out
}

func planOfKind(e *Exhibit) []planned {
	switch e.Kind {
	case SGX, TDX:
		return []planned{
			{stage.Parse, "is it a quote?"},
			{stage.Chain, "does the machine's certificate lead to the pinned root?"},
			{stage.QuoteSignature, "did the attestation key sign it?"},
			{stage.QEBinding, "did the quoting enclave make that key?"},
			{stage.QESignature, "did the machine's key sign the quoting enclave's report?"},
			{stage.NoCollateral, "does anything say how current the machine is?"},
			{stage.NoCRL, "are there revocation lists, each by its CA?"},
			{stage.Revoked, "is nothing revoked?"},
			{stage.TCBInfoChain, "is the signer of the collateral Intel's?"},
			{stage.TCBInfoSignature, "did it sign the TCB info?"},
			{stage.QEIdentitySignature, "did it sign the identity of quoting enclaves?"},
			{stage.EndorsementMismatch, "is the collateral for this machine?"},
			{stage.StaleCollateral, "is it current?"},
			{stage.TCBNoLevel, "does the machine reach the lowest level?"},
			{stage.TCBStatus, "is the machine UpToDate or SWHardeningNeeded?"},
			{stage.Debug, "is its host kept out?"},
		}
	case SNP:
		return []planned{
			{stage.Parse, "is it a report?"},
			{stage.Alg, "is it signed by ECDSA P-384?"},
			{stage.Chain, "does the signing key lead to the pinned root?"},
			{stage.NoCRL, "is there a revocation list of the root? (none was given)"},
			{stage.StaleCollateral, "is the list current?"},
			{stage.Revoked, "does the list leave the intermediate key out?"},
			{stage.EndorsementMismatch, "was the key made for this platform and TCB?"},
			{stage.ReportSignature, "did the key sign the report?"},
			{stage.Debug, "does the guest's policy keep its host out?"},
		}
	case Nitro:
		return []planned{
			{stage.Parse, "is it a document?"},
			{stage.Alg, "is it signed by ES384?"},
			{stage.Chain, "does its key lead to the pinned root, at the time?"},
			{stage.Signature, "did that key sign it?"},
			{stage.Debug, "is the enclave measured?"},
		}
	case Token:
		signer := planned{stage.Chain, "do its certificates lead to the pinned root?"}
		if len(e.Endorsements) > 0 {
			signer = planned{stage.KID, "has the key set the key it names?"}
		}
		return []planned{
			{stage.Parse, "is it a token?"},
			{stage.Alg, "is it signed by RS256?"},
			signer,
			{stage.Signature, "did that key sign it?"},
			{stage.Audience, "is it from this issuer, for this audience?"},
			{stage.Expired, "is it current?"},
			{stage.Nonce, "was it made for this request? (any was accepted, by name)"},
			{stage.Debug, "does the image keep its operator out?"},
		}
	case TPMAzure:
		return append([]planned{{stage.AKBinding, "is the hardware's evidence bound to the attestation key?"}}, planOfQuote()...)
	case Simulated:
		return []planned{
			{stage.Parse, "is it a report?"},
			{stage.Signature, "did the operator sign it?"},
			{stage.Expired, "was it made at the time?"},
		}
	}
	return planOfQuote()
}

func planOfQuote() []planned {
	return []planned{
		{stage.Parse, "is it a TPM's quote?"},
		{stage.Alg, "is it over SHA-256 or SHA-384?"},
		{stage.QuoteSignature, "did the attestation key sign it?"},
		{stage.Nonce, "was it made for this request?"},
		{stage.PCRDigest, "are the register values those quoted?"},
	}
}

// allStages are the names that a refusal may have.
func allStages() map[stage.Error]bool {
	out := map[stage.Error]bool{stageHost: true, stage.AKBinding: true, stage.KID: true}
	for _, k := range []Kind{SGX, SNP, Nitro, Token, TPM} {
		for _, p := range planOfKind(&Exhibit{Kind: k}) {
			out[p.stage] = true
		}
	}
	return out
}
