package exchange

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/bucket"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/folder"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/postgres"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/internal/fault"
)

// Place is where an exchange keeps what it keeps.
type Place struct {
	Home  string // required: folder of the exchange
	Store string // URL of a PostgreSQL database, which several exchanges may work over; "": SQLite in the home
	Lake  string // URL of a bucket (bucket.Open); "": lake/ in the home
}

// Home is what an exchange keeps, open: with everything embedded, store/ and lake/ of its folder.
type Home struct {
	Store store.Store
	Lake  lake.Lake
	// LogDir is the folder of the log's tree; "" on Windows, where it is not kept.
	LogDir    string
	temporary bool // the tree goes with this process: there is no home
}

// OpenHome opens an exchange's folder with everything embedded, or makes one.
func OpenHome(ctx context.Context, dir string) (*Home, error) { return Open(ctx, Place{Home: dir}) }

// Open opens what an exchange keeps, or makes it. Only one process can have a store in a home open.
func Open(ctx context.Context, p Place) (*Home, error) {
	st, err := p.store(ctx)
	if err != nil {
		return nil, err
	}
	lk, err := OpenLake(ctx, p)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	h := &Home{Store: st, Lake: lk}
	if h.LogDir, h.temporary, err = p.log(); err != nil {
		return nil, errors.Join(homeError(err), h.Close())
	}
	return h, nil
}

// log is the folder of the log's tree. Without a home each process builds it anew, from the store.
func (p Place) log() (dir string, temporary bool, err error) {
	switch {
	case runtime.GOOS == "windows":
		return "", false, nil
	case p.Home == "":
		dir, err = os.MkdirTemp("", "cordon-log-")
		return dir, true, err
	}
	return filepath.Join(p.Home, "log"), false, nil
}

// View opens what an exchange over PostgreSQL keeps as it is at one moment, for reading, whoever serves it meanwhile. Without a place of
// the lake there is none.
func View(ctx context.Context, p Place) (*Home, error) {
	st, err := postgres.View(ctx, p.Store)
	if err != nil {
		return nil, databaseError(err)
	}
	var lk lake.Lake
	switch {
	case p.Lake != "":
		lk, err = OpenLake(ctx, p)
	case p.Home != "":
		lk, err = viewFolder(p.Home)
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return &Home{Store: st, Lake: lk}, nil
}

func viewFolder(home string) (lake.Lake, error) {
	lk, err := folder.View(filepath.Join(home, "lake"))
	if err != nil {
		return nil, fault.New(fault.LocalStorage, "lake of the exchange can't be read", "check the folder, or give its --lake", err)
	}
	return lk, nil
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

// OpenLake opens the lake alone.
func OpenLake(ctx context.Context, p Place) (lake.Lake, error) {
	if p.Lake != "" {
		lk, err := bucket.Open(ctx, p.Lake)
		if err != nil {
			return nil, lakeError(err)
		}
		return lk, nil
	}
	open := folder.Open
	if p.Store != "" {
		open = folder.OpenShared
	}
	lk, err := open(filepath.Join(p.Home, "lake"))
	if err != nil {
		return nil, homeError(err)
	}
	return lk, nil
}

func lakeError(err error) error {
	switch {
	case errors.Is(err, bucket.ErrURL):
		return fault.New(fault.Usage, "lake is not of the form s3://BUCKET[/PREFIX]?endpoint=URL&region=NAME", "credentials come from the environment, not from the URL", nil)
	case errors.Is(err, bucket.ErrPlainHTTP):
		return fault.New(fault.Usage, "endpoint of the lake is plain HTTP to another machine", "give an https:// endpoint", nil)
	case errors.Is(err, bucket.ErrCredentials):
		return fault.New(fault.Unavailable, "no credentials of the lake", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE", nil)
	case errors.Is(err, bucket.ErrNoBucket):
		return fault.New(fault.Unavailable, "bucket of the lake is not there, or not for these credentials", "make the bucket, or check the credentials", err)
	case errors.Is(err, bucket.ErrOverwrites):
		return fault.New(fault.Input, "server of the lake ignores If-None-Match, so that one object could be written over another", "use a server that supports conditional writes, also where an upload in parts ends", nil)
	case errors.Is(err, lake.ErrFull):
		return fault.New(fault.LocalStorage, "lake is full", "make room and start again; nothing is lost", err)
	}
	return fault.New(fault.Unavailable, "lake does not answer", "check the endpoint and the network to it", err)
}

// Close ends store and lake, in this order: nobody may write an offer of a file that is not there.
func (h *Home) Close() error {
	err := h.Store.Close()
	if c, ok := h.Lake.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	if h.temporary {
		err = errors.Join(err, os.RemoveAll(h.LogDir))
	}
	return err
}

// StartError says what New's error means for whoever runs the exchange.
func StartError(err error) error {
	if errors.Is(err, ErrLogAhead) || errors.Is(err, ErrLogForked) {
		return homeError(err)
	}
	return err
}

func homeError(err error) error {
	switch {
	case errors.Is(err, ErrLogAhead):
		return fault.New(fault.Untrusted, "the store is older than the log that was published from it", "restore the newest copy of the store; only where there is none, remove log/ of the home: the parties' agents will know", err)
	case errors.Is(err, ErrLogForked):
		return fault.New(fault.Untrusted, "the log's tree is not the one that the store says", "remove log/ of the home: it is built again from the store; if this stays, the store is not the one that was published from", err)
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
	case errors.Is(err, store.ErrOlderSchema):
		return fault.New(fault.Input, "database of the exchange was written by an older version of cordon", "check it with that version, or serve it once with this one, which brings it up to date", err)
	case errors.Is(err, postgres.ErrNoExchange):
		return fault.New(fault.Input, "no exchange has worked over this database", "give the --store of cordon exchange serve", nil)
	case errors.Is(err, store.ErrDamaged):
		return fault.New(fault.Input, "database of the exchange is damaged", "restore it from a backup", err)
	case errors.Is(err, store.ErrFull):
		return fault.New(fault.Unavailable, "disk of the database is full", "make room and start again; nothing is lost", err)
	case errors.Is(err, store.ErrUnavailable):
		return fault.New(fault.Unavailable, "database of the exchange does not answer", "check that it runs, and the URL, the password and the certificate", err)
	}
	return fault.New(fault.Unavailable, "database of the exchange can't be used", "check that its user may make tables there", err)
}
