package exchange

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// call is one authenticated request.
type call struct {
	s          *Server
	w          http.ResponseWriter
	r          *http.Request
	party      statement.Fingerprint
	registered bool
	most       int64            // bytes of a body, by the route's rule
	body       statement.Digest // what the caller signed; readers of the body check it
}

const (
	defaultBodyTime = 30 * time.Second
	answerTime      = 60 * time.Second // to send a bounded answer
)

// expect gives the answer more time to be sent: it comes after a wait.
func (c *call) expect(wait time.Duration) {
	// Not every writer has deadlines; then the caller of Handler bounds time.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(wait + answerTime))
}

// read returns the body, if it is the one that was signed.
func (c *call) read(limit int64) ([]byte, error) {
	limit = min(limit, c.most)
	if c.r.ContentLength > limit {
		return nil, tooLarge()
	}
	ctl := http.NewResponseController(c.w)
	_ = ctl.SetReadDeadline(time.Now().Add(c.s.bodyTime))
	b, err := io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	if err != nil {
		return nil, malformed("body could not be read")
	}
	_ = ctl.SetReadDeadline(time.Time{}) // else a long poll would end with it
	if int64(len(b)) > limit {
		return nil, tooLarge()
	}
	if statement.Sum(b) != c.body {
		return nil, wrongBody()
	}
	return b, nil
}

func wrongBody() error {
	return refuse(http.StatusBadRequest, wire.CodeBodyDigest, "body is not the one that was signed", "send it again; if this stays, something on the way changes it")
}

// decode reads a JSON body.
func (c *call) decode(v any) error {
	b, err := c.read(wire.MaxJSON)
	if err != nil {
		return err
	}
	return decodeBody(b, v)
}

func decodeBody(b []byte, v any) error {
	if err := statement.Unmarshal(b, v); err != nil {
		return malformed("body is not strictly encoded JSON of this call")
	}
	return nil
}

// answer sends a JSON answer.
func (c *call) answer(v any) error {
	b, err := statement.Marshal(v)
	if err != nil {
		return err
	}
	send(c.w, http.StatusOK, b)
	return nil
}

func send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that is gone asks again
}

// digest is a path's digest.
func (c *call) digest() (statement.Digest, error) {
	d := statement.Digest(c.r.PathValue("digest"))
	if !d.Valid() {
		return "", malformed("path holds no digest")
	}
	return d, nil
}

// params are the parameters of a query: only those allowed, each at most once.
type params map[string]string

func (c *call) params(allowed ...string) (params, error) {
	q, err := parseQuery(c.r.URL.RawQuery, allowed)
	if err != nil {
		return nil, err
	}
	return q, nil
}

// number of a parameter, 0 where it is absent.
func (p params) number(name string) (int64, error) {
	if p[name] == "" {
		return 0, nil
	}
	n, err := decimal(p[name])
	if err != nil {
		return 0, malformed("parameter " + name + " is not a number")
	}
	return n, nil
}

// signed wraps a handler of signed requests that keep to the route's rule.
func (s *Server) signed(rule Rule, f func(*call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.authenticate(r, rule.Class)
		if err == nil {
			c.w = w
			if err = c.keeps(&rule); err == nil {
				err = f(c)
			}
		}
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	// The server reads on over some of a body that nobody read.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.bodyTime))
	a := answerTo(err)
	level := s.log.Debug
	if a.status >= 500 && r.Context().Err() == nil {
		level = s.log.Error
	}
	level("call refused", "method", r.Method, "route", r.Pattern, "status", a.status, "code", a.body.Code, "err", err)
	b, err := statement.Marshal(a.body)
	if err != nil {
		b = nil
	}
	if r.Method == http.MethodHead {
		b = nil
	}
	if a.after > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((a.after+time.Second-1)/time.Second), 10))
	}
	send(w, a.status, b)
}
