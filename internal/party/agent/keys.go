package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/custody"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/publish"
	"github.com/cordon-exchange/cordon/internal/party/recovery"
)

// keysTime bounds how long a call that only shows something waits for a key store.
const keysTime = 5 * time.Second

func (a *Agent) closed(ctx context.Context) []dataset.Closed {
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	return a.store.Closed(ctx)
}

func closedHint(err error) string {
	return cmp.Or(fault.Hint(err), "restore the home folder and its keyring from the same backup")
}

func (a *Agent) showKeys(ctx context.Context, _ *api.Empty) (*api.Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	out := &api.Keys{Store: cmp.Or(a.config.KeyStore, custody.Local), Before: a.config.KeyStoreBefore, KEKs: []api.KEK{}, Versions: []api.KeyVersion{}, Backups: []string{}}
	list, err := a.store.Wrappings()
	if err != nil {
		return nil, err
	}
	ids, err := a.opt.Keys.KEKs(ctx)
	if err != nil {
		out.Error, out.Hint = err.Error(), fault.Hint(err)
	}
	for i, id := range ids {
		out.KEKs = append(out.KEKs, api.KEK{ID: id.String(), Wraps: i == 0, Versions: wrappedBy(list, id)})
	}
	out.Versions = a.keyVersions(ctx, list)
	backups, err := recovery.Remembered(a.opt.Home)
	if err != nil {
		return nil, err
	}
	for _, m := range backups {
		out.Backups = append(out.Backups, backupOf(m))
	}
	return out, nil
}

func wrappedBy(list []dataset.Wrapped, id keystore.ID) (n int64) {
	for _, w := range list {
		if w.KEK == id {
			n++
		}
	}
	return n
}

func (a *Agent) keyVersions(ctx context.Context, list []dataset.Wrapped) []api.KeyVersion {
	out := []api.KeyVersion{}
	kek := map[[2]string]string{}
	for _, w := range list {
		kek[[2]string{w.Dataset, w.Version}] = w.KEK.String()
		if !w.Offered {
			out = append(out, api.KeyVersion{Dataset: w.Dataset, Version: w.Version, KEK: w.KEK.String(), State: "unfinished"})
		}
	}
	closed := a.store.Closed(ctx)
	for _, p := range a.store.List() {
		o := p.Offer.Body()
		v := api.KeyVersion{Dataset: o.Dataset, Version: o.Version, KEK: kek[[2]string{o.Dataset, o.Version}], State: "opens"}
		i := slices.IndexFunc(closed, func(c dataset.Closed) bool { return c.Offer.Digest() == p.Offer.Digest() })
		switch {
		case p.Destroyed:
			v.State = "destroyed"
		case p.Retired:
			v.State = "retired"
		case i >= 0:
			v.State, v.Why = "closed", closed[i].Err.Error()
		}
		out = append(out, v)
	}
	return out
}

