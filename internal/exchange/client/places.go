package client

import (
	"context"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// places are the addresses of one exchange: that of the process that is asked, and of those that are asked when it does not answer.
type places struct {
	all []*url.URL
	at  atomic.Uint32
	id  atomic.Pointer[string] // of the exchange that the first one was; nil until one has answered
}

// maxPlaces of one exchange.
const maxPlaces = 16

// parsePlaces reads addresses with commas between. Which of several is asked first is chance, so that callers spread.
func parsePlaces(list string) (*places, error) {
	p := &places{}
	for s := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
			u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" || len(p.all) == maxPlaces {
			return nil, fault.New(fault.Input, "exchange URL is not of the form http://host:port",
				"give the URL that cordon exchange serve printed; of several processes of one exchange, give all with commas between", nil)
		}
		u.Path = ""
		p.all = append(p.all, u)
	}
	p.at.Store(rand.Uint32N(uint32(len(p.all))))
	return p, nil
}

// now is the address to ask, and its number for leave.
func (p *places) now() (*url.URL, uint32) {
	n := p.at.Load()
	return p.all[n], n
}

// leave has the next address asked from now on, unless somebody else has done that.
func (p *places) leave(n uint32) {
	p.at.CompareAndSwap(n, (n+1)%uint32(len(p.all)))
}

// same reports whether an exchange that answers is the one that answered first. One address may come to lead to another exchange, as
// after its operator has begun anew; several at once are of one.
func (p *places) same(id string) bool {
	if len(p.all) == 1 || p.id.CompareAndSwap(nil, &id) {
		return true
	}
	return *p.id.Load() == id
}

const (
	dialTime = 2 * time.Second // to connect
	nameTime = 8 * time.Second // where a name has to be looked up first: the next name server is asked after 5 s
	// deadTime is when a connection whose other end is not there any more is given up, at latest, with a call under way.
	deadTime = 8 * time.Second
)

// dial connects, and notices an end that is gone without a word, as a machine without power or network is.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	timeout := nameTime
	if host, _, err := net.SplitHostPort(address); err == nil && net.ParseIP(host) != nil {
		timeout = dialTime
	}
	d := net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadTime / 2, Interval: deadTime / 8, Count: 4},
		Control:         unacknowledged,
	}
	return d.DialContext(ctx, network, address)
}
