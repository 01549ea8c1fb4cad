package wire

// Error is the body of every answer that is not a success.
type Error struct {
	Text string `json:"error"`
	Code string `json:"code"`
	Hint string `json:"hint"`
}

// Codes of errors: stable, for programs.
const (
	CodeMalformed        = "malformed"         // 400: a header, query or body is not of its form
	CodeUnauthenticated  = "unauthenticated"   // 401: signature missing or wrong
	CodeSkew             = "clock-skew"        // 401: Cordon-Time is too far from the exchange's clock
	CodeReplayed         = "replayed"          // 401: this nonce was used before
	CodeWrongInstance    = "wrong-instance"    // 401: signed for another exchange, or for one that has restarted since
	CodeBodyDigest       = "body-digest"       // 400: the body is not the one that was signed
	CodeUnregistered     = "unregistered"      // 403: no party statement of this key
	CodeRevoked          = "party-revoked"     // 403: the caller's party statement was revoked
	CodeForbidden        = "forbidden"         // 403: not the caller's to do
	CodeNotFound         = "not-found"         // 404: not there, or not the caller's to see
	CodeNameTaken        = "name-taken"        // 409: another key has this name
	CodeNameFixed        = "name-fixed"        // 409: the key has another name already
	CodeOutdated         = "outdated"          // 409: a newer statement of this party is here
	CodeObjectExists     = "object-exists"     // 409: objects are written once
	CodeAlreadySubmitted = "already-submitted" // 409: this job was submitted before
	CodeLeaseLost        = "lease-lost"        // 409: the lease ended or went to another
	CodeStaleAttempt     = "stale-attempt"     // 409: that attempt of the job is over
	CodeArtifactExists   = "artifact-exists"   // 409: other bytes under the same name
	CodeTooLarge         = "too-large"         // 413
	CodeRange            = "range"             // 416: no such bytes in the object
	CodeStatement        = "bad-statement"     // 422: not strictly encoded, or a field is wrong
	CodeSignature        = "bad-signature"     // 422: not signed by whom it must be
	CodeUnknownReference = "unknown-reference" // 422: names a statement or object that is not here
	CodeExpired          = "expired"           // 422: the job's expires_ms has passed
	CodeNoCredit         = "no-credit"         // 409: fewer credits than that
	CodeOrderEnded       = "order-ended"       // 409: nothing is charged to it any more
	CodeOutOfOrder       = "out-of-order"      // 409: the total of a charge or closing is not that of what came before
	CodeCharged          = "charged"           // 409: this job was charged, or this order settled, by another statement
	CodePaymentRefused   = "payment-refused"   // 409: the payment provider refused a refund under this reference
	CodeAlreadyRevoked   = "already-revoked"   // 409: its author revoked it before, by another statement
	CodeNoProvider       = "no-provider"       // 422: the exchange settles no such order
	CodeNotSold          = "not-sold"          // 422: nothing in the order is sold
	CodeTooMany          = "too-many"          // 429: more at once than one party may have
	CodeInternal         = "internal"          // 500
	CodeUnavailable      = "unavailable"       // 503: shutting down, or its database does not answer
	CodeStorageFull      = "storage-full"      // 507: the exchange's disk is full
	CodeTruncated        = "truncated"         // 500: an object in the lake is shorter than it was
)
