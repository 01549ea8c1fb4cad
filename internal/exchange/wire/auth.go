package wire

import (
	"strconv"

	"github.com/cordon-exchange/cordon/statement"
)

// Headers of an authenticated request (spec, section 3).
const (
	HeaderKey       = "Cordon-Key"       // the caller's public key, as text
	HeaderTime      = "Cordon-Time"      // Unix milliseconds
	HeaderNonce     = "Cordon-Nonce"     // 32 lower-case hex digits
	HeaderInstance  = "Cordon-Instance"  // Exchange.Instance that the request was signed for
	HeaderBody      = "Cordon-Body"      // digest of the body; of no bytes where there is none
	HeaderSignature = "Cordon-Signature" // base64 of the Ed25519 signature

	// HeaderCertificate is there where the key is not the party's root: base64 of the certificate's envelope.
	HeaderCertificate = "Cordon-Certificate"
)

const requestLabel = "cordon/http-request/v1"

// Call is what a caller signs of one request.
type Call struct {
	Method   string
	URI      string // path and raw query, as on the request line
	Exchange string // Exchange.ID
	Instance string // Exchange.Instance: a signature dies with what remembers its nonce
	TimeMS   int64
	Nonce    string
	Body     statement.Digest
}

// Bytes to sign (spec, section 3).
func (c *Call) Bytes() []byte {
	return statement.Frame(requestLabel,
		[]byte(c.Method), []byte(c.URI), []byte(c.Exchange), []byte(c.Instance),
		[]byte(strconv.FormatInt(c.TimeMS, 10)), []byte(c.Nonce), []byte(c.Body))
}

// ValidNonce reports whether s has the form of Cordon-Nonce, of Exchange.Instance and of a lease.
func ValidNonce(s string) bool {
	if len(s) != 32 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
