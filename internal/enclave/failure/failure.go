package failure

import (
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/channel"
)

// Code says what failed. It is public: host and exchange see it.
type Code string

// The codes. Those with a party are followed by a colon and the party's name.
const (
	Internal     Code = "internal"      // a bug of ours
	Link         Code = "channel"       // the host does not answer properly
	BadJob       Code = "bad-job"       // not signed by its requester, or not for its contract
	BadContract  Code = "bad-contract"  // not the one that the job names, or not valid now
	BadParty     Code = "bad-party"     // a party statement is missing or not signed by the pinned key
	BadOffer     Code = "bad-offer"     // an offer is missing or not signed by its owner
	BadPool      Code = "bad-pool"      // a pool is missing, or not signed by all of its members
	NoGrant      Code = "no-grant"      // of a party
	Revoked      Code = "revoked"       // by a party
	BadEvidence  Code = "bad-evidence"  // the host attests something else than the contract accepts
	NoAnswer     Code = "no-answer"     // of a party, in time
	Refused      Code = "refused"       // by a party; the reason is sealed to the requester
	BadReply     Code = "bad-reply"     // of a party: not signed by it, or not for this job, session, plan
	BadBody      Code = "bad-body"      // the requester's agent sent another body than the job commits to
	BadPlan      Code = "bad-plan"      // the query does not compile here
	OtherPlan    Code = "other-plan"    // a party compiled the job to another plan
	BadRelease   Code = "bad-release"   // of a party: not signed by it, or not for this job, plan, evidence
	BadKey       Code = "bad-key"       // of a party: not what its offer commits to
	BadData      Code = "bad-data"      // of a party: does not authenticate, or is not what it offered
	TooLarge     Code = "too-large"     // for the job's resource class
	NotSupported Code = "not-supported" // a form of offer that this enclave cannot read
	TooSlow      Code = "too-slow"      // policies let answers leave at ticks longer than the job's resource class allows
	Engine       Code = "engine"        // the query could not be run
	Unstored     Code = "result-unsent" // the host did not take the result
	BadAck       Code = "bad-ack"       // of a party: for another receipt or release
	TimedOut     Code = "timed-out"     // the job's time is over
)

// Error is a failure of a job. Its text is its code; what caused it stays inside.
type Error struct {
	code  string
	cause error
}

// New makes a failure.
func New(code Code, cause error) *Error { return &Error{code: string(code), cause: cause} }

// Of makes a failure that names a party.
func Of(code Code, party string, cause error) *Error {
	full := string(code) + ":" + party
	if !channel.ValidCode(full) {
		full = string(code)
	}
	return &Error{code: full, cause: cause}
}

// Sized makes a failure that says how much was needed, and how much there was. Both must follow from the plan and the data's layout alone.
func Sized(code Code, need, room int64) *Error {
	const mib = 1 << 20
	return &Error{code: fmt.Sprintf("%s:need_%d_mib:room_%d_mib", code, (need+mib-1)/mib, room/mib)}
}

func (e *Error) Error() string { return e.code }

// Unwrap is for tests to see which check it was.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf any error: its own, or Internal.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.code
	}
	return string(Internal)
}
