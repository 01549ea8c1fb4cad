package bucket

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
)

// Size of an object.
func (l *Lake) Size(ctx context.Context, path string) (int64, error) {
	key, err := l.key(path)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	info, err := l.core.StatObject(ctx, l.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return 0, classify(err)
	}
	return info.Size, nil
}

// Read streams a range.
func (l *Lake) Read(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	key, err := l.key(path)
	if err != nil {
		return nil, err
	}
	if offset < 0 || length < 0 || offset+length < offset {
		if _, err := l.Size(ctx, path); err != nil {
			return nil, err
		}
		return nil, lake.ErrRange
	}
	if length == 0 {
		return l.nothing(ctx, path, offset)
	}
	var o minio.GetObjectOptions
	if err := o.SetRange(offset, offset+length-1); err != nil {
		return nil, lake.ErrRange
	}
	ctx, cancel := context.WithCancel(ctx)
	quiet := time.AfterFunc(stall, cancel)
	body, info, _, err := l.core.GetObject(ctx, l.bucket, key, o)
	if err != nil {
		quiet.Stop()
		cancel()
		return nil, classify(err)
	}
	r := &reader{body: body, left: length, quiet: quiet, cancel: cancel}
	if info.Size != length { // a server cuts a range that goes past the end
		return nil, errors.Join(lake.ErrRange, r.Close())
	}
	return r, nil
}

// nothing is a range without bytes, which no header can ask for.
func (l *Lake) nothing(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	size, err := l.Size(ctx, path)
	if err != nil {
		return nil, err
	}
	if offset > size {
		return nil, lake.ErrRange
	}
	return &reader{body: io.NopCloser(eof{})}, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// reader gives exactly the bytes it promised, or says that they are not there. It ends where the server falls silent.
type reader struct {
	body   io.ReadCloser
	left   int64
	quiet  *time.Timer
	cancel func()
}

func (r *reader) Read(p []byte) (int, error) {
	if r.quiet != nil {
		r.quiet.Reset(stall)
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.body.Read(p)
	r.left -= int64(n)
	switch {
	case r.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, io.ErrUnexpectedEOF
	case err != nil:
		return n, classify(err)
	}
	return n, nil
}

func (r *reader) Close() error {
	if r.quiet != nil {
		r.quiet.Stop()
		r.cancel() // what is left need not come
	}
	_ = r.body.Close() // says at most that it was canceled
	return nil
}

// Delete removes an object.
func (l *Lake) Delete(ctx context.Context, path string) error {
	if _, err := l.Size(ctx, path); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return classify(l.core.RemoveObject(ctx, l.bucket, l.prefix+path, minio.RemoveObjectOptions{}))
}
