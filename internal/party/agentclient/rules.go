package agentclient

import "github.com/cordon-exchange/cordon/statement"

// Paths of templates and accreditations.
const (
	PathTemplatePropose  = "/v1/templates/propose"
	PathTemplates        = "/v1/templates/list"
	PathTemplateApprove  = "/v1/templates/approve"
	PathTemplateWithdraw = "/v1/templates/withdraw"
	PathAccredit         = "/v1/accreditations/issue"
	PathAccreditations   = "/v1/accreditations/list"
	PathAccreditRevoke   = "/v1/accreditations/revoke"
)

// TemplatePropose asks to sign and post a template. Parties are names or fingerprints.
type TemplatePropose struct {
	Name         string             `json:"name"`
	Tables       []TemplateTable    `json:"tables"`
	Purpose      string             `json:"purpose"`
	Requesters   []string           `json:"requesters,omitempty"`
	AccreditedBy string             `json:"accredited_by,omitempty"`
	Recipients   string             `json:"recipients"`
	Builds       []statement.Digest `json:"builds"`
	Operators    []string           `json:"operators"`
	Evidence     []string           `json:"evidence"`
	Perimeters   []string           `json:"perimeters"`
	PlanEncoding string             `json:"plan_encoding,omitempty"` // default: what the data needs now
	LongestMS    int64              `json:"longest_ms"`
	Contracts    int64              `json:"contracts"`
	OfMonth      int64              `json:"queries_per_month,omitempty"`
	MaxPerQuery  int64              `json:"max_per_query,omitempty"`
	MaxPerDay    int64              `json:"max_per_day,omitempty"`
	MaxFlat      int64              `json:"max_flat,omitempty"`
	Replaces     statement.Digest   `json:"replaces,omitempty"`
	UntilMS      int64              `json:"until_ms"`
	Pins         []Party            `json:"pins,omitempty"`
}

// TemplateTable is data that contracts of a template read.
type TemplateTable struct {
	Name   string   `json:"name"`
	Owners []string `json:"owners"`
}

// Template as this party sees it.
type Template struct {
	Digest   statement.Digest    `json:"digest"`
	Author   Party               `json:"author"`
	Terms    *statement.Template `json:"terms"`
	Owner    bool                `json:"owner"`           // contracts of it can name this party's data
	Approved bool                `json:"approved"`        // by this party: its agent grants them
	Ended    string              `json:"ended,omitempty"` // why it makes no new contracts
}

// Templates is a list of templates.
type Templates struct {
	Templates []Template `json:"templates"`
}

// AccreditationIssue asks to accredit a party.
type AccreditationIssue struct {
	Member  string  `json:"member"` // name or fingerprint
	Scheme  string  `json:"scheme"`
	UntilMS int64   `json:"until_ms"`
	Pins    []Party `json:"pins,omitempty"`
}

// AccreditationList asks for accreditations in force.
type AccreditationList struct {
	By   string  `json:"by,omitempty"` // name or fingerprint; none: all
	Pins []Party `json:"pins,omitempty"`
}

// Accreditation that holds now.
type Accreditation struct {
	Digest     statement.Digest `json:"digest"`
	Accreditor Party            `json:"accreditor"`
	Member     Party            `json:"member"`
	Scheme     string           `json:"scheme"`
	UntilMS    int64            `json:"until_ms"`
}

// Accreditations is a list of them.
type Accreditations struct {
	Accreditations []Accreditation `json:"accreditations"`
}
