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

// anew signs a statement of this party's own again, under the same name, if the key that signed it was revoked; nil if it wasn't.
func (d *Desk) anew(e *statement.Envelope) (*statement.Envelope, error) {
	revoked := map[statement.Digest]bool{}
	for _, r := range d.RevokedKeys {
		revoked[r.Body().Revokes] = true
	}
	for _, k := range e.OnlineKeys() {
		if k.Party == d.self() && revoked[k.Digest()] {
			own := &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
			return own, own.AddSignature(d.Signer)
		}
	}
	return nil, nil
}

// healOffer posts an offer again, signed anew where it has to be.
func (d *Desk) healOffer(ctx context.Context, e *statement.Envelope) error {
	own, err := d.anew(e)
	if err != nil {
		return err
	}
	if own != nil {
		if err := d.Store.Finish(own); err != nil {
			return err
		}
		e = own
	}
	_, err = d.Exchange.PostStatement(ctx, e)
	return err
}

// Heal posts again what a crash between recording and posting may have left
// out, or an exchange that was away: offers in force, revocations, grants in
// force, pools that were signed. Posting again changes nothing.
func (d *Desk) Heal(ctx context.Context) error {
	for _, p := range d.Store.List() {
		if p.Retired {
			continue
		}
		if err := d.healOffer(ctx, p.Offer.Envelope()); err != nil {
			return err
		}
	}
	if err := d.HealRevocations(ctx); err != nil {
		return err
	}
	if err := d.healGrants(ctx); err != nil {
		return err
	}
	return d.healPools(ctx)
}

// keptGrants are those in the home folder that this party signed, whether or not they are in force.
func (d *Desk) keptGrants() ([]*statement.Verified[statement.Grant], error) {
	files, err := os.ReadDir(d.Home.Grants())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, home.Storage("can't read the grants", err)
	}
	var out []*statement.Verified[statement.Grant]
	for _, f := range files {
		src, err := os.ReadFile(filepath.Join(d.Home.Grants(), f.Name()))
		if err != nil {
			return nil, home.Storage("can't read a grant", err)
		}
		e, err := statement.ParseEnvelope(src)
		if err != nil {
			continue
		}
		if v, err := statement.Verify[statement.Grant](e, d.self()); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

func (d *Desk) healGrants(ctx context.Context) error {
	kept, err := d.keptGrants()
	if err != nil {
		return err
	}
	for _, v := range kept {
		var inForce statement.Digest
		d.Ledger.View(func(a *ledger.Accounts) { inForce, _ = a.Grant(v.Body().Contract) })
		if inForce != v.Digest() || v.Body().UntilMS <= d.Now().UnixMilli() {
			continue
		}
		e := v.Envelope()
		if own, err := d.anew(e); err != nil {
			return err
		} else if own != nil {
			e = own
			if err := d.rememberGrant(v.Body().Contract, e); err != nil {
				return err
			}
		}
		if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) healPools(ctx context.Context) error {
	if err := d.signPoolsAnew(ctx); err != nil {
		return err
	}
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

// signPoolsAnew renews this party's signatures under epochs that a revoked key made.
func (d *Desk) signPoolsAnew(ctx context.Context) error {
	if len(d.RevokedKeys) == 0 {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(d.Home.Pools(), "*.json"))
	if err != nil {
		return err
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			return home.Storage("can't read a pool that was signed", err)
		}
		e, err := statement.ParseEnvelope(src)
		if err != nil {
			continue
		}
		own, err := d.anew(e)
		if err != nil {
			return err
		}
		if own == nil {
			continue
		}
		if err := d.rememberPool(own); err != nil {
			return err
		}
		if _, err := d.Exchange.PostStatement(ctx, own); err != nil {
			return err
		}
	}
	return nil
}
