package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/policy"
)

// Codes of refusals: stable, for machines; docs/spec/messages.md lists them.
const (
	CodeMessage         = "message"           // does not open or decode, or is for another job
	CodeJobSignature    = "job-signature"     // not signed by the requester of its contract
	CodeJobExpired      = "job-expired"       // or charged, and without keys for too long since
	CodeJobCommitment   = "job-commitment"    // the body is not the one that the job commits to
	CodeJobOwners       = "job-owners"        // names other owners than the plan reads from
	CodeContract        = "contract"          // missing, not signed, or names data that does not verify
	CodeContractExpired = "contract-expired"  // or not yet valid
	CodeContractRevoked = "contract-revoked"  //
	CodeNoGrant         = "no-grant"          //
	CodeGrantRevoked    = "grant-revoked"     //
	CodeGrantExpired    = "grant-expired"     //
	CodeAccreditation   = "accreditation"     // one that the grant rests on has ended
	CodeOfferRetired    = "offer-retired"     // or unknown here
	CodeDestroyed       = "keys-destroyed"    // the owner destroyed the keys of the version, for good
	CodeOverQuota       = "over-quota"        // the analyst has asked as often as the policy allows
	CodeTermsQuota      = "terms-quota"       // the contract, or the analyst's organisation this month, has as many queries as the offer's terms allow
	CodeTerms           = "terms-purpose"     // the offer's terms do not allow the contract's purpose
	CodeUnpaid          = "unpaid"            // no order that pays for the contract has room for what the query costs
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
	CodeKeyRevoked      = "key-revoked"   // of a statement that the job rests on: its signer's online key
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
		{evidence.ErrTCBStatus, "evidence-tcb-status"}, {evidence.ErrAdvisory, "evidence-advisory"}, {evidence.ErrTCBDate, "evidence-tcb-date"},
		{evidence.ErrTCBEvaluation, "evidence-tcb-evaluation"}, {evidence.ErrTCBVersion, "evidence-tcb-version"},
		{stage.NoCollateral, "evidence-collateral"}, {stage.NoCRL, "evidence-collateral"}, {stage.StaleCollateral, "evidence-collateral"},
		{stage.Revoked, "evidence-revoked"},
		{evidence.ErrKind, "evidence-kind"}, {evidence.ErrMalformed, "evidence-malformed"},
		{evidence.ErrSignature, "evidence-signature"}, {evidence.ErrClock, "evidence-clock"},
		{evidence.ErrBuild, "evidence-build"}, {evidence.ErrOperator, "operator"},
		{evidence.ErrPerimeter, "perimeter"}, {evidence.ErrBinding, "evidence-binding"},
		{evidence.ErrPolicy, "evidence-policy"}, {evidence.ErrDebug, "evidence-debug"}, {evidence.ErrQuote, "evidence-quote"},
	} {
		if errors.Is(err, c.is) {
			return refuseBecause(c.code, reasonOf(err, c.is), err)
		}
	}
	return refuseBecause("evidence", "evidence does not verify", err)
}

// reasonOf says what is wrong with evidence: of a genuine machine that the policy does not accept what it is, of collateral which, else
// the name of the check. Whoever made the evidence knows all of it.
func reasonOf(err, is error) string {
	s := is.Error()
	for _, shown := range []error{
		evidence.ErrTCBStatus, evidence.ErrAdvisory, evidence.ErrTCBDate, evidence.ErrTCBEvaluation, evidence.ErrTCBVersion,
	} {
		if is == shown {
			s = err.Error()
		}
	}
	switch is {
	case stage.NoCollateral:
		s = "nothing current says whether the machine is up to date or revoked"
	case stage.NoCRL:
		s = "no list says whether the machine is revoked"
	case stage.StaleCollateral:
		s = "what says whether the machine is up to date is not current"
	case stage.Revoked:
		s = "the vendor has revoked the machine or its key"
	}
	return strings.TrimPrefix(s, "evidence: ")
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
