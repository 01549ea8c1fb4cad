package agentclient

import (
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/query"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Paths of the API.
const (
	PathStatus          = "/v1/status"
	PathPublish         = "/v1/datasets/publish" // streams Progress
	PathDatasets        = "/v1/datasets/list"
	PathCatalogSearch   = "/v1/catalog/search"
	PathCatalogShow     = "/v1/catalog/show"
	PathRekey           = "/v1/datasets/rekey" // streams Progress
	PathRetire          = "/v1/datasets/retire"
	PathPoolPropose     = "/v1/pools/propose"
	PathPoolSign        = "/v1/pools/sign"
	PathPools           = "/v1/pools/list"
	PathContractPropose = "/v1/contracts/propose"
	PathContractGrant   = "/v1/contracts/grant"
	PathContractRevoke  = "/v1/contracts/revoke"
	PathContractCounter = "/v1/contracts/counter"
	PathContractReject  = "/v1/contracts/reject"
	PathWaiting         = "/v1/waiting"
	PathContracts       = "/v1/contracts/list"
	PathExplain         = "/v1/queries/explain"
	PathRun             = "/v1/queries/run" // streams Progress
	PathJob             = "/v1/queries/status"
	PathResult          = "/v1/results/open"
	PathReceipt         = "/v1/receipts/get"
	PathLedger          = "/v1/ledger/show"
	PathBudget          = "/v1/budget/show"
	PathApprovals       = "/v1/approvals/list"
	PathApprove         = "/v1/approvals/add"
	PathOfficers        = "/v1/officers/show"
	PathOfficersSet     = "/v1/officers/set"
	PathKeys            = "/v1/keys/list"
	PathKeyDestroy      = "/v1/keys/destroy"
	PathFreeze          = "/v1/freeze"
	PathLog             = "/v1/log/verify"
	PathLogged          = "/v1/receipts/logged"
)

// Empty asks for something that needs no words.
type Empty struct{}

// Party is a fingerprint with the name that the party gives itself.
type Party struct {
	Name        string                `json:"name"`
	Fingerprint statement.Fingerprint `json:"fingerprint"`
}

// Status of the agent.
type Status struct {
	Party
	Exchange      string      `json:"exchange"`
	Home          string      `json:"home"`
	Ledger        ledger.Head `json:"ledger"`
	Datasets      int         `json:"datasets"`
	LedgerBehind  bool        `json:"ledger_behind,omitempty"` // older than what the party signed for: it releases nothing
	OpenExposures int         `json:"open_exposures"`
	Frozen        *Freeze     `json:"frozen,omitempty"`       // nothing is released
	KeysMissing   []string    `json:"keys_missing,omitempty"` // versions on offer whose keys do not open
	KeyUntilMS    int64       `json:"key_until_ms,omitempty"` // end of the online signing key's certificate
	KeysWhy       string      `json:"keys_why,omitempty"`     // of the first one
	KeysHint      string      `json:"keys_hint,omitempty"`
	LogAlarm      string      `json:"log_alarm,omitempty"` // why the exchange's log is not to be believed
}

// Freeze asks to stop all releases, or, without a reason, to let them go on; and says that they are stopped.
type Freeze struct {
	Reason string `json:"reason,omitempty"`
	AtMS   int64  `json:"at_ms,omitempty"` // since when
}

// FreezeOf is what the mark in a home says; nil where releases go on. A mark that can't be read is one.
func FreezeOf(dir home.Dir) *Freeze {
	f, err := dir.Freeze()
	switch {
	case err != nil:
		return &Freeze{Reason: err.Error()}
	case f.Frozen:
		return &Freeze{Reason: f.Reason, AtMS: f.AtMS}
	}
	return nil
}

// Progress is one event of a stream.
type Progress struct {
	Stage string `json:"stage"`
	Rows  int64  `json:"rows,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	Total int64  `json:"total,omitempty"`
	AtMS  int64  `json:"at_ms,omitempty"`
	Note  string `json:"note,omitempty"`
}

// Publish asks to publish a file of the agent's machine.
type Publish struct {
	Path    string   `json:"path"` // absolute
	Dataset string   `json:"dataset"`
	Version string   `json:"version,omitempty"`
	Policy  []byte   `json:"policy"`
	Terms   []byte   `json:"terms,omitempty"`
	Schema  string   `json:"schema,omitempty"`
	Columns []string `json:"columns,omitempty"`
	Where   []string `json:"where,omitempty"`
	RowID   string   `json:"row_id,omitempty"`

	EvenIfUnchanged bool `json:"even_if_unchanged,omitempty"` // rows that the newest version has already
}

// Dataset is one offered version.
type Dataset struct {
	Owner     Party              `json:"owner"`
	Name      string             `json:"name"`
	Version   string             `json:"version"`
	Offer     statement.Digest   `json:"offer"`
	Rows      int64              `json:"rows"`
	Bytes     int64              `json:"bytes"`
	Schema    []statement.Column `json:"schema"`
	Price     int64              `json:"price"`  // credits for each query
	Access    string             `json:"access"` // free, approval or purchase
	Terms     *statement.Terms   `json:"terms,omitempty"`
	CreatedMS int64              `json:"created_ms"`
	Retired   bool               `json:"retired"`

	ReplacedBy string   `json:"replaced_by,omitempty"` // the newest version, if this is not it
	Notes      []string `json:"notes,omitempty"`       // after publishing: what its owner should know
}

// List asks for the data sets of this party, or of another.
type List struct {
	Of string `json:"of,omitempty"`
}

// Datasets is a list of offered versions.
type Datasets struct {
	Datasets []Dataset `json:"datasets"`
}

// Retire asks to retire one version, or all of a data set.
type Retire struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// Digests names what was done.
type Digests struct {
	Digests []statement.Digest `json:"digests"`
}

// Revoked names what was revoked. It holds, also where the exchange does not have it yet.
type Revoked struct {
	Digests  []statement.Digest `json:"digests"`
	Unposted bool               `json:"unposted,omitempty"` // the agent posts it once the exchange takes it
}

// PoolPropose asks to propose the next epoch of a pool.
type PoolPropose struct {
	Name    string   `json:"name"`
	Members []string `json:"members"`
	Pins    []Party  `json:"pins,omitempty"`
}

// PoolSign asks to sign a proposed epoch: the only one of a name, or one by its digest.
type PoolSign struct {
	Name   string           `json:"name,omitempty"`
	Digest statement.Digest `json:"digest,omitempty"`
}

// PoolList asks for the epochs of one name, or of all.
type PoolList struct {
	Name string `json:"name,omitempty"`
}

// Pool is one epoch.
type Pool struct {
	Name    string           `json:"name"`
	Epoch   int64            `json:"epoch"`
	Digest  statement.Digest `json:"digest"`
	Members []Member         `json:"members"`
	Missing []Party          `json:"missing"` // who has not signed yet
}

// Member of a pool or of a contract's table.
type Member struct {
	Party
	Offer  statement.Digest `json:"offer"`
	Signed bool             `json:"signed"`
}

// Pools is a list of epochs.
type Pools struct {
	Pools []Pool `json:"pools"`
}

// ContractPropose asks to propose a contract.
type ContractPropose struct {
	Data       []string           `json:"data,omitempty"`
	Purpose    string             `json:"purpose,omitempty"`
	Recipients []string           `json:"recipients,omitempty"`
	Builds     []statement.Digest `json:"builds,omitempty"`
	Operators  []string           `json:"operators,omitempty"`
	Evidence   []string           `json:"evidence,omitempty"`
	Perimeters []string           `json:"perimeters,omitempty"`
	UntilMS    int64              `json:"until_ms,omitempty"`
	Pins       []Party            `json:"pins,omitempty"`
	WaitMS     int64              `json:"wait_ms,omitempty"` // for grants
	AnswerByMS int64              `json:"answer_by_ms,omitempty"`
	Accept     statement.Digest   `json:"accept,omitempty"`     // a counter: instead of all the rest
	Template   statement.Digest   `json:"template,omitempty"`   // instead of all but data with versions, recipients and end
	Accredited []string           `json:"accredited,omitempty"` // by whom: what they say of this party and the recipients is shown
	Logged     bool               `json:"logged,omitempty"`
	Witnesses  []string           `json:"witnesses,omitempty"` // beside requester and owners
}

// About names a contract or another statement; none lists all, where a call lists.
type About struct {
	Digest statement.Digest `json:"digest,omitempty"`
	Reason string           `json:"reason,omitempty"`
}

// Contract as this party sees it.
type Contract struct {
	Digest    statement.Digest    `json:"digest"`
	Requester Party               `json:"requester"`
	Purpose   string              `json:"purpose"`
	Tables    []Table             `json:"tables"`
	Terms     *statement.Contract `json:"terms"`
	Granted   []Party             `json:"granted"`
	Missing   []Party             `json:"missing"` // owners without a grant in force
	Notes     []string            `json:"notes"`   // about this party's data in it

	State    string     `json:"state"`              // waiting, granted, rejected or expired
	Rejected []Rejected `json:"rejected,omitempty"` // as far as this party may read it: requester and rejecting owner
	Counters []Counter  `json:"counters,omitempty"` // the same
}

// Table of a contract.
type Table struct {
	Name    string           `json:"name"`
	Pool    statement.Digest `json:"pool,omitempty"`
	Members []Member         `json:"members"`
}

// Contracts is a list of contracts.
type Contracts struct {
	Contracts []Contract `json:"contracts"`
}

// Query asks to explain or run a query.
type Query struct {
	Contract statement.Digest  `json:"contract,omitempty"`
	Data     []string          `json:"data,omitempty"`    // explain only, instead of a contract
	Purpose  string            `json:"purpose,omitempty"` // with data
	Pins     []Party           `json:"pins,omitempty"`
	SQL      string            `json:"sql"`
	Params   []statement.Param `json:"params,omitempty"`
	Class    string            `json:"class,omitempty"`
	ExpireMS int64             `json:"expire_ms,omitempty"`
	WaitMS   int64             `json:"wait_ms,omitempty"` // 0: submit only
}

// Explained is the verdict on a query that policy allows.
type Explained struct {
	Explanation policy.Explanation `json:"explanation"`
	Text        string             `json:"text"`
	Price       int64              `json:"price"`
	Missing     []string           `json:"missing"` // owners concerned without a grant in force
}

// Job is the state of a job.
type Job struct {
	Digest   statement.Digest `json:"digest"`
	State    string           `json:"state"`
	Attempts int64            `json:"attempts"`
	Code     string           `json:"code,omitempty"`
	Stages   []Progress       `json:"stages"`
	Refusals []query.Said     `json:"refusals"`
}

// JobRef names a job, and whom the reader relies on beyond its contract.
type JobRef struct {
	Job    statement.Digest        `json:"job"`
	Pins   []statement.Fingerprint `json:"pins,omitempty"`
	Beside statement.Digest        `json:"beside,omitempty"` // another job whose result stands beside
	Prefix string                  `json:"prefix,omitempty"` // of the columns beside
}

// Result is an opened result.
type Result struct {
	Table     []byte           `json:"table"` // result/1
	Receipt   statement.Digest `json:"receipt"`
	Simulated bool             `json:"simulated"`
	Warnings  []string         `json:"warnings,omitempty"` // that the reader has to be told beside the table
}

// Receipt is a verified account of a job.
type Receipt struct {
	Bundle []byte           `json:"bundle"`
	Digest statement.Digest `json:"digest"`
	Text   string           `json:"text"`
	JSON   []byte           `json:"json"` // receipt.Summary
}

// LedgerView is the ledger: open exposures first.
type LedgerView struct {
	Head      ledger.Head       `json:"head"`
	Exposures []ledger.Exposure `json:"exposures"`
	Entries   []ledger.Entry    `json:"entries"`
	Parties   []Party           `json:"parties"` // names of those in it
}

// Budgets are the privacy budgets of this party's data sets, and the terms of others' where it has a contract.
type Budgets struct {
	Own    []Budget      `json:"own"`
	Others []BudgetTerms `json:"others"`
}

// BudgetTerms is what a policy allows. Numbers are decimals for people.
type BudgetTerms struct {
	Owner           Party  `json:"owner"`
	Dataset         string `json:"dataset"`
	Epsilon         string `json:"epsilon"`
	Delta           string `json:"delta"`
	EpsilonMaxQuery string `json:"epsilon_max_query"`
	PerOrg          string `json:"per_org,omitempty"`
	PeriodDays      int64  `json:"period_days,omitempty"` // that PerOrg counts; 0: the lifetime
}

// Budget of one data set: all its versions.
type Budget struct {
	BudgetTerms
	Total         BudgetAmounts  `json:"total"`
	Spent         BudgetAmounts  `json:"spent"`
	Left          BudgetAmounts  `json:"left"`
	GivenUp       bool           `json:"given_up,omitempty"` // by a repair of the ledger: what was spent is not known any more
	Organisations []BudgetOrg    `json:"organisations"`
	Charges       []ledger.Entry `json:"charges"` // the last ones, newest first
}

// BudgetAmounts is a part of a budget. Epsilon is what Rho stands for, where it is said.
type BudgetAmounts struct {
	Epsilon string `json:"epsilon,omitempty"`
	Rho     string `json:"rho"`
	Delta   string `json:"delta"`
}

// BudgetOrg is what one organisation was charged.
type BudgetOrg struct {
	Party
	Charges int64         `json:"charges"`
	Spent   BudgetAmounts `json:"spent"`
}

// Approvals are the requests that wait for officers.
type Approvals struct {
	Requests []Approval `json:"requests"`
}

// Approval is one request: exactly what the agent would sign, and who approved it.
type Approval struct {
	Request   statement.Digest `json:"request"` // Sum of Payload: who approves computes it
	Action    string           `json:"action"`
	Payload   []byte           `json:"payload"`
	CreatedMS int64            `json:"created_ms"`
	Need      int64            `json:"need"`
	Approved  []string         `json:"approved"` // names of officers
	Asks      []Ask            `json:"asks"`
}

// Ask is a list whose officers a request waits for: that in force, and for a change of it the new one too.
type Ask struct {
	List     statement.Digest        `json:"list"`
	Officers []statement.Fingerprint `json:"officers"`
}

// Approve hands over an officer's signed approval.
type Approve struct {
	Envelope statement.Envelope `json:"envelope"`
}

// Officers is the list in force; no officers: there is no dual control.
type Officers struct {
	List      statement.Digest   `json:"list,omitempty"`
	Number    int64              `json:"number,omitempty"`
	Threshold int64              `json:"threshold"`
	Officers  []officers.Officer `json:"officers"`
	Actions   []string           `json:"actions"`
}

// OfficersSet asks for another list.
type OfficersSet struct {
	Threshold int64              `json:"threshold"`
	Officers  []officers.Officer `json:"officers"`
	Actions   []string           `json:"actions"`
}

// Keys are the party's key encryption keys (KEKs), and what they wrap.
type Keys struct {
	Store    string       `json:"store"`
	Before   string       `json:"before,omitempty"` // a move from it has not ended
	KEKs     []KEK        `json:"keks"`
	Versions []KeyVersion `json:"versions"`
	Backups  []string     `json:"backups"`         // of the keyring, with their custodians
	Error    string       `json:"error,omitempty"` // why the store can't be asked
	Hint     string       `json:"hint,omitempty"`
}

// KEK of a key store.
type KEK struct {
	ID       string `json:"id"`
	Wraps    bool   `json:"wraps"`    // new version keys
	Versions int64  `json:"versions"` // that it wraps now
}

// KeyVersion is the version key of one version.
type KeyVersion struct {
	Dataset string `json:"dataset"`
	Version string `json:"version"`
	KEK     string `json:"kek,omitempty"`
	State   string `json:"state"` // opens, closed, retired, unfinished, destroyed
	Why     string `json:"why,omitempty"`
}

// KeyDestroy asks to destroy the keys of one version, for good.
type KeyDestroy struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// KeyDestroyed tells what was done, and what could undo it.
type KeyDestroyed struct {
	Offer statement.Digest `json:"offer"`
	KEK   string           `json:"kek,omitempty"` // that wrapped the version key
	Undo  []string         `json:"undo"`
	Notes []string         `json:"notes"`
}
