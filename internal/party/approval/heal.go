package approval

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

func (d *Desk) grantFile(contract statement.Digest) string {
	return filepath.Join(d.Home.Grants(), strings.TrimPrefix(string(contract), "sha256:")+".json")
}

// rememberGrant stores a grant durably before it is recorded and posted.
func (d *Desk) rememberGrant(contract statement.Digest, e *statement.Envelope) error {
	if err := home.MkdirAll(d.Home.Grants()); err != nil {
		return err
	}
	return home.WriteFile(d.grantFile(contract), e.Bytes())
}

// Heal posts again what a crash between recording and posting may have left
// out: offers in force, grants in force, pools that were signed. Posting again
// changes nothing.
func (d *Desk) Heal(ctx context.Context) error {
	for _, p := range d.Store.List() {
		if p.Retired {
			continue
		}
		if _, err := d.Exchange.PostStatement(ctx, p.Offer.Envelope()); err != nil {
			return err
		}
	}
	if err := d.healGrants(ctx); err != nil {
		return err
	}
	return d.healPools(ctx)
}

func (d *Desk) healGrants(ctx context.Context) error {
	files, err := os.ReadDir(d.Home.Grants())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return home.Storage("can't read the grants", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(filepath.Join(d.Home.Grants(), f.Name()))
		if err != nil {
			return home.Storage("can't read a grant", err)
		}
		e, err := statement.ParseEnvelope(src)
		if err != nil {
			continue
		}
		v, err := statement.Verify[statement.Grant](e, d.self())
		if err != nil || v.Body().UntilMS <= d.Now().UnixMilli() {
			continue
		}
		var inForce statement.Digest
		d.Ledger.View(func(a *ledger.Accounts) { inForce, _ = a.Grant(v.Body().Contract) })
		if inForce != v.Digest() {
			continue
		}
		if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) healPools(ctx context.Context) error {
	waiting, err := d.Exchange.AllStatements(ctx, client.Query{Kind: client.Pools, Pending: true})
	if err != nil {
		return err
	}
	signed, err := d.signedPools()
	if err != nil {
		return err
	}
	for i := range waiting {
		e := &waiting[i].Envelope
		if signed[e.Digest()] == nil {
			continue
		}
		own := &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
		if err := own.AddSignature(d.Signer); err != nil {
			return err
		}
		if _, err := d.Exchange.PostStatement(ctx, own); err != nil {
			return err
		}
	}
	return nil
}
