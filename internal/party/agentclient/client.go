package agentclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// Error is the body of an answer that is no success, and the last line of a stream that failed.
type Error struct {
	Text string `json:"error"`
	Hint string `json:"hint"`
	Exit int    `json:"exit"`
	// Request waits for officers' approval: then the same call works.
	Request statement.Digest `json:"request,omitempty"`
}

// ApprovalNeeded is the error of a call that waits for officers.
type ApprovalNeeded struct {
	Request statement.Digest
	cause   error
}

func (e *ApprovalNeeded) Error() string { return e.cause.Error() }

// Unwrap is the refusal, with its hint and exit code.
func (e *ApprovalNeeded) Unwrap() error { return e.cause }

// Line is one line of a stream: exactly one field is set.
type Line struct {
	Progress *Progress       `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *Error          `json:"error,omitempty"`
}

// MaxAnswer bounds what is read of one answer, in bytes.
const MaxAnswer = 256 << 20

// Client of the agent that serves one home folder.
type Client struct{ http *http.Client }

// New makes a client. It does not connect yet.
func New(dir home.Dir) (*Client, error) {
	socket, err := dir.Socket()
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}, nil
}

func (c *Client) send(ctx context.Context, path string, in any) (*http.Response, error) {
	b, err := statement.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent"+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var dial *url.Error
	if errors.As(err, &dial) {
		err = dial.Err // the URL is ours and says nothing
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "the party's agent does not answer", "start it with 'cordon party serve --home DIR --exchange URL'", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, readError(resp.Body)
	}
	return resp, nil
}

var errAnswer = errors.New("malformed answer")

func malformed() error {
	return fault.New(fault.Internal, "the agent's answer can't be read", "command line and agent must be of one version: start the agent again", errAnswer)
}

func readError(r io.Reader) error {
	var e Error
	if err := json.NewDecoder(io.LimitReader(r, 1<<20)).Decode(&e); err != nil || e.Text == "" {
		return malformed()
	}
	return e.fault()
}

// fault is never a success, whatever code the agent gives.
func (e *Error) fault() error {
	if e.Exit < int(fault.Internal) || e.Exit > int(fault.LocalStorage) {
		return malformed()
	}
	f := fault.New(fault.Code(e.Exit), e.Text, e.Hint, nil)
	if e.Request.Valid() {
		return &ApprovalNeeded{Request: e.Request, cause: f}
	}
	return f
}

// Call makes one call and decodes its answer into out.
func (c *Client) Call(ctx context.Context, path string, in, out any) error {
	resp, err := c.send(ctx, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, MaxAnswer)).Decode(out); err != nil {
		return malformed()
	}
	return nil
}

// Stream makes a call that tells its progress before its answer.
func (c *Client) Stream(ctx context.Context, path string, in, out any, tell func(Progress)) error {
	resp, err := c.send(ctx, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	s := bufio.NewScanner(resp.Body)
	s.Buffer(make([]byte, 1<<16), MaxAnswer)
	for s.Scan() {
		var l Line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			return malformed()
		}
		switch {
		case l.Error != nil:
			return l.Error.fault()
		case l.Progress != nil:
			tell(*l.Progress)
		default:
			if err := json.Unmarshal(l.Result, out); err != nil {
				return malformed()
			}
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.New(fault.Unavailable, "the agent stopped before it had answered", "start it again and see 'cordon ledger show'", s.Err())
}
