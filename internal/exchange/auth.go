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
	cert     *statement.Verified[statement.Certificate] // nil: the key is its party's root
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
	c.cert, err = parseCertificate(h.Values(wire.HeaderCertificate), text[0])
	return &c, err
}

// parseCertificate reads the header that says for which party the key signs, where there is one.
func parseCertificate(values []string, key string) (*statement.Verified[statement.Certificate], error) {
	if len(values) == 0 {
		return nil, nil
	}
	bad := unauthenticated("header " + wire.HeaderCertificate + " is not a certificate of the key that signs the request")
	if len(values) > 1 {
		return nil, bad
	}
	b, err := base64.StdEncoding.Strict().DecodeString(values[0])
	if err != nil {
		return nil, bad
	}
	e, err := statement.ParseEnvelope(b)
	if err != nil {
		return nil, bad
	}
	cert, err := statement.VerifyCertificate(e)
	if err != nil || cert.Body().Key != key {
		return nil, bad
	}
	return cert, nil
}

// caller is the party that the credentials speak for, now.
func (s *Server) caller(ctx context.Context, c *credentials, now time.Time) (statement.Fingerprint, error) {
	if c.cert == nil {
		return c.key.Fingerprint(), nil
	}
	if err := c.cert.Body().Covers(statement.PurposeRequest, now.UnixMilli()); err != nil {
		return "", unauthenticated("the certificate of the key does not cover requests, or not now")
	}
	party := c.cert.Body().Party
	return party, s.unrevoked(ctx, []statement.OnlineKey{{Party: party, Key: c.key}})
}

// unrevoked refuses keys that their party's root has revoked.
func (s *Server) unrevoked(ctx context.Context, keys []statement.OnlineKey) error {
	if len(keys) == 0 {
		return nil
	}
	var digests []statement.Digest
	for _, k := range keys {
		digests = append(digests, k.Digest())
	}
	list, err := s.store.Revocations(ctx, digests)
	if err != nil || len(list) == 0 {
		return err
	}
	return refuse(http.StatusForbidden, wire.CodeRevoked, "this signing key was revoked by its party", "certify another: cordon party rotate-key")
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
func (s *Server) authenticate(r *http.Request, class string) (*call, error) {
	c, err := parseCredentials(r.Header)
	if err != nil {
		return nil, err
	}
	ours, err := s.signedForUs(r.Context(), c.instance)
	if err != nil {
		return nil, err
	}
	if !ours {
		return nil, wrongInstance()
	}
	now := s.now()
	if d := now.Sub(time.UnixMilli(c.timeMS)); d > wire.MaxSkew || d < -wire.MaxSkew {
		return nil, wrongTime()
	}
	signed := wire.Call{Method: r.Method, URI: r.RequestURI, Exchange: s.store.ID(), Instance: c.instance,
		TimeMS: c.timeMS, Nonce: c.nonce, Body: c.body}
	if !c.key.Verify(signed.Bytes(), c.sig) {
		return nil, unauthenticated("signature of the request is wrong")
	}
	out := &call{s: s, r: r, body: c.body}
	if out.party, err = s.caller(r.Context(), c, now); err != nil {
		return nil, err
	}
	if out.registered, err = s.registered(r.Context(), out.party); err != nil {
		return nil, err
	}
	if err := s.mayCall(out, class); err != nil { // before its nonce costs a write
		return nil, err
	}
	if !out.registered {
		return out, nil
	}
	if err := s.spend(r.Context(), out.party, c, now); err != nil {
		return nil, err
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
