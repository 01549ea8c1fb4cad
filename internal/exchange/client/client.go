package client

import (
	"encoding/base64"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Options of a client.
type Options struct {
	URL      string           // required: http://host:port or https://host:port, without a path; several of one exchange with commas between
	Signer   statement.Signer // required: the party's signing key
	HTTP     *http.Client     // default: NewHTTP()
	ID       string           // the exchange's id, where the caller pins it; default: what the exchange says
	Patience time.Duration    // for how long an exchange that does not answer is tried again; default 20 s
	Now      func() time.Time // default time.Now
	// Accepted is told of every statement and job that the exchange took; default: nobody.
	Accepted func(statement.Digest)
}

// Client of one exchange, for one party. Its methods may be called concurrently.
type Client struct {
	places   *places
	signer   statement.Signer
	key      string
	cert     string // base64 of the signer's certificate; empty: it is its party's root
	http     *http.Client
	pin      string
	patience time.Duration
	answer   time.Duration // to an answer, beyond what a call waits for
	now      func() time.Time
	accepted func(statement.Digest)
	known    atomic.Pointer[wire.Exchange] // what calls are signed for; nil until asked
}

const defaultPatience = 20 * time.Second

// New makes a client. It does not call the exchange.
func New(o Options) (*Client, error) {
	at, err := parsePlaces(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Signer == nil {
		return nil, errors.New("client: no signer")
	}
	c := &Client{places: at, signer: o.Signer, key: o.Signer.Public().String(), http: o.HTTP,
		pin: o.ID, patience: o.Patience, answer: answerTime, now: o.Now, accepted: o.Accepted}
	if cert := statement.CertificateOf(o.Signer); cert != nil {
		c.cert = base64.StdEncoding.EncodeToString(cert.Envelope().Bytes())
	}
	if c.http == nil {
		c.http = NewHTTP()
	}
	if c.patience <= 0 {
		c.patience = defaultPatience
	}
	if c.accepted == nil {
		c.accepted = func(statement.Digest) {}
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// NewHTTP is the transport that clients use: connections stay open, and there are
// enough of them for a host that reads ranges of many objects at once.
func NewHTTP() *http.Client {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   128,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // what passes is ciphertext
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
	return &http.Client{
		Transport: t,
		// A redirect would carry a signature made for another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
