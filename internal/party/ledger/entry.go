package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of entries.
const (
	KindPublish = "publish" // an offer was signed
	KindRetire  = "retire"  // an offer was revoked
	KindDestroy = "destroy" // the keys of a retired version are destroyed
	KindPool    = "pool"    // a pool epoch was signed
	KindGrant   = "grant"   // a contract was granted, by hand or by rule
	KindReject  = "reject"  // a contract is rejected, for good
	KindRevoke  = "revoke"  // a grant or contract was revoked
	KindCharge  = "charge"  // a job was charged, before its first release
	KindBudget  = "budget"  // a data set's privacy budget was charged for a release with noise, before any key left for it
	KindRelease = "release" // keys were released: opens an exposure
	KindClose   = "close"   // a receipt closed an exposure
	KindRefusal = "refusal" // something was refused, and why
	KindFreeze  = "freeze"  // the party stopped all its releases, and why: no release follows
	KindThaw    = "thaw"    // it lets them go on

	KindPurchases = "purchases" // another rule for purchases is in force
	KindSettle    = "settle"    // an order for this party's data counts as paid: what its contract costs is charged to it
	KindOrderEnd  = "order-end" // nothing is charged to an order any more
	KindRefund    = "refund"    // some of what an order was charged is given back
	KindReceived  = "received"  // a settler paid out what it owed

	KindOfficers = "officers" // another list of officers is in force
	KindRepair   = "repair"   // the party goes on with a ledger that lost entries: from here on all that they may have said counts as said
	KindExhaust  = "exhaust"  // a data set's privacy budget counts as spent, for ever
	KindApprove  = "approve"  // an officer's approval counted towards what was signed
	KindKey      = "key"      // an operation on keys began: what was approved for it is used up

	KindTemplate = "template" // contracts of a template are granted by rule from here on
	KindWithdraw = "withdraw" // not any more, and why
)

// MaxEntry bounds one encoded entry, in bytes.
const MaxEntry = 1 << 20

// ErrDamaged is wrapped by every error about what a ledger contains.
var ErrDamaged = errors.New("ledger damaged")

// Entry is one line of the ledger. Which fields are set depends on its kind
// (docs/spec/ledger.md, section 3).
type Entry struct {
	Seq       int64                 `json:"seq"` // from 1
	Previous  statement.Digest      `json:"previous"`
	AtMS      int64                 `json:"at_ms"`
	Kind      string                `json:"kind"`
	Job       statement.Digest      `json:"job,omitempty"`
	Contract  statement.Digest      `json:"contract,omitempty"`
	Requester statement.Fingerprint `json:"requester,omitempty"`
	Stage     string                `json:"stage,omitempty"`
	Code      string                `json:"code,omitempty"`
	Reason    string                `json:"reason,omitempty"`
	Session   statement.Digest      `json:"session,omitempty"`
	Plan      statement.Digest      `json:"plan,omitempty"`
	Evidence  statement.Digest      `json:"evidence,omitempty"`
	Ready     statement.Digest      `json:"ready,omitempty"`
	Grant     statement.Digest      `json:"grant,omitempty"`
	Release   statement.Digest      `json:"release,omitempty"`
	Receipt   statement.Digest      `json:"receipt,omitempty"`
	Ack       statement.Digest      `json:"ack,omitempty"`
	Outcome   string                `json:"outcome,omitempty"`
	Columns   []statement.Opening   `json:"columns,omitempty"`
	Number    int64                 `json:"number,omitempty"`
	Charged   int64                 `json:"charged,omitempty"`
	Bytes     int64                 `json:"bytes,omitempty"` // in clear, of this owner's columns, by the receipt
	About     statement.Digest      `json:"about,omitempty"` // offer, pool, template or statement revoked
	Name      string                `json:"name,omitempty"`
	Version   string                `json:"version,omitempty"`
	Epoch     int64                 `json:"epoch,omitempty"`
	Authority string                `json:"authority,omitempty"`
	Epsilon   account.Amount        `json:"epsilon,omitempty"` // of a pure release
	Rho       account.Amount        `json:"rho,omitempty"`
	Delta     account.Amount        `json:"delta,omitempty"`
	Appraisal *statement.Appraisal  `json:"appraisal,omitempty"` // what keys were released to, and by which policies
	Approval  statement.Digest      `json:"approval,omitempty"`
	Offers    []statement.Digest    `json:"offers,omitempty"` // with terms, that a charge is for

	Order   statement.Digest      `json:"order,omitempty"`    // that is charged, settled or ends
	Settler statement.Fingerprint `json:"settler,omitempty"`  // whose word counts
	UntilMS int64                 `json:"until_ms,omitempty"` // of an order: nothing is charged to it from then on; of a charge: no first keys leave for it

	Flat []statement.Digest `json:"flat,omitempty"` // of Offers: those whose price for the contract the charge has in it
	Day  []statement.Digest `json:"day,omitempty"`  // and for the day
}

