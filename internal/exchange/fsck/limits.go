package fsck

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Storage is what one party keeps in the lake.
type Storage struct {
	Party   statement.Fingerprint `json:"party"`
	Objects int64                 `json:"objects"`
	Bytes   int64                 `json:"bytes"`
}

// stored counts objects for their owners, and compares what is counted with what is there.
func (c *check) stored(ctx context.Context) error {
	of, after := map[statement.Fingerprint]*Storage{}, ""
	for {
		list, err := c.Store.Objects(ctx, after, pageItems)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		for _, o := range list {
			after = o.Path
			s := of[o.Owner]
			if s == nil {
				s = &Storage{Party: o.Owner}
				of[o.Owner] = s
			}
			s.Objects, s.Bytes = s.Objects+1, s.Bytes+o.Bytes
			if owner, ok := wire.ObjectOwner(o.Path); !ok || owner != o.Owner {
				if err := c.fault("stored", o.Path, "counts for another than its owner"); err != nil {
					return err
				}
			}
			if err := c.countedAs(ctx, o.Path, o.Bytes); err != nil {
				return err
			}
		}
	}
	for _, s := range of {
		c.sum.Storage = append(c.sum.Storage, *s)
	}
	slices.SortFunc(c.sum.Storage, func(a, b Storage) int { return strings.Compare(string(a.Party), string(b.Party)) })
	return c.reserved(ctx)
}

// reserved counts what runs, or was cut off: each at a path of its owner's.
func (c *check) reserved(ctx context.Context) error {
	for after := ""; ; {
		list, err := c.Store.Reservations(ctx, math.MaxInt64, after, pageItems)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, r := range list {
			after = r.ID
			c.sum.Reserved++
			if owner, ok := wire.ObjectOwner(r.Path); ok && owner == r.Owner {
				continue
			}
			if err := c.fault("stored", r.Path, "is reserved for another than its owner"); err != nil {
				return err
			}
		}
	}
}

// countedAs compares what an object counts with its size. One that is not there was being removed: no fault, and its owner gives its room
// back by removing or uploading it.
func (c *check) countedAs(ctx context.Context, path string, bytes int64) error {
	if c.Lake == nil || c.told[path] {
		return nil
	}
	size, err := c.Lake.Size(ctx, path)
	switch {
	case errors.Is(err, lake.ErrNotFound):
		c.sum.Reserved++
		return nil
	case err == nil && size != bytes:
		return c.fault("stored", path, "counts %d bytes for its owner, and has %d", bytes, size)
	}
	return err
}
