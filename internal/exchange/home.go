package exchange

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/exchange/lake/folder"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/internal/fault"
)

// Home is the folder of an exchange with everything embedded: store/ and lake/.
type Home struct {
	Store *sqlite.Store
	Lake  *folder.Lake
}

// OpenHome opens an exchange's folder, or makes one. Only one process can have it open.
func OpenHome(ctx context.Context, dir string) (*Home, error) {
	st, err := sqlite.Open(ctx, filepath.Join(dir, "store"))
	if err != nil {
		return nil, homeError(err)
	}
	lk, err := folder.Open(filepath.Join(dir, "lake"))
	if err != nil {
		return nil, homeError(errors.Join(err, st.Close()))
	}
	return &Home{Store: st, Lake: lk}, nil
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
