package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/policy"
)

// Codes of refusals: stable, for machines; docs/spec/messages.md lists them.
const (
	CodeMessage         = "message"           // does not open or decode, or is for another job
	CodeJobSignature    = "job-signature"     // not signed by the requester of its contract
	CodeJobExpired      = "job-expired"       //
	CodeJobCommitment   = "job-commitment"    // the body is not the one that the job commits to
	CodeJobOwners       = "job-owners"        // names other owners than the plan reads from
	CodeContract        = "contract"          // missing, not signed, or names data that does not verify
	CodeContractExpired = "contract-expired"  // or not yet valid
	CodeContractRevoked = "contract-revoked"  //
	CodeNoGrant         = "no-grant"          //
	CodeGrantRevoked    = "grant-revoked"     //
	CodeGrantExpired    = "grant-expired"     //
	CodeOfferRetired    = "offer-retired"     // or unknown here
	CodeDestroyed       = "keys-destroyed"    // the owner destroyed the keys of the version, for good
	CodeOverQuota       = "over-quota"        // the analyst has asked as often as the policy allows
	CodeBudget          = "dp-budget"         // what is left of a data set's privacy budget does not cover the query
	CodeReplayed        = "replayed"          // closed job, used ready, or evidence seen before
	CodeTooMany         = "too-many-releases" //
	CodePlanMismatch    = "plan-mismatch"     //
	CodeReadies         = "readies-mismatch"  //
	CodeReceipt         = "receipt-mismatch"  // the receipt is not about what was released
	CodeReceiptUnknown  = "receipt-unknown"   // nothing was released that it could close
	CodeReceiptColumns  = "receipt-columns"   // tells of columns that were not released
	CodeKeys            = "keys-unavailable"  // the key store does not open the version
	CodeLedger          = "ledger-unavailable"
	CodeBehind          = "ledger-behind" // older than what this party signed for: restored from an old copy
	CodePolicy          = "policy:"       // and the rule
)

// refusal ends the handling of a message with a reason for the other side.
type refusal struct {
	code   string
	reason string
	cause  error
}

func (r *refusal) Error() string { return r.code + ": " + r.reason }
func (r *refusal) Unwrap() error { return r.cause }

func refuse(code, reason string) error { return &refusal{code: code, reason: reason} }

func refuseBecause(code, reason string, cause error) error {
	return &refusal{code: code, reason: reason, cause: cause}
}

// evidenceRefusal names the stage at which evidence failed.
func evidenceRefusal(err error) error {
	for _, c := range []struct {
		is   error
		code string
	}{
		{evidence.ErrKind, "evidence-kind"}, {evidence.ErrMalformed, "evidence-malformed"},
		{evidence.ErrSignature, "evidence-signature"}, {evidence.ErrClock, "evidence-clock"},
		{evidence.ErrBuild, "evidence-build"}, {evidence.ErrOperator, "operator"},
		{evidence.ErrPerimeter, "perimeter"}, {evidence.ErrBinding, "evidence-binding"},
		{evidence.ErrPolicy, "evidence-policy"}, {evidence.ErrDebug, "evidence-debug"},
	} {
		if errors.Is(err, c.is) {
			return refuseBecause(c.code, strings.TrimPrefix(c.is.Error(), "evidence: "), err)
		}
	}
	return refuseBecause("evidence", "evidence does not verify", err)
}

// planRefusal names rule, place and whose policy. The compiler's own text may
// quote the query, so it stays out.
func planRefusal(err error) error {
	var r *policy.Refusal
	if !errors.As(err, &r) {
		return refuseBecause(CodePolicy+"compile", "the query does not compile", err)
	}
	reason := "rule " + r.Rule
	if r.Code != "" {
		reason += " (" + r.Code + ")"
	}
	if r.Where.Line > 0 {
		reason += fmt.Sprintf(" at %d:%d", r.Where.Line, r.Where.Col)
	}
	if len(r.Whose) > 0 {
		reason += " of " + strings.Join(r.Whose, ", ")
	}
	return refuseBecause(CodePolicy+r.Rule, reason, err)
}
