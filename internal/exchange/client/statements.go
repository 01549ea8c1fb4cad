package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of statements in Query.Kind.
const (
	Parties     = "party"
	Offers      = "offer"
	Pools       = "pool"
	Contracts   = "contract"
	Grants      = "grant"
	Revocations = "revocation"
	Counters    = "counter"
	Rejections  = "rejection"

	Templates      = "template"
	Accreditations = "accreditation"
)

// Query chooses statements. The zero value of a field asks for any.
type Query struct {
	Kind    string                // required
	Owner   statement.Fingerprint // an author of the statement
	About   []statement.Digest    // at most wire.MaxAbout, any of them: the contract of grants, what revocations revoke
	Name    string                // of parties, pools, data sets
	Pending bool                  // instead: pools that wait for signatures and have the caller among their members
	After   int64                 // Seq to begin behind
	Limit   int                   // of one page; default and maximum wire.MaxPage
}

func (q *Query) values() url.Values {
	v := url.Values{"type": {q.Kind}}
	set(v, "owner", string(q.Owner))
	about := make([]string, len(q.About))
	for i, d := range q.About {
		about[i] = string(d)
	}
	set(v, "about", strings.Join(about, ","))
	set(v, "name", q.Name)
	if q.Pending {
		v.Set("pending", "true")
	}
	setInt(v, "after", q.After)
	setInt(v, "limit", int64(q.Limit))
	return v
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func setInt(v url.Values, name string, n int64) {
	if n != 0 {
		v.Set(name, strconv.FormatInt(n, 10))
	}
}

// PostStatement hands over a party, offer, pool, contract, grant or revocation.
// Posting it again changes nothing. It is durable when the call returns.
func (c *Client) PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	var out wire.Posted
	err := c.json(ctx, call{method: http.MethodPost, path: "/v1/statements"}, e, &out)
	if err != nil {
		return "", err
	}
	c.accepted(e.Digest())
	return out.Digest, nil
}

// Statement fetches one statement by its name. Its signatures are the caller's to verify.
func (c *Client) Statement(ctx context.Context, d statement.Digest) (*statement.Envelope, error) {
	return c.envelope(ctx, "/v1/statements/"+string(d), d)
}

func (c *Client) envelope(ctx context.Context, path string, want statement.Digest) (*statement.Envelope, error) {
	var e statement.Envelope
	if err := c.json(ctx, call{method: http.MethodGet, path: path}, nil, &e); err != nil {
		return nil, err
	}
	if e.Digest() != want {
		return nil, untrusted("exchange gave another statement than the one asked for")
	}
	return &e, nil
}

// Statements lists one page of the statements that the caller may see, oldest first.
func (c *Client) Statements(ctx context.Context, q Query) (*wire.StatementList, error) {
	var out wire.StatementList
	k := call{method: http.MethodGet, path: "/v1/statements", query: q.values()}
	if err := c.json(ctx, k, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// AllStatements lists all pages.
func (c *Client) AllStatements(ctx context.Context, q Query) ([]wire.StatementItem, error) {
	var all []wire.StatementItem
	for {
		page, err := c.Statements(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.End || len(page.Items) == 0 {
			return all, nil
		}
		if page.Next <= q.After { // more is there, a revocation perhaps
			return nil, untrusted("exchange lists statements without an end")
		}
		q.After = page.Next
	}
}
