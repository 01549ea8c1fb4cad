package exchange

import (
	"net/http"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Rule is what holds for every request of one route, before its handler runs. docs/spec/exchange-api.md, section 4.1, is the same table.
type Rule struct {
	Who      string   // WhoAnyone, WhoSigner or WhoParty
	Concerns string   // what of it is the caller's: the handler checks that
	Body     int64    // bytes at most; 0: there is none; Streamed: as many as Content-Length says and the route allows
	Params   []string // of the query, each at most once; no others
	Class    string   // of the rate limit
}

// Values of Rule.Who.
const (
	WhoAnyone = "anyone" // no signature
	WhoSigner = "signer" // whoever signs; one that is no party introduces itself, and no more
	WhoParty  = "party"  // a registered party whose key is not revoked
)

// Streamed bodies are counted while they come.
const Streamed int64 = -1

// Classes of calls, each with a rate of its own.
const (
	ClassNone  = "none"  // not limited by party: nobody signed
	ClassRead  = "read"  // questions and long polls
	ClassWrite = "write" // what is kept for others: statements, jobs, notices
	ClassHost  = "host"  // of an attempt: claims, leases, messages, replies, artifacts
	ClassBulk  = "bulk"  // objects of the lake
)

// Rules of all routes, by pattern. A route without one is refused when the server is made.
func Rules() map[string]Rule {
	pages := []string{"type", "owner", "about", "name", "pending", "after", "limit"}
	return map[string]Rule{
		"GET /healthz":                           {Who: WhoAnyone, Concerns: "nothing", Class: ClassNone},
		"GET /readyz":                            {Who: WhoAnyone, Concerns: "nothing", Class: ClassNone},
		"GET /v1/exchange":                       {Who: WhoAnyone, Concerns: "nothing", Class: ClassNone},
		"POST /v1/statements":                    {Who: WhoSigner, Concerns: "statements of which it is an author", Body: wire.MaxEnvelope, Class: ClassWrite},
		"GET /v1/statements":                     {Who: WhoParty, Concerns: "statements that name it as author or reader, and public ones", Params: pages, Class: ClassRead},
		"GET /v1/statements/{digest}":            {Who: WhoParty, Concerns: "statements that name it as author or reader, and public ones", Class: ClassRead},
		"GET /v1/mailbox":                        {Who: WhoParty, Concerns: "its own", Params: []string{"after", "wait_ms"}, Class: ClassRead},
		"POST /v1/mailbox/ack":                   {Who: WhoParty, Concerns: "its own", Body: wire.MaxSmall, Class: ClassRead},
		"POST /v1/parties/{fingerprint}/notices": {Who: WhoParty, Concerns: "jobs that name both as parties", Body: wire.MaxJSON, Class: ClassWrite},
		"POST /v1/jobs":                          {Who: WhoParty, Concerns: "jobs that it asks, under contracts that it proposed", Body: wire.MaxEnvelope, Class: ClassWrite},
		"GET /v1/jobs/{digest}":                  {Who: WhoParty, Concerns: "jobs that name it as a party, or that it hosts", Params: []string{"version", "wait_ms"}, Class: ClassRead},
		"GET /v1/jobs/{digest}/envelope":         {Who: WhoParty, Concerns: "jobs that name it as a party, or that it hosts", Class: ClassRead},
		"GET /v1/jobs/{digest}/artifacts/{name}": {Who: WhoParty, Concerns: "jobs that name it as a party; the result to requester and recipients, keys to whom they are for", Class: ClassRead},
		"POST /v1/claim":                         {Who: WhoParty, Concerns: "jobs whose contract names it as an operator", Body: wire.MaxSmall, Class: ClassHost},
		"POST /v1/claim/recall":                  {Who: WhoParty, Concerns: "its own claims", Body: wire.MaxSmall, Class: ClassHost},
		"POST /v1/jobs/{digest}/lease":           {Who: WhoParty, Concerns: "jobs that it holds", Body: wire.MaxSmall, Class: ClassHost},
		"POST /v1/jobs/{digest}/messages":        {Who: WhoParty, Concerns: "jobs that it holds", Body: wire.MaxJSON, Class: ClassHost},
		"POST /v1/jobs/{digest}/replies":         {Who: WhoParty, Concerns: "jobs of which it is a broker", Body: wire.MaxJSON, Class: ClassHost},
		"GET /v1/jobs/{digest}/replies":          {Who: WhoParty, Concerns: "jobs that it holds", Params: []string{"lease", "after", "wait_ms", "want"}, Class: ClassHost},
		"POST /v1/jobs/{digest}/stage":           {Who: WhoParty, Concerns: "jobs that it holds", Body: wire.MaxSmall, Class: ClassHost},
		"PUT /v1/jobs/{digest}/artifacts/{name}": {Who: WhoParty, Concerns: "jobs that it holds", Body: wire.MaxArtifact, Params: []string{"lease"}, Class: ClassHost},
		"POST /v1/jobs/{digest}/finish":          {Who: WhoParty, Concerns: "jobs that it holds", Body: wire.MaxJSON, Class: ClassHost},
		"PUT /v1/objects/{path...}":              {Who: WhoParty, Concerns: "paths that begin with its fingerprint", Body: Streamed, Class: ClassBulk},
		"GET /v1/objects/{path...}":              {Who: WhoParty, Concerns: "all: they are sealed", Class: ClassBulk},
		"DELETE /v1/objects/{path...}":           {Who: WhoParty, Concerns: "paths that begin with its fingerprint", Class: ClassBulk},
		"POST /stripe/webhook":                   {Who: WhoAnyone, Concerns: "nothing: the payment provider signs it", Body: maxEvent, Class: ClassNone},
		"GET /v1/credits":                        {Who: WhoParty, Concerns: "its own", Class: ClassRead},
		"GET /v1/credits/postings":               {Who: WhoParty, Concerns: "its own, or of an order of which it is buyer or owner", Params: []string{"order", "after"}, Class: ClassRead},
		"POST /v1/credits/checkout":              {Who: WhoParty, Concerns: "its own", Body: wire.MaxSmall, Class: ClassWrite},
		"GET /v1/orders/{digest}":                {Who: WhoParty, Concerns: "orders of which it is buyer or owner", Class: ClassRead},
		"GET /v1/log":                            {Who: WhoParty, Concerns: "all", Class: ClassRead},
		"GET /v1/log/checkpoint":                 {Who: WhoParty, Concerns: "all", Params: []string{"have", "wait_ms"}, Class: ClassRead},
		"GET /v1/log/round":                      {Who: WhoParty, Concerns: "all", Params: []string{"have", "wait_ms"}, Class: ClassRead},
		"GET /v1/log/leaves":                     {Who: WhoParty, Concerns: "all: leaves tell nothing", Params: []string{"from", "limit"}, Class: ClassRead},
		"GET /v1/log/tile/{path...}":             {Who: WhoParty, Concerns: "all: leaves tell nothing", Class: ClassRead},
		"GET /v1/log/proofs/{digest}":            {Who: WhoParty, Concerns: "statements and jobs that it may read", Params: []string{"size", "wait_ms"}, Class: ClassRead},
		"POST /v1/log/proofs":                    {Who: WhoParty, Concerns: "statements and jobs that it may read", Body: wire.MaxJSON, Class: ClassRead},
		"POST /v1/log/commitments":               {Who: WhoParty, Concerns: "its own", Body: wire.MaxSmall, Class: ClassWrite},
		"GET /v1/log/commitments":                {Who: WhoParty, Concerns: "its own", Params: []string{"limit", "commitment", "size", "kind"}, Class: ClassRead},
		"POST /v1/log/cosignatures":              {Who: WhoParty, Concerns: "cosignatures under its own key", Body: wire.MaxSmall, Class: ClassWrite},
		"POST /v1/log/cosigned":                  {Who: WhoParty, Concerns: "all", Body: wire.MaxSmall, Class: ClassRead},
	}
}

// keeps refuses a request that its route's rule does not allow. Sizes that are declared are only the first look: bodies are counted while
// they are read.
func (c *call) keeps(r *Rule) error {
	c.most = r.Body
	if r.Who == WhoParty && !c.registered {
		return refuse(http.StatusForbidden, wire.CodeUnregistered, "this key belongs to no party of the exchange", "introduce the party first: cordon party init")
	}
	if _, err := c.params(r.Params...); err != nil {
		return err
	}
	switch {
	case r.Body == 0 && (c.r.ContentLength != 0 || c.body != statement.Sum(nil)):
		return malformed("this call has no body")
	case r.Body > 0 && c.r.ContentLength > r.Body:
		return tooLarge()
	}
	return nil
}
