package exchange

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/exchange/lake/folder"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/postgres"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/internal/fault"
)

// Home is what an exchange keeps: its store, and its lake.
type Home struct {
	Store store.Store
	Lake  *folder.Lake
}

// Place is where an exchange keeps it.
type Place struct {
	Home  string // required: folder of store/, unless Store names another place, and lake/
	Store string // URL of a PostgreSQL database, which several exchanges may work over
}

// OpenHome opens an exchange's folder with everything embedded, or makes one. Only one process can have it open.
func OpenHome(ctx context.Context, dir string) (*Home, error) { return Open(ctx, Place{Home: dir}) }

// Open opens what an exchange keeps, or makes it.
func Open(ctx context.Context, p Place) (*Home, error) {
	st, err := p.store(ctx)
	if err != nil {
		return nil, err
	}
	open := folder.Open
	if st.Shared() != nil {
		open = folder.OpenShared
	}
	lk, err := open(filepath.Join(p.Home, "lake"))
	if err != nil {
		return nil, homeError(errors.Join(err, st.Close()))
	}
	return &Home{Store: st, Lake: lk}, nil
}

func (p Place) store(ctx context.Context) (store.Store, error) {
	if p.Store == "" {
		st, err := sqlite.Open(ctx, filepath.Join(p.Home, "store"))
		if err != nil {
			return nil, homeError(err)
		}
		return st, nil
	}
	st, err := postgres.Open(ctx, p.Store)
	if err != nil {
		return nil, databaseError(err)
	}
	return st, nil
}

// Close ends store and lake, in this order: nobody may write an offer of a file that is not there.
func (h *Home) Close() error { return errors.Join(h.Store.Close(), h.Lake.Close()) }

func homeError(err error) error {
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return fault.New(fault.Input, "home of the exchange was written by a newer version of cordon", "run that version; nothing was changed", err)
	case errors.Is(err, store.ErrInUse):
		return fault.New(fault.Input, "home of the exchange is in use", "stop the other cordon exchange serve, or give another --home", err)
	case errors.Is(err, store.ErrDamaged):
		return fault.New(fault.Input, "store of the exchange is damaged", "restore the home from a backup; nothing was changed", err)
	case errors.Is(err, store.ErrFull):
		return fault.New(fault.LocalStorage, "disk of the exchange is full", "make room and start again; nothing is lost", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.LocalStorage, "home of the exchange can't be written", "check the folder's owner and mode", err)
	}
	return fault.New(fault.LocalStorage, "home of the exchange can't be opened", "check the folder", err)
}

func databaseError(err error) error {
	switch {
	case errors.Is(err, postgres.ErrPassword):
		return fault.New(fault.Usage, "URL of the store holds a password, which others on this machine could read", "put it into a file that PGPASSFILE names, or into PGPASSWORD", nil)
	case errors.Is(err, postgres.ErrURL):
		return fault.New(fault.Usage, "store is not of the form postgres://user@host/database", "see docs/operating-postgresql.md", err)
	case errors.Is(err, store.ErrNewerSchema):
		return fault.New(fault.Input, "database of the exchange was written by a newer version of cordon", "run that version; nothing was changed", err)
	case errors.Is(err, store.ErrDamaged):
		return fault.New(fault.Input, "database of the exchange is damaged", "restore it from a backup", err)
	case errors.Is(err, store.ErrFull):
		return fault.New(fault.Unavailable, "disk of the database is full", "make room and start again; nothing is lost", err)
	case errors.Is(err, store.ErrUnavailable):
		return fault.New(fault.Unavailable, "database of the exchange does not answer", "check that it runs, and the URL, the password and the certificate", err)
	}
	return fault.New(fault.Unavailable, "database of the exchange can't be used", "check that its user may make tables there", err)
}
