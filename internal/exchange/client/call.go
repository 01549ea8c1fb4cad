package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// call is one request, in a form that can be sent again.
type call struct {
	method string
	path   string
	query  url.Values
	header http.Header
	size   int64
	digest statement.Digest
	open   func() (io.ReadCloser, error) // the body; nil for none
	wait   time.Duration                 // for how long the exchange may hold the answer back
	stream bool                          // size and time of body or answer are not bounded in advance
}

const (
	answerTime = 30 * time.Second      // beyond the wait, for a call that does not stream
	maxPause   = 2 * time.Second       // between two tries
	firstPause = 10 * time.Millisecond // doubles
	maxAnswer  = statement.MaxPayload  // bytes of a JSON answer
	maxAnew    = 4                     // restarts of the exchange in a row, while one call is made
	stall      = 60 * time.Second      // without a byte, while streaming
)

// Exchange asks who the exchange is, and remembers it for the calls to come.
func (c *Client) Exchange(ctx context.Context) (*wire.Exchange, error) {
	var ex wire.Exchange
	err := c.retry(ctx, func(ctx context.Context) error { return c.identify(ctx, &ex) })
	if err != nil {
		return nil, err
	}
	return &ex, nil
}

func (c *Client) identify(ctx context.Context, ex *wire.Exchange) error {
	ctx, cancel := context.WithTimeout(ctx, c.answer)
	defer cancel()
	at, _ := c.places.now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String()+"/v1/exchange", nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	if err := readAnswer(resp, ex); err != nil {
		return err
	}
	if c.pin != "" && ex.ID != c.pin {
		return untrusted("another exchange answers at this URL")
	}
	if !c.places.same(ex.ID) {
		return untrusted("the addresses given are not of one exchange")
	}
	if !wire.ValidNonce(ex.Instance) {
		return untrusted("exchange gives no instance to sign for")
	}
	c.known.Store(ex)
	return nil
}

// json makes a call with a JSON body, or without one where in is nil.
func (c *Client) json(ctx context.Context, k call, in, out any) error {
	if in != nil {
		b, err := statement.Marshal(in)
		if err != nil {
			return err
		}
		k.bytes(b)
	}
	return c.retry(ctx, func(ctx context.Context) error {
		resp, err := c.once(ctx, k)
		if err != nil {
			return err
		}
		return readAnswer(resp, out)
	})
}

// bytes sets the body.
func (k *call) bytes(b []byte) {
	k.size, k.digest = int64(len(b)), statement.Sum(b)
	k.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// do sends k until it is answered, and returns a successful answer with its body open.
func (c *Client) do(ctx context.Context, k call) (*http.Response, error) {
	var resp *http.Response
	err := c.retry(ctx, func(ctx context.Context) error {
		r, err := c.once(ctx, k)
		resp = r
		return err
	})
	return resp, err
}

// retry calls f until it succeeds, is refused, or the exchange was silent for too long, at all of its addresses.
func (c *Client) retry(ctx context.Context, f func(context.Context) error) error {
	deadline := time.Now().Add(c.patience)
	pause := firstPause
	for anew, tries := 0, 1; ; tries++ {
		_, at := c.places.now()
		err := f(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			c.places.leave(at) // it may have been silent
			return ctx.Err()
		case signAnew(err) && anew < maxAnew:
			c.known.Store(nil)
			anew++
			continue
		case askedToWait(err) > 0:
			wait := askedToWait(err)
			wait += rand.N(wait/2 + 1) // else all who were refused at one moment come back at one
			if time.Now().Add(wait).After(deadline) {
				return err
			}
			if err := sleep(ctx, wait); err != nil {
				return err
			}
			continue
		case !passing(err):
			return err
		case time.Now().Add(pause).After(deadline):
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				err = errSilent
			}
			return unavailable(err)
		}
		c.places.leave(at)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if tries%len(c.places.all) == 0 {
			pause = min(2*pause, maxPause)
		}
	}
}

// askedToWait is how long the exchange wants the caller to wait before the same call; 0: it does not say.
func askedToWait(err error) time.Duration {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.After
	}
	return 0
}

// signAnew reports whether the same call can succeed under a new signature: the
// exchange has restarted, or net/http has sent the request again after its answer
// got lost, and the exchange refused the second one. All calls can be made twice.
func signAnew(err error) bool {
	return HasCode(err, wire.CodeWrongInstance) || HasCode(err, wire.CodeReplayed)
}

// passing reports whether err may pass by itself: no answer, or not now.
func passing(err error) bool {
	var refused *Error
	if errors.As(err, &refused) {
		switch refused.Status {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var transport *url.Error
	return errors.As(err, &transport) || errors.Is(err, errCutOff)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once sends k once, signed anew.
func (c *Client) once(ctx context.Context, k call) (*http.Response, error) {
	ex := c.known.Load()
	if ex == nil {
		ex = new(wire.Exchange)
		if err := c.identify(ctx, ex); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	g := newGuard(cancel, k, c.answer)
	req, err := c.request(ctx, k, ex, g)
	if err != nil {
		g.end()
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		g.end()
		return nil, err
	}
	resp.Body = &guarded{ReadCloser: resp.Body, g: g}
	if resp.StatusCode >= 300 {
		return nil, readAnswer(resp, nil)
	}
	return resp, nil
}

func (c *Client) request(ctx context.Context, k call, ex *wire.Exchange, g *guard) (*http.Request, error) {
	at, _ := c.places.now()
	u := *at
	u.Path, u.RawQuery = k.path, k.query.Encode()
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, v := range k.header {
		req.Header[name] = v
	}
	digest := k.digest
	if k.open == nil {
		digest = statement.Sum(nil)
	} else if err := setBody(req, k, g); err != nil {
		return nil, err
	}
	return req, c.sign(req, ex, digest)
}

func setBody(req *http.Request, k call, g *guard) error {
	b, err := k.open()
	if err != nil {
		return err
	}
	if k.stream {
		b = &guarded{ReadCloser: b, g: g, shared: true}
	}
	req.Body, req.ContentLength = b, k.size
	if k.size == 0 {
		req.Body = http.NoBody
		return b.Close()
	}
	return nil
}

// sign sets the headers of an authenticated request (spec, section 3).
func (c *Client) sign(req *http.Request, ex *wire.Exchange, body statement.Digest) error {
	k := wire.Call{
		Method: req.Method, URI: req.URL.RequestURI(), Exchange: ex.ID, Instance: ex.Instance,
		TimeMS: c.now().UnixMilli(), Nonce: nonce(), Body: body,
	}
	sig, err := c.signer.Sign(k.Bytes())
	if err != nil {
		return err
	}
	req.Header.Set(wire.HeaderKey, c.key)
	req.Header.Set(wire.HeaderTime, strconv.FormatInt(k.TimeMS, 10))
	req.Header.Set(wire.HeaderNonce, k.Nonce)
	req.Header.Set(wire.HeaderInstance, k.Instance)
	req.Header.Set(wire.HeaderBody, string(body))
	req.Header.Set(wire.HeaderSignature, base64.StdEncoding.EncodeToString(sig))
	if c.cert != "" {
		req.Header.Set(wire.HeaderCertificate, c.cert)
	}
	return nil
}