// event is a charge as the account of its data set takes it up. The organisation is the requester; Release names what noise
// depends on, not a release of keys.
func (e *Entry) event() account.Event {
	return account.Event{AtMS: e.AtMS, Release: e.Release, Org: e.Requester, Rho: e.Rho, Delta: e.Delta, Epsilon: e.Epsilon}
}

func (e *Entry) validBudget() bool {
	_, err := e.event().Encode()
	return err == nil && e.Name != "" && e.Job.Valid() && e.Contract.Valid()
}

// validFees checks that a charge has fees of offers in it that it is for, each once. A charge of an older version says nothing of them.
func (e *Entry) validFees() bool {
	for _, list := range [][]statement.Digest{e.Flat, e.Day} {
		for i, o := range list {
			if e.UntilMS <= 0 || !slices.Contains(e.Offers, o) || slices.Contains(list[:i], o) {
				return false
			}
		}
	}
	return e.UntilMS >= 0
}

// Genesis is what the first entry of an owner's ledger follows.
func Genesis(owner statement.Fingerprint) statement.Digest {
	return statement.LabelledSum("cordon/ledger/v1", []byte(owner))
}

func encodeEntry(e Entry) ([]byte, error) {
	if err := e.valid(); err != nil {
		return nil, err
	}
	b, err := statement.Marshal(e)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxEntry {
		return nil, errors.New("ledger: entry too large")
	}
	return b, nil
}

// decodeEntry reads one line without its end. What it accepts encodes to the same bytes.
func decodeEntry(line []byte) (Entry, error) {
	var e Entry
	if len(line) > MaxEntry {
		return Entry{}, errors.New("too large")
	}
	if err := statement.Unmarshal(line, &e); err != nil {
		return Entry{}, err
	}
	if err := e.valid(); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// needs lists the fields without which an entry of a kind means nothing.
func (e *Entry) valid() error {
	ok := e.Seq >= 1 && e.AtMS > 0 && e.Previous.Valid()
	switch e.Kind {
	case KindPublish, KindRetire, KindDestroy, KindPool:
		ok = ok && e.About.Valid() && e.Name != ""
	case KindGrant:
		ok = ok && e.Contract.Valid() && e.Grant.Valid() && e.Authority != ""
	case KindReject:
		ok = ok && e.About.Valid() && e.Contract.Valid() && e.Reason != ""
	case KindRevoke, KindTemplate, KindWithdraw:
		ok = ok && e.About.Valid()
	case KindCharge:
		ok = ok && e.Job.Valid() && e.Contract.Valid() && e.Requester.Valid() && e.Charged >= 0 && e.validFees()
	case KindBudget:
		ok = ok && e.validBudget()
	case KindRelease:
		ok = ok && e.Job.Valid() && e.Release.Valid() && e.Session.Valid() && e.Plan.Valid() && e.Evidence.Valid() && e.Ready.Valid() &&
			e.Grant.Valid() && e.Number >= 1 && len(e.Columns) > 0 && (e.Appraisal == nil || e.Appraisal.Valid()) // older entries have none
	case KindClose:
		ok = ok && e.Job.Valid() && e.Release.Valid() && e.Receipt.Valid() && e.Outcome != ""
	case KindOfficers, KindRepair:
		ok = ok && e.About.Valid()
	case KindExhaust, KindKey:
		ok = ok && e.About.Valid() && e.Name != ""
	case KindApprove:
		ok = ok && e.About.Valid() && e.Requester.Valid() && e.Name != "" && e.Approval.Valid()
	case KindPurchases:
		ok = ok && e.About.Valid()
	case KindSettle:
		ok = ok && e.Order.Valid() && e.About.Valid() && e.Contract.Valid() && e.Settler.Valid() && e.Authority != "" && e.UntilMS > 0 && validAmount(e.Charged)
	case KindOrderEnd:
		ok = ok && e.Order.Valid() && e.Reason != ""
	case KindRefund:
		ok = ok && e.Order.Valid() && e.Reason != "" && validAmount(e.Charged)
	case KindReceived:
		ok = ok && e.Settler.Valid() && e.Reason != "" && validAmount(e.Charged)
	case KindRefusal:
		ok = ok && e.Stage != "" && e.Code != ""
	case KindFreeze:
		ok = ok && e.Reason != ""
	case KindThaw:
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("not a complete entry of kind %q", e.Kind)
	}
	return nil
}

func validAmount(n int64) bool { return n >= 1 && n <= statement.MaxAmount }
