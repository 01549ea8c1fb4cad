package bucket

import (
	"bytes"
	"context"
	"crypto/md5" // what the protocol asks for to notice damage on the way; nothing rests on it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	partSize  = 16 << 20
	largePart = 128 << 20 // an upload may have 10,000 parts, and an object a terabyte
	manyParts = 1000      // from here on parts are large
)

func sizeOf(part int) int64 {
	if part > manyParts {
		return largePart
	}
	return partSize
}

// key of a path, or ErrNotFound: nothing else is ever there.
func (l *Lake) key(path string) (string, error) {
	if !statement.ValidObject(path) || !strings.Contains(path, "/") {
		return "", lake.ErrNotFound
	}
	return l.prefix + path, nil
}

// Put stores an object: in one request where it fits into a part, else part by part, in memory one at a time.
func (l *Lake) Put(ctx context.Context, path string, r io.Reader) error {
	key, err := l.key(path)
	if err != nil {
		return err
	}
	switch _, err := l.Size(ctx, path); {
	case err == nil:
		return lake.ErrExists // before anything is sent
	case !errors.Is(err, lake.ErrNotFound):
		return err
	}
	select {
	case l.writers <- struct{}{}:
		defer func() { <-l.writers }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var buf bytes.Buffer
	end, err := next(&buf, r, partSize)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if end {
		return l.putOnce(ctx, key, buf.Bytes())
	}
	return l.putParts(ctx, key, &buf, r)
}

// next reads up to n bytes into buf, and reports whether that was the end.
func next(buf *bytes.Buffer, r io.Reader, n int64) (end bool, err error) {
	buf.Reset()
	got, err := io.CopyN(buf, r, n)
	if errors.Is(err, io.EOF) && got < n {
		return true, nil
	}
	return false, err
}

// onlyNew has the server refuse where an object is there.
func onlyNew() minio.PutObjectOptions {
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	o.SetMatchETagExcept("*")
	return o
}

func sums(b []byte) (md5Base64, sha256Hex string) {
	m, s := md5.Sum(b), sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(m[:]), hex.EncodeToString(s[:])
}

func (l *Lake) putOnce(ctx context.Context, key string, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	m, s := sums(b)
	_, err := l.core.PutObject(ctx, l.bucket, key, bytes.NewReader(b), int64(len(b)), m, s, onlyNew())
	return classify(err)
}

// putParts sends what is in buf and what r gives. After an error nothing of it stays.
func (l *Lake) putParts(ctx context.Context, key string, buf *bytes.Buffer, r io.Reader) error {
	up, err := l.beginUpload(ctx, key)
	if err != nil {
		return err
	}
	err = up.send(ctx, buf, r)
	if err == nil {
		err = up.complete(ctx)
	}
	if err != nil {
		// A completion whose answer got lost may have happened; then there is nothing to abort, and who asks again finds the object.
		if aborted := up.abort(ctx); aborted != nil && !errors.Is(aborted, lake.ErrUnavailable) {
			err = errors.Join(err, aborted)
		}
	}
	return err
}

// upload is one in parts.
type upload struct {
	l     *Lake
	key   string
	id    string
	parts []minio.CompletePart
}

func (l *Lake) beginUpload(ctx context.Context, key string) (*upload, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	id, err := l.core.NewMultipartUpload(ctx, l.bucket, key, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return nil, classify(err)
	}
	return &upload{l: l, key: key, id: id}, nil
}

func (u *upload) send(ctx context.Context, buf *bytes.Buffer, r io.Reader) error {
	for end := false; ; {
		if err := u.part(ctx, buf.Bytes()); err != nil || end {
			return err
		}
		var err error
		if end, err = next(buf, r, sizeOf(len(u.parts)+1)); err != nil {
			return err
		}
		if end && buf.Len() == 0 {
			return nil
		}
	}
}

func (u *upload) part(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	m, s := sums(b)
	n := len(u.parts) + 1
	p, err := u.l.core.PutObjectPart(ctx, u.l.bucket, u.key, u.id, n, bytes.NewReader(b), int64(len(b)), minio.PutObjectPartOptions{Md5Base64: m, Sha256Hex: s})
	if err != nil {
		return classify(err)
	}
	u.parts = append(u.parts, minio.CompletePart{PartNumber: n, ETag: p.ETag})
	return nil
}

// complete gives the upload its name, if that is still free.
func (u *upload) complete(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	_, err := u.l.core.CompleteMultipartUpload(ctx, u.l.bucket, u.key, u.id, u.parts, onlyNew())
	return classify(err)
}

// abort ends the upload, whether or not its caller has left. One that is gone is a success.
func (u *upload) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	err := u.l.core.AbortMultipartUpload(ctx, u.l.bucket, u.key, u.id)
	if err == nil || minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
		return nil
	}
	return fmt.Errorf("abort upload: %w", classify(err))
}
