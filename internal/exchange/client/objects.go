package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Upload is an object to put into the lake.
type Upload struct {
	Size   int64
	Digest statement.Digest              // statement.Sum of all bytes
	Open   func() (io.ReadCloser, error) // called again for each try
}

// ObjectPath is where an owner's file lies in the lake.
func ObjectPath(owner statement.Fingerprint, dataset, version, file string) string {
	return wire.ObjectPath(owner, dataset, version, file)
}

// PutObject uploads an object that belongs to the caller. It is durable when the
// call returns. The same bytes again are a success, others CodeObjectExists.
func (c *Client) PutObject(ctx context.Context, path string, u Upload) error {
	k := call{method: http.MethodPut, path: objectURI(path), size: u.Size, digest: u.Digest, open: u.Open, stream: true,
		header: http.Header{"Expect": {"100-continue"}}}
	return c.json(ctx, k, nil, nil)
}

func objectURI(path string) string { return "/v1/objects/" + strings.TrimPrefix(path, "/") }

// ObjectSize returns the size of an object.
func (c *Client) ObjectSize(ctx context.Context, path string) (int64, error) {
	resp, err := c.do(ctx, call{method: http.MethodHead, path: objectURI(path)})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.ContentLength < 0 {
		return 0, untrusted("exchange gave an object without a size")
	}
	return resp.ContentLength, nil
}

// DeleteObject retires an object of the caller's. One that is gone is a success.
func (c *Client) DeleteObject(ctx context.Context, path string) error {
	return c.json(ctx, call{method: http.MethodDelete, path: objectURI(path)}, nil, nil)
}

// OpenObject streams length bytes from offset; a negative length means to the
// end. A connection that breaks is taken up again where it broke: objects never change.
func (c *Client) OpenObject(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	if length == 0 {
		return http.NoBody, nil
	}
	s := &objectStream{ctx: ctx, c: c, path: path, at: offset, left: length}
	if err := s.reopen(); err != nil {
		return nil, err
	}
	return s, nil
}

// ReadObjectAt fills p from offset, as io.ReaderAt does.
func (c *Client) ReadObjectAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	r, err := c.OpenObject(ctx, path, offset, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.ReadFull(r, p)
}

// objectStream reads a range over as many connections as it takes.
type objectStream struct {
	ctx  context.Context // of the call that opened it: a stream lives no longer
	c    *Client
	path string
	at   int64
	left int64 // to read; negative until the first answer tells
	idle int   // connections in a row that brought nothing
	body io.ReadCloser
}

const maxIdle = 5

func (s *objectStream) reopen() error {
	resp, err := s.c.do(s.ctx, call{method: http.MethodGet, path: objectURI(s.path), stream: true,
		header: http.Header{"Range": {s.span()}}})
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusPartialContent || resp.ContentLength < 0 || (s.left >= 0 && resp.ContentLength != s.left) {
		resp.Body.Close()
		return untrusted("exchange gave another range than the one asked for")
	}
	s.left, s.body = resp.ContentLength, resp.Body
	return nil
}

func (s *objectStream) span() string {
	if s.left < 0 {
		return fmt.Sprintf("bytes=%d-", s.at)
	}
	return fmt.Sprintf("bytes=%d-%d", s.at, s.at+s.left-1)
}

func (s *objectStream) Read(p []byte) (int, error) {
	for s.left > 0 {
		n, err := s.body.Read(p[:min(int64(len(p)), s.left)])
		s.at += int64(n)
		s.left -= int64(n)
		if n > 0 {
			s.idle = 0
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		if err == nil {
			continue
		}
		s.body.Close()
		if s.ctx.Err() != nil {
			return 0, s.ctx.Err()
		}
		if s.idle++; s.idle > maxIdle {
			return 0, unavailable(errCutOff)
		}
		if err := s.reopen(); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

func (s *objectStream) Close() error {
	if s.body == nil {
		return errors.New("client: stream is closed")
	}
	return s.body.Close()
}
