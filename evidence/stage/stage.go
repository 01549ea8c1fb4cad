package stage

// Error is the first check that evidence failed. Its text is the check's name, and what was found follows where it is wrapped:
// fmt.Errorf("%w: quote of version 7", stage.Parse).
type Error string

func (e Error) Error() string { return string(e) }

// The checks, by the names that collections of recorded evidence use.
const (
	Parse               Error = "parse"
	Alg                 Error = "alg"
	KID                 Error = "kid"
	Signature           Error = "signature"
	QuoteSignature      Error = "quote-signature"
	QEBinding           Error = "qe-binding"
	QESignature         Error = "qe-signature"
	ReportSignature     Error = "report-signature"
	Chain               Error = "chain"
	EndorsementMismatch Error = "endorsement-mismatch"
	Revoked             Error = "revoked"
	NoCollateral        Error = "no-collateral"
	NoCRL               Error = "no-crl"
	StaleCollateral     Error = "stale-collateral"
	TCBInfoSignature    Error = "tcbinfo-signature"
	TCBInfoChain        Error = "tcbinfo-chain"
	QEIdentitySignature Error = "qeidentity-signature"
	TCBNoLevel          Error = "tcb-nolevel"
	TCBStatus           Error = "tcb-status"
	Debug               Error = "debug"
	PCRDigest           Error = "pcr-digest"
	AKBinding           Error = "ak-binding"
	Nonce               Error = "nonce"
	Audience            Error = "audience"
	Expired             Error = "expired"
)
