package catalog

import (
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// ErrKeyRevoked says that an online key signed whose party's root revoked it.
var ErrKeyRevoked = errors.New("catalog: signed by a key that was revoked")

// KeysInForce refuses online keys that were revoked, as far as the exchange shows, or ever showed: whatever such a key signed, and
// whenever it says it did. It asks each time: what a job rests on must hold now.
func (c *Catalog) KeysInForce(ctx context.Context, keys []statement.OnlineKey) error {
	if len(keys) == 0 {
		return nil
	}
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Revocations, Name: wire.KeyRevocation})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Revocation](&items[i].Envelope)
		if err != nil || v.Body().Key == "" || c.revokedKeys[v.Body().Revokes] { // Key: that only the root can have signed, and whose key is the author's own
			continue
		}
		if err := c.learn(v); err != nil {
			return err
		}
	}
	for _, k := range keys {
		if c.revokedKeys[k.Digest()] {
			return untrusted("a statement is signed by a key that its party revoked", ErrKeyRevoked)
		}
	}
	return nil
}

// Memory keeps revocations of others' keys over restarts: an exchange that once showed one gains nothing by keeping it back later.
type Memory interface {
	OthersRevokedKeys() ([]*statement.Verified[statement.Revocation], error)
	AddOthersRevokedKey(*statement.Verified[statement.Revocation]) error
}

// Remember has the catalog know what m holds, and put there what it learns.
func (c *Catalog) Remember(m Memory) error {
	known, err := m.OthersRevokedKeys()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory = m
	for _, v := range known {
		c.revokedKeys[v.Body().Revokes] = true
	}
	return nil
}

// learn holds a revocation for good before anything is decided by it. The caller has the lock.
func (c *Catalog) learn(v *statement.Verified[statement.Revocation]) error {
	if c.memory != nil {
		if err := c.memory.AddOthersRevokedKey(v); err != nil {
			return err
		}
	}
	c.revokedKeys[v.Body().Revokes] = true
	return nil
}

// keysInForce is KeysInForce for where a statement that is not in force is passed over.
func (c *Catalog) keysInForce(ctx context.Context, keys []statement.OnlineKey) (bool, error) {
	err := c.KeysInForce(ctx, keys)
	if errors.Is(err, ErrKeyRevoked) {
		return false, nil
	}
	return err == nil, err
}
