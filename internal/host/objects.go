package host

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/host/cache"
	"github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/statement"
)

// objects are those that one job may read: its offers name them. What else the host keeps is another job's.
type objects struct {
	once sync.Once
	of   map[string]*offered
}

// offered is one of them.
type offered struct {
	owner statement.Fingerprint
	size  int64 // by the offer
	once  sync.Once
	err   error // why it can't be read
}

// errNotOffered is told to an enclave that asks for another job's object, or for none.
var errNotOffered = &channel.Problem{Status: http.StatusNotFound, Code: wire.CodeNotFound}

// Object reads from the cache, if there is one, and else from the exchange.
func (r *relay) Object(ctx context.Context, path string, off, n int64) (io.ReadCloser, error) {
	if _, err := r.held(); err != nil {
		return nil, err
	}
	o := r.object(path)
	if o == nil {
		return nil, errNotOffered
	}
	if r.o.Cache == nil {
		body, err := r.o.Exchange.OpenObject(ctx, path, off, n)
		return body, told(err)
	}
	if err := r.stillThere(ctx, path, o); err != nil {
		return nil, told(err)
	}
	body, err := r.o.Cache.Read(ctx, cache.Object{Path: path, Size: o.size, Off: off, N: n, From: r.o.Exchange.OpenObject})
	return body, told(err)
}

// object is what the job's offers say of an object; nil if they name no such.
func (r *relay) object(path string) *offered {
	r.objects.once.Do(func() {
		r.objects.of = map[string]*offered{}
		for _, e := range r.claim.Statements {
			o, err := statement.DecodeUnverified[statement.Offer](e.Payload)
			if err != nil {
				continue // another kind of statement
			}
			for _, f := range o.Files {
				r.objects.of[f.Object] = &offered{owner: o.Owner, size: f.Bytes}
			}
		}
	})
	return r.objects.of[path]
}

// stillThere asks the exchange, once for each job, whether an object that is kept may still be read: its owner may have removed it.
func (r *relay) stillThere(ctx context.Context, path string, o *offered) error {
	o.once.Do(func() {
		if !r.o.Cache.Has(path) {
			return // the exchange is asked for the bytes
		}
		var size int64
		size, o.err = r.o.Exchange.ObjectSize(ctx, path)
		if client.HasCode(o.err, wire.CodeNotFound) || o.err == nil && size != o.size {
			r.o.Cache.Drop(path)
		}
	})
	return o.err
}

// codeBadData begins the code of a job whose enclave found that an object does not authenticate; behind it stands the name of its owner.
const codeBadData = "bad-data:"

// forget drops that owner's objects where the code is of that kind: it may be the cache that spoiled them, and the next job is not to
// meet them again.
func (r *relay) forget(code string) {
	name, ok := strings.CutPrefix(code, codeBadData)
	if !ok || r.o.Cache == nil {
		return
	}
	_ = r.object("") // reads the offers, if nobody did
	for path, o := range r.objects.of {
		if r.named(o.owner, name) {
			r.o.Cache.Drop(path)
		}
	}
}

// named reports whether a party of the job has a name.
func (r *relay) named(f statement.Fingerprint, name string) bool {
	return slices.ContainsFunc(r.claim.Statements, func(e statement.Envelope) bool {
		p, err := statement.DecodeUnverified[statement.Party](e.Payload)
		return err == nil && p.Name == name && slices.Contains(p.Authors(), f)
	})
}
