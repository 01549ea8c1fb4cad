package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
)

// weighed is a lake that knows how much is in it at least.
type weighed struct {
	lake.Lake
	mu        sync.Mutex
	sizes     map[string]int64
	now, most int64
}

func (w *weighed) Put(ctx context.Context, path string, r io.Reader) error {
	var n counted
	err := w.Lake.Put(ctx, path, io.TeeReader(r, &n))
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.sizes[path] = int64(n)
		w.now += int64(n)
		w.most = max(w.most, w.now)
	}
	return err
}

func (w *weighed) Delete(ctx context.Context, path string) error {
	w.mu.Lock()
	w.now -= w.sizes[path]
	delete(w.sizes, path)
	w.mu.Unlock()
	return w.Lake.Delete(ctx, path)
}

type counted int64

func (n *counted) Write(p []byte) (int, error) {
	*n += counted(len(p))
	return len(p), nil
}

// room is an exchange where a party may keep 1000 bytes.
type room struct {
	*env
	p     *party
	lake  *weighed
	store store.Store
}

func newRoom(t *testing.T, st func(store.Store) store.Store) *room {
	t.Helper()
	r := &room{env: newEnv(t), lake: &weighed{sizes: map[string]int64{}}}
	r.stop()
	r.env.lake = func(l lake.Lake) lake.Lake { r.lake.Lake = l; return r.lake }
	r.st = st
	r.opts = func(o *exchange.Options) { o.Limits = exchange.Limits{Storage: 1000}; r.store = o.Store }
	r.start("127.0.0.1:0")
	r.p = r.party("alpha")
	return r
}

func (r *room) path(name string) string {
	return client.ObjectPath(r.p.fp, "extra", "v1", name+".parquet")
}

// call makes one call, without another try.
func (r *room) call(method, name string, size int) string {
	_, code := r.send(r.raw(method, name, size))
	return code
}

func (r *room) raw(method, name string, size int) *raw {
	var body []byte
	if size > 0 {
		body = bytes.Repeat([]byte(name[:1]), size)
	}
	return r.p.raw(method, "/v1/objects/"+r.path(name), body)
}

func (r *room) has(method, name string, size int, want string) {
	r.Helper()
	if got := r.call(method, name, size); got != want {
		r.Fatalf("%s %s, %d bytes: %q, want %q", method, name, size, got, want)
	}
}

// begin begins an upload, and returns when its room is taken; end ends it, and gives the answer's status.
func (r *room) begin(name string, size int) (end func() string) {
	r.Helper()
	var all bytes.Buffer
	r.ok(r.request(r.p.raw(http.MethodPut, "/v1/objects/"+r.path(name), bytes.Repeat([]byte(name[:1]), size))).Write(&all))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	r.ok(err)
	r.Cleanup(func() { _ = conn.Close() })
	rest := all.Bytes()[all.Len()-1:]
	_, err = conn.Write(all.Bytes()[:all.Len()-1])
	r.ok(err)
	r.until(func() bool { return r.reserved() > 0 })
	return func() string {
		r.Helper()
		_, err := conn.Write(rest)
		r.ok(err)
		answer := make([]byte, 12)
		_, err = io.ReadFull(conn, answer)
		r.ok(err)
		return strings.TrimPrefix(string(answer), "HTTP/1.1 ")
	}
}

func (r *room) reserved() int {
	list, err := r.store.Reservations(r.Context(), math.MaxInt64, "", 100)
	r.ok(err)
	return len(list)
}

func (r *room) until(f func() bool) {
	r.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatal("not within 10 s")
		}
	}
}

// TestRoomOfAnUpload: while an upload runs, neither removing its object nor a second upload of it gives its room to others.
func TestRoomOfAnUpload(t *testing.T) {
	r := newRoom(t, nil)
	end := r.begin("a", 600)
	r.has(http.MethodDelete, "a", 0, wire.CodeUnavailable)
	r.has(http.MethodPut, "a", 1000, wire.CodeTooMany)
	r.has(http.MethodPut, "a", 7, wire.CodeUnavailable)
	r.has(http.MethodPut, "b", 401, wire.CodeTooMany)
	if got := end(); got != "200" {
		t.Fatalf("upload: %s", got)
	}
	r.has(http.MethodPut, "b", 401, wire.CodeTooMany)
	r.has(http.MethodPut, "b", 400, "")
	r.has(http.MethodPut, "a", 600, "") // the same again, where nothing is left
	r.has(http.MethodDelete, "a", 0, "")
	r.has(http.MethodDelete, "a", 0, "")
	r.has(http.MethodPut, "c", 601, wire.CodeTooMany) // given back once
	r.has(http.MethodPut, "c", 600, "")
	if r.reserved() != 0 || r.lake.most > 1000 {
		t.Errorf("%d reserved, %d bytes at once", r.reserved(), r.lake.most)
	}
}

