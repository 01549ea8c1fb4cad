package custody

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/officers"
)

// Keys are a party's version keys and where they are wrapped, for a process that has the home folder to itself.
type Keys struct {
	Home home.Dir           // required: locked by the caller
	Set  Options            // required, with Save
	Tell func(string) error // required: progress, for people; its error ends the work
	// Approve is asked before anything changes. Required: its error ends the work.
	Approve func(context.Context, officers.KeyOperation) error
}

// Report says what a change did.
type Report struct {
	Store     string   `json:"store"`               // that wraps now
	KEK       string   `json:"kek"`                 // under which
	Versions  int      `json:"versions"`            // wrapped anew
	Old       []string `json:"old,omitempty"`       // KEKs that are still there
	Destroyed []string `json:"destroyed,omitempty"` // KEKs
	Notes     []string `json:"notes,omitempty"`
}

// Rotate makes a new KEK and wraps all version keys under it. The old ones go when destroyOld is set, and only once they wrap nothing.
// Interrupted anywhere, all versions still open, and it can be run again.
func (k *Keys) Rotate(ctx context.Context, destroyOld bool) (*Report, error) {
	c, err := k.Home.Config()
	if err != nil {
		return nil, err
	}
	if c.KeyStoreBefore != "" {
		return nil, fault.New(fault.Usage, "a move of keys to another store has not ended", "run 'cordon key move --to' that store again first", nil)
	}
	set, err := OpenSet(c, k.Set)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	op := officers.KeyOperation{Operation: officers.RotateKeys, Store: cmp.Or(c.KeyStore, Local), DestroyOld: destroyOld}
	if op.KEKs, err = ids(ctx, set.now); err != nil {
		return nil, err
	}
	if err := k.Approve(ctx, op); err != nil {
		return nil, err
	}
	id, err := set.now.Renew(ctx)
	elsewhere := errors.Is(err, keystore.ErrElsewhere)
	if elsewhere {
		id, err = first(ctx, set.now)
	}
	if err != nil {
		return nil, err
	}
	r := &Report{Store: cmp.Or(c.KeyStore, Local), KEK: id.String()}
	if err := k.rewrap(ctx, c, set, id, elsewhere, r); err != nil {
		return nil, err
	}
	if elsewhere {
		r.Notes = append(r.Notes, "the server's newest version of the key wraps now; making and disabling versions is done there")
	}
	return r, k.settle(ctx, c, set, set.now, destroyOld, r)
}

// Move has another store wrap all version keys. Until it ends, both are open to the agent.
func (k *Keys) Move(ctx context.Context, to string, destroyOld bool) (*Report, error) {
	c, err := k.Home.Config()
	if err != nil {
		return nil, err
	}
	now := cmp.Or(c.KeyStore, Local)
	switch {
	case c.KeyStoreBefore == "" && now == to:
		return nil, fault.New(fault.Usage, "the keys are in this store already", "'cordon key rotate' renews what wraps them", nil)
	case c.KeyStoreBefore != "" && now != to:
		return nil, fault.New(fault.Usage, "a move of keys to another store has not ended", "finish it first: 'cordon key move --to "+now+"'", nil)
	case c.KeyStoreBefore == "":
		c.KeyStore, c.KeyStoreBefore = to, now
	}
	set, err := OpenSet(c, k.Set)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	if err := k.mayMove(ctx, c, set, destroyOld); err != nil {
		return nil, err
	}
	id, err := k.ready(ctx, set.now)
	if err != nil {
		return nil, err
	}
	// From now on the agent knows both.
	if err := k.Home.WriteConfig(c); err != nil {
		return nil, err
	}
	r := &Report{Store: to, KEK: id.String()}
	if err := k.rewrap(ctx, c, set, id, false, r); err != nil {
		return nil, err
	}
	if destroyOld {
		if _, err := set.before.Renew(ctx); err != nil && !errors.Is(err, keystore.ErrElsewhere) { // one that never wrapped anything stays
			return nil, err
		}
	}
	if err := k.settle(ctx, c, set, set.before, destroyOld, r); err != nil {
		return nil, err
	}
	c.KeyStoreBefore = ""
	return r, k.Home.WriteConfig(c)
}

func (k *Keys) mayMove(ctx context.Context, c home.Config, set *Set, destroyOld bool) (err error) {
	op := officers.KeyOperation{Operation: officers.MoveKeys, Store: c.KeyStoreBefore, To: c.KeyStore, DestroyOld: destroyOld}
	if op.KEKs, err = ids(ctx, set.before); err != nil {
		return err
	}
	if op.ToKEKs, err = ids(ctx, set.now); err != nil {
		return err
	}
	return k.Approve(ctx, op)
}

// ids names a store's KEKs; none of a store that has none yet.
func ids(ctx context.Context, s Store) (out []string, err error) {
	list, err := s.KEKs(ctx)
	if err != nil && !errors.Is(err, keystore.ErrMissing) {
		return nil, err
	}
	for _, id := range list {
		out = append(out, id.String())
	}
	return out, nil
}

// ready gives the store a KEK if it has none, and tries it.
func (k *Keys) ready(ctx context.Context, s Store) (keystore.ID, error) {
	id, err := first(ctx, s)
	if errors.Is(err, keystore.ErrMissing) {
		id, err = s.Renew(ctx)
	}
	if err != nil {
		return id, err
	}
	return id, try(ctx, s)
}

func first(ctx context.Context, s Store) (keystore.ID, error) {
	ids, err := s.KEKs(ctx)
	if err != nil {
		return keystore.ID{}, err
	}
	if len(ids) == 0 {
		return keystore.ID{}, keystore.ErrMissing
	}
	return ids[0], nil
}

func (k *Keys) rewrap(ctx context.Context, c home.Config, set *Set, id keystore.ID, anew bool, r *Report) error {
	versions, err := dataset.Open(k.Home, c.Fingerprint, set)
	if err != nil {
		return err
	}
	r.Versions, err = versions.Rewrap(ctx, dataset.Onto{Store: set.now, KEK: id, Anew: anew, Tell: func(w dataset.Wrapped) error {
		return k.Tell("re-wrap " + w.Dataset + " version " + w.Version)
	}})
	return err
}

// settle destroys the KEKs that wrap nothing any more, or tells which are left.
func (k *Keys) settle(ctx context.Context, c home.Config, set *Set, of Store, destroyOld bool, r *Report) error {
	ids, err := of.KEKs(ctx)
	if err != nil {
		return err
	}
	old := ids[min(1, len(ids)):] // the first wraps, or would
	if of == set.before && !destroyOld {
		old = ids
	}
	versions, err := dataset.Open(k.Home, c.Fingerprint, set)
	if err != nil {
		return err
	}
	list, err := versions.Wrappings()
	if err != nil {
		return err
	}
	for _, id := range old {
		if !destroyOld {
			r.Old = append(r.Old, id.String())
			continue
		}
		if i := slices.IndexFunc(list, func(w dataset.Wrapped) bool { return w.KEK == id }); i >= 0 {
			return fmt.Errorf("custody: %s version %s is still wrapped by %s", list[i].Dataset, list[i].Version, id)
		}
		if err := k.Tell("destroy key encryption key " + id.String()); err != nil {
			return err
		}
		if err := of.Destroy(ctx, id); err != nil {
			return err
		}
		r.Destroyed = append(r.Destroyed, id.String())
	}
	if _, isLocal := of.(*local); isLocal && len(r.Destroyed) > 0 {
		r.Notes = append(r.Notes, "copies of keyring.age and of the home folder from before still hold the destroyed keys, under the passphrase; so may old blocks of the disk")
	}
	return nil
}