// destroyKeys asks the officers where they are required, retires the version, records that its keys are destroyed, and destroys them: in this order, so that whatever ends it,
// the ledger says no less than what happened.
func (a *Agent) destroyKeys(ctx context.Context, in *api.KeyDestroy) (*api.KeyDestroyed, error) {
	p, err := a.version(in.Name, in.Version)
	if err != nil {
		return nil, err
	}
	if p.Destroyed {
		return nil, fault.New(fault.Input, "the keys of this version are destroyed already", "see 'cordon key list'", nil)
	}
	out := &api.KeyDestroyed{Offer: p.Offer.Digest(), Undo: []string{}, Notes: []string{}}
	if out.KEK, err = a.kekOf(in.Name, in.Version); err != nil {
		return nil, err
	}
	op := officers.KeyOperation{
		Operation: officers.DestroyKeys, Store: cmp.Or(a.config.KeyStore, custody.Local), Dataset: in.Name, Version: in.Version, Offer: p.Offer.Digest(),
	}
	if out.KEK != "" {
		op.KEKs = []string{out.KEK}
	}
	if err := a.officers.Operate(ctx, op); err != nil {
		return nil, err
	}
	if !p.Retired {
		if _, err := a.desk.Retire(ctx, in.Name, in.Version); errors.Is(err, client.ErrUnavailable) {
			out.Notes = append(out.Notes, "the exchange is away and was not told: it goes on showing the offer, whose keys nobody gets")
		} else if err != nil {
			return nil, err
		}
	}
	backups, err := recovery.Remembered(a.opt.Home)
	if err != nil {
		return nil, err
	}
	for _, m := range backups {
		if m.Has(in.Name, in.Version) {
			out.Undo = append(out.Undo, backupOf(m))
		}
	}
	entry := ledger.Entry{Kind: ledger.KindDestroy, About: p.Offer.Digest(), Name: in.Name, Version: in.Version}
	if _, err := a.ledger.Append(ctx, entry, nil); err != nil {
		return nil, err
	}
	if err := a.store.Destroy(p.Offer.Digest(), a.opt.Now().UnixMilli()); err != nil {
		return nil, err
	}
	a.opt.Log.Info("keys destroyed", "dataset", in.Name, "version", in.Version)
	out.Undo = append(out.Undo, "every copy of "+a.opt.Home.Path()+" from before, with the key encryption key "+out.KEK+" of "+cmp.Or(a.config.KeyStore, custody.Local))
	out.Notes = append(out.Notes,
		"the files were overwritten and removed; a solid-state drive or a file system that copies on write may keep their old blocks",
		"once 'cordon key rotate --destroy-old' has destroyed that key encryption key, what they keep opens nothing",
		"enclaves that were given column keys before have ended; results that left stay with who received them")
	return out, nil
}

// kekOf names what wraps the key of a version.
func (a *Agent) kekOf(name, version string) (string, error) {
	list, err := a.store.Wrappings()
	for _, w := range list {
		if w.Dataset == name && w.Version == version {
			return w.KEK.String(), nil
		}
	}
	return "", err
}

// rekey publishes the newest version under other keys, then retires it: between the two both are on offer, and none is lost.
func (a *Agent) rekey(ctx context.Context, in *api.Retire, tell func(api.Progress)) (*api.Dataset, error) {
	old, o, err := a.publish.Rekey(ctx, in.Name, func(p publish.Progress) {
		if p.Note == "" {
			tell(api.Progress{Stage: p.Stage, Rows: p.Rows, Bytes: p.Bytes, Total: p.Total})
		}
	})
	if err != nil {
		return nil, err
	}
	version := old.Offer.Body().Version
	if _, err := a.desk.Retire(ctx, in.Name, version); err != nil {
		return nil, fmt.Errorf("version %s is published; version %s is still to be retired: %w", o.Body().Version, version, err)
	}
	notes := []string{"version " + version + " is retired: contracts over it, and pools with it, are to be made anew",
		"'cordon key destroy " + in.Name + " " + version + "' destroys its keys"}
	a.opt.Log.Info("rekeyed", "dataset", in.Name, "version", o.Body().Version, "retired", version)
	d := a.datasetOf(ctx, o, false)
	d.Notes = notes
	return &d, nil
}

func (a *Agent) version(name, version string) (dataset.Published, error) {
	for _, p := range a.store.List() {
		if o := p.Offer.Body(); o.Dataset == name && o.Version == version {
			return p, nil
		}
	}
	return dataset.Published{}, fault.New(fault.Input, "no such version is published here", "see 'cordon key list'", nil)
}

// backupOf says which backup, and who can open it.
func backupOf(m *recovery.Manifest) string {
	var names []string
	for _, c := range m.Shares {
		names = append(names, c.Name)
	}
	return fmt.Sprintf("backup %s of %s: %d of its custodians %s", m.ID, time.UnixMilli(m.AtMS).UTC().Format("2006-01-02 15:04Z"), m.Threshold, strings.Join(names, ", "))
}