// TestUploadsAndRemovals at once, of few objects: never more than the limit is there, and in the end what counts is what is there.
func TestUploadsAndRemovals(t *testing.T) {
	r := newRoom(t, nil)
	var g sync.WaitGroup
	var stored atomic.Int64
	for n := range 12 {
		var calls []*raw
		for k := range 15 {
			name := fmt.Sprintf("%c", 'a'+(n+k)%5)
			if (n+k)%3 == 0 {
				calls = append(calls, r.raw(http.MethodDelete, name, 0))
			} else {
				calls = append(calls, r.raw(http.MethodPut, name, 100+70*(n%5)))
			}
		}
		g.Go(func() {
			for _, c := range calls {
				if _, code := r.send(c); code == "" && c.call.Method == http.MethodPut {
					stored.Add(1)
				}
			}
		})
	}
	g.Wait()
	if stored.Load() < 5 || r.lake.most > 1000 {
		t.Errorf("%d stored, %d bytes at once", stored.Load(), r.lake.most)
	}
	r.settled()
}

// settled compares what counts with what is there.
func (r *room) settled() {
	r.Helper()
	list, err := r.store.Objects(r.Context(), "", 100)
	r.ok(err)
	if r.reserved() != 0 || len(list) != len(r.lake.sizes) {
		r.Fatalf("%d reserved, %d objects count, %d are there", r.reserved(), len(list), len(r.lake.sizes))
	}
	for _, o := range list {
		if o.Bytes != r.lake.sizes[o.Path] {
			r.Errorf("%d bytes count, %d are there", o.Bytes, r.lake.sizes[o.Path])
		}
	}
}

// deaf is a store that does not hear how uploads end, as if the exchange ended between: before the lake's last word or behind it.
type deaf struct {
	store.Store
	on *atomic.Bool
}

var errDeaf = errors.New("cut off")

func (d deaf) SettleStorage(ctx context.Context, o store.Object, id string) error {
	if d.on.Load() {
		return errDeaf
	}
	return d.Store.SettleStorage(ctx, o, id)
}

func (d deaf) Forget(ctx context.Context, path, id string) error {
	if d.on.Load() {
		return errDeaf
	}
	return d.Store.Forget(ctx, path, id)
}

// TestUploadCutOff: what was uploaded or removed when the exchange ended counts as before, until its time is over or, where nobody else has
// the store, the exchange starts; then what is there counts, once.
func TestUploadCutOff(t *testing.T) {
	var on atomic.Bool
	r := newRoom(t, func(s store.Store) store.Store { return deaf{s, &on} })
	r.has(http.MethodPut, "r", 100, "")
	on.Store(true)
	r.has(http.MethodPut, "a", 600, wire.CodeInternal) // is there, and was not counted
	r.has(http.MethodDelete, "r", 0, wire.CodeInternal)
	on.Store(false)
	r.ok(r.store.Reserve(t.Context(), store.Reservation{ID: "broken", Path: r.path("b"), Owner: r.p.fp, Bytes: 300, UntilMS: r.now().Add(time.Hour).UnixMilli()}, 1000))
	r.has(http.MethodPut, "c", 1, wire.CodeTooMany)
	r.ok(r.srv.FreeRoom(t.Context(), r.now().UnixMilli()))
	if r.reserved() != 3 {
		t.Fatalf("%d reserved: given back before its time", r.reserved())
	}
	if r.link == "" {
		r.restart()
		r.p = r.p.at(r.url)
	} else {
		r.ok(r.srv.FreeRoom(t.Context(), r.now().Add(3*time.Minute).UnixMilli()))
		r.has(http.MethodPut, "c", 101, wire.CodeTooMany) // the hour of the third is not over
		r.ok(r.srv.FreeRoom(t.Context(), r.now().Add(2*time.Hour).UnixMilli()))
	}
	r.settled()
	r.has(http.MethodPut, "c", 401, wire.CodeTooMany)
	r.has(http.MethodPut, "c", 400, "")
	r.has(http.MethodDelete, "a", 0, "")
	r.has(http.MethodPut, "d", 600, "")
	if r.lake.most > 1000 {
		t.Errorf("%d bytes at once", r.lake.most)
	}
	r.settled()
}

// TestUploadLosesItsRoom: an upload whose room was given back meanwhile leaves nothing that does not count.
func TestUploadLosesItsRoom(t *testing.T) {
	r := newRoom(t, nil)
	end := r.begin("a", 600)
	r.ok(r.srv.FreeRoom(t.Context(), math.MaxInt64))
	r.has(http.MethodPut, "b", 1000, "")
	if got := end(); got != "503" {
		t.Errorf("upload: %s", got)
	}
	if len(r.lake.sizes) != 1 || r.lake.now != 1000 {
		t.Errorf("%d objects are there, of %d bytes", len(r.lake.sizes), r.lake.now)
	}
	r.settled()
}
