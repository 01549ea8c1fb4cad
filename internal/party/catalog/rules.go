package catalog

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/statement"
)

// Template fetches a template, signed by its author.
func (c *Catalog) Template(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Template], error) {
	return fetch[statement.Template](ctx, c, d)
}

// TemplateEnded says what ended a template, as far as the exchange shows: its author's revocation, or a later one of the same author
// that replaces it. Empty: nothing did.
func (c *Catalog) TemplateEnded(ctx context.Context, t *statement.Verified[statement.Template]) (string, error) {
	revoked, err := c.Revoked(ctx, t.Body().Author, t.Digest())
	if err != nil {
		return "", err
	}
	if revoked {
		return "its author withdrew the template", nil
	}
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Templates, Owner: t.Body().Author, About: []statement.Digest{t.Digest()}})
	if err != nil {
		return "", err
	}
	for i := range items {
		v, err := statement.Verify[statement.Template](&items[i].Envelope, t.Body().Author)
		if err == nil && v.Body().Author == t.Body().Author && v.Body().Replaces == t.Digest() {
			return "its author replaced the template", nil
		}
	}
	return "", nil
}

// Templates lists those that verify and that this party may read.
func (c *Catalog) Templates(ctx context.Context) ([]*statement.Verified[statement.Template], error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Templates})
	if err != nil {
		return nil, err
	}
	var out []*statement.Verified[statement.Template]
	for i := range items {
		if v, err := statement.VerifyAuthor[statement.Template](&items[i].Envelope); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

// Accreditation fetches an accreditation, signed by its accreditor under keys in force.
func (c *Catalog) Accreditation(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Accreditation], error) {
	return fetch[statement.Accreditation](ctx, c, d)
}

// SignedAccreditation is Accreditation whatever became of its signer's key since: for what ends it.
func (c *Catalog) SignedAccreditation(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Accreditation], error) {
	return fetchSigned[statement.Accreditation](ctx, c, d, false)
}

// Accredited reports whether an accreditation holds now: not over by this party's clock, and not revoked.
func (c *Catalog) Accredited(ctx context.Context, a *statement.Verified[statement.Accreditation]) (bool, error) {
	if c.Now().UnixMilli() >= a.Body().UntilMS {
		return false, nil
	}
	if ok, err := c.keysInForce(ctx, a.OnlineKeys()); !ok || err != nil {
		return false, err
	}
	revoked, err := c.Revoked(ctx, a.Body().Accreditor, a.Digest())
	return !revoked && err == nil, err
}

// Accreditations lists those by an accreditor, or all, that verify and hold now.
func (c *Catalog) Accreditations(ctx context.Context, by statement.Fingerprint) ([]*statement.Verified[statement.Accreditation], error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Accreditations, Owner: by})
	if err != nil {
		return nil, err
	}
	var out []*statement.Verified[statement.Accreditation]
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Accreditation](&items[i].Envelope)
		if err != nil || by != "" && v.Body().Accreditor != by {
			continue
		}
		ok, err := c.Accredited(ctx, v)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, v)
		}
	}
	return out, nil
}
