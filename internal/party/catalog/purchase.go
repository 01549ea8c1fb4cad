package catalog

import (
	"context"

	"github.com/cordon-exchange/cordon/statement"
)

// Order fetches an order, signed by its buyer.
func (c *Catalog) Order(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Order], error) {
	return fetch[statement.Order](ctx, c, d)
}
