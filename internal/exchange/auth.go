package exchange

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// credentials are the headers of a signed request, parsed.
type credentials struct {
	key      statement.PublicKey
	timeMS   int64
	nonce    string
	instance string
	body     statement.Digest
	sig      []byte
}

// parseCredentials reads the six headers, each exactly once and in its one form.
func parseCredentials(h http.Header) (*credentials, error) {
	var c credentials
	var text [6]string
	for i, name := range []string{wire.HeaderKey, wire.HeaderTime, wire.HeaderNonce, wire.HeaderInstance, wire.HeaderBody, wire.HeaderSignature} {
		v := h.Values(name)
		if len(v) != 1 {
			return nil, unauthenticated("request is not signed: header " + name + " is missing or repeated")
		}
		text[i] = v[0]
	}
	var err error
	if c.key, err = statement.ParsePublicKey(text[0]); err != nil {
		return nil, unauthenticated("header " + wire.HeaderKey + " is not a public key")
	}
	if c.timeMS, err = decimal(text[1]); err != nil {
		return nil, unauthenticated("header " + wire.HeaderTime + " is not a time")
	}
	c.nonce, c.instance, c.body = text[2], text[3], statement.Digest(text[4])
	if !wire.ValidNonce(c.nonce) || !wire.ValidNonce(c.instance) || !c.body.Valid() {
		return nil, unauthenticated("a header of the signature is not of its form")
	}
	c.sig, err = base64.StdEncoding.Strict().DecodeString(text[5])
	if err != nil || len(c.sig) != 64 {
		return nil, unauthenticated("header " + wire.HeaderSignature + " is not a signature")
	}
	return &c, nil
}

// decimal parses a number in its one form: no sign, no leading zero.
func decimal(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, errDecimal
	}
	return n, nil
}

var errDecimal = errors.New("exchange: not a decimal number")

// authenticate checks a request's signature (spec, section 3), not yet its body.
// A registered caller's nonce is spent by it. One that is not can do no more
// than introduce itself, which has the same effect however often it is said.
func (s *Server) authenticate(r *http.Request) (*call, error) {
	c, err := parseCredentials(r.Header)
	if err != nil {
		return nil, err
	}
	if c.instance != s.instance {
		return nil, refuse(http.StatusUnauthorized, wire.CodeWrongInstance,
			"request was signed for another exchange, or before this one restarted", "ask GET /v1/exchange again, and sign anew")
	}
	now := s.now()
	if d := now.Sub(time.UnixMilli(c.timeMS)); d > wire.MaxSkew || d < -wire.MaxSkew {
		return nil, refuse(http.StatusUnauthorized, wire.CodeSkew,
			"clock of the caller and of the exchange differ by more than "+wire.MaxSkew.String(), "set the clock")
	}
	signed := wire.Call{Method: r.Method, URI: r.RequestURI, Exchange: s.store.ID(), Instance: s.instance,
		TimeMS: c.timeMS, Nonce: c.nonce, Body: c.body}
	if !c.key.Verify(signed.Bytes(), c.sig) {
		return nil, unauthenticated("signature of the request is wrong")
	}
	out := &call{s: s, r: r, party: c.key.Fingerprint(), body: c.body}
	if out.registered, err = s.registered(r.Context(), out.party); err != nil {
		return nil, err
	}
	if !out.registered {
		return out, nil
	}
	switch s.replays.check(c.key, c.nonce, now) {
	case replayed:
		return nil, refuse(http.StatusUnauthorized, wire.CodeReplayed, "this request was sent before", "sign every request with a new nonce")
	case crowded:
		return nil, tooMany("more requests than the exchange can tell apart")
	}
	return out, nil
}

func (s *Server) registered(ctx context.Context, f statement.Fingerprint) (bool, error) {
	p, err := s.store.Party(ctx, f)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case p.Revoked:
		return false, refuse(http.StatusForbidden, wire.CodeRevoked, "this party's key was revoked", "introduce the party under a new key and name")
	}
	return true, nil
}
