package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of statements of purchases in Query.Kind.
const (
	Orders      = "order"
	Invoices    = "invoice"
	Settlements = "settlement"
	Charges     = "charge"
	Closings    = "closing"
	Refunds     = "refund"
)

// Credits of the caller.
func (c *Client) Credits(ctx context.Context) (*wire.Credits, error) {
	var out wire.Credits
	if err := c.json(ctx, call{method: http.MethodGet, path: "/v1/credits"}, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Order is what the exchange keeps of an order that the caller bought or sold.
func (c *Client) Order(ctx context.Context, d statement.Digest) (*wire.Order, error) {
	var out wire.Order
	if err := c.json(ctx, call{method: http.MethodGet, path: "/v1/orders/" + string(d)}, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// AllPostings lists those of an order, or of the caller's account for "".
func (c *Client) AllPostings(ctx context.Context, order statement.Digest) ([]wire.Posting, error) {
	var all []wire.Posting
	var after int64
	for {
		v := url.Values{}
		set(v, "order", string(order))
		setInt(v, "after", after)
		var page wire.Postings
		if err := c.json(ctx, call{method: http.MethodGet, path: "/v1/credits/postings", query: v}, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.End || len(page.Items) == 0 {
			return all, nil
		}
		if page.Next <= after {
			return nil, untrusted("exchange lists postings without an end")
		}
		after = page.Next
	}
}

// Checkout makes a page on which the caller pays for credits by card. The same nonce makes no second one.
func (c *Client) Checkout(ctx context.Context, in wire.CheckoutRequest) (*wire.Checkout, error) {
	var out wire.Checkout
	if err := c.json(ctx, call{method: http.MethodPost, path: "/v1/credits/checkout"}, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
