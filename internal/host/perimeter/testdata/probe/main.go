//go:build linux

// Command probe is an enclave program for tests: it locks itself down as the real one does, then tries what the
// host asks it to, over the channel, and reports what happened.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
)

func main() {
	if err := run(); err != nil {
		os.Exit(3)
	}
}

// hello is the first message: what lockdown found and installed.
type hello struct {
	Observed lockdown.Observed `json:"observed"`
	Filter   string            `json:"filter"`
	Names    []string          `json:"names"`
	Args     []string          `json:"args"`
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("want a claim")
	}
	seen, err := lockdown.Prepare(os.Args[1])
	if err != nil {
		return refused(err)
	}
	conn, err := net.FileConn(os.NewFile(lockdown.ChannelFD, "channel"))
	if err != nil {
		return err
	}
	hash, names, err := lockdown.Seccomp()
	if err != nil {
		return err
	}
	c, err := newClient(conn)
	if err != nil {
		return err
	}
	if err := c.post("/hello", hello{seen, hash, names, os.Args}); err != nil {
		return err
	}
	return c.serveAttempts()
}

// refused tells the host which check failed, without HTTP: nothing is locked down, and the test wants to know why.
func refused(err error) error {
	f := os.NewFile(lockdown.ChannelFD, "channel")
	fmt.Fprintf(f, "refused: %v\n", err)
	return err
}

// client speaks HTTP/2 in clear over the one connection, as the enclave does.
type client struct{ conn *http.ClientConn }

func newClient(conn net.Conn) (*client, error) {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	t := &http.Transport{Protocols: &p, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	c, err := t.NewClientConn(context.Background(), "http", "host:80")
	if err != nil {
		return nil, err
	}
	return &client{c}, nil
}

// do makes one request, and reads the whole answer.
func (c *client) do(method, path string, body io.Reader) ([]byte, error) {
	r, err := http.NewRequest(method, "http://host:80"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.conn.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func (c *client) get(path string) ([]byte, error) { return c.do(http.MethodGet, path, nil) }

func (c *client) post(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.do(http.MethodPost, path, bytes.NewReader(text))
	return err
}

// attempt is one thing to try, with an argument that only the host knows.
type attempt struct {
	Name string `json:"name"`
	Arg  int    `json:"arg"`
}

// outcome of an attempt: the errno, or 0, and what it returned.
type outcome struct {
	Name  string `json:"name"`
	Errno int    `json:"errno"`
	Text  string `json:"text"`
}

func (c *client) serveAttempts() error {
	all := attempts(c)
	for {
		text, err := c.get("/next")
		if err != nil {
			return err
		}
		var a attempt
		if err := json.Unmarshal(text, &a); err != nil {
			return err
		}
		if a.Name == "done" {
			return nil
		}
		try, known := all[a.Name]
		if !known {
			return fmt.Errorf("unknown attempt")
		}
		if err := c.post("/outcome", outcomeOf(a.Name, try, a.Arg)); err != nil {
			return err
		}
	}
}
