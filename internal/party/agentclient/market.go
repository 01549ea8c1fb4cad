package agentclient

import (
	"github.com/cordon-exchange/cordon/policy/owner"
	"github.com/cordon-exchange/cordon/statement"
)

// CatalogSearch asks for data sets of all owners; an empty field asks for any.
type CatalogSearch struct {
	Words   []string `json:"words,omitempty"`
	Owner   string   `json:"owner,omitempty"` // name or fingerprint
	Purpose string   `json:"purpose,omitempty"`
	Access  string   `json:"access,omitempty"`
	Price   *int64   `json:"price,omitempty"` // credits that a query costs at most
	Column  string   `json:"column,omitempty"`
	Type    string   `json:"type,omitempty"`
	After   string   `json:"after,omitempty"` // Catalog.Next of the page before
	Limit   int64    `json:"limit,omitempty"`
	Pins    []Party  `json:"pins,omitempty"`
}

// Listing is one data set on offer.
type Listing struct {
	Dataset
	Purposes []string `json:"purposes"`
}

// Catalog is one page of a search.
type Catalog struct {
	Datasets []Listing `json:"datasets"`
	Found    int64     `json:"found"`          // on all pages
	Next     string    `json:"next,omitempty"` // empty: this is the last page
}

// CatalogShow asks for one data set: PARTY.DATASET, with an optional @DIGEST of a version.
type CatalogShow struct {
	Data string  `json:"data"`
	Pins []Party `json:"pins,omitempty"`
}

// ListingDetail is all that the catalog says of a data set.
type ListingDetail struct {
	Listing
	Versions   []Dataset         `json:"versions"` // newest first, retired ones too
	Policy     owner.Explanation `json:"policy"`
	PolicyText string            `json:"policy_text"` // the same, for people
	Needs      Needs             `json:"needs"`
}

// Needs is what a contract over a data set must name so that its policy allows it.
type Needs struct {
	Analyst    bool     `json:"analyst"` // the policy lets this party ask
	Purposes   []string `json:"purposes"`
	Builds     []string `json:"builds"`
	Operators  []string `json:"operators"`
	Evidence   []string `json:"evidence"`
	Perimeters []string `json:"perimeters"`
	UntilMS    int64    `json:"until_ms"`
	Rules      []string `json:"rules"` // standing rules that grant this party's contracts; none: its owner grants by hand
}

// Rejected is an owner's no to a contract.
type Rejected struct {
	Party
	Reason string `json:"reason"`
}

// Counter is what an owner would grant instead of a contract.
type Counter struct {
	Digest statement.Digest   `json:"digest"`
	Owner  Party              `json:"owner"`
	Terms  *statement.Counter `json:"terms"`
}

// ContractCounter asks to counter a contract.
type ContractCounter struct {
	Contract   statement.Digest   `json:"contract"`
	Offers     []statement.Digest `json:"offers,omitempty"`
	Purpose    string             `json:"purpose,omitempty"`
	Recipients []string           `json:"recipients,omitempty"`
	Builds     []statement.Digest `json:"builds,omitempty"`
	Operators  []string           `json:"operators,omitempty"`
	UntilMS    int64              `json:"until_ms,omitempty"`
	Reason     string             `json:"reason,omitempty"`
	Pins       []Party            `json:"pins,omitempty"`
}

// Waiting is what waits for an answer of this party.
type Waiting struct {
	Items []WaitingItem `json:"items"`
}

// WaitingItem is one of them.
type WaitingItem struct {
	Kind    string           `json:"kind"` // contract, counter, pool, template or officers
	Digest  statement.Digest `json:"digest"`
	From    *Party           `json:"from,omitempty"`
	Why     string           `json:"why"`
	Command string           `json:"command"` // that answers
	UntilMS int64            `json:"until_ms,omitempty"`
}
