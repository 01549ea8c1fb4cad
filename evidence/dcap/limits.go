package dcap

// Bounds of what is read. Quotes are about 5 kB, and some devices return buffers of 8 or 16 kB; collateral is about 20 kB.
const (
	MaxQuote      = 64 << 10
	MaxCollateral = 1 << 20

	maxCerts    = 4        // of one chain
	maxCert     = 4 << 10  // one certificate
	maxChain    = 32 << 10 // one chain, as PEM
	maxCRL      = 256 << 10
	maxDocument = 64 << 10 // TCB info, QE identity
	maxJSON     = 4096     // JSON values in a document, which bounds its lists
)
