package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	stallTime = 60 * time.Second // for the next piece of a streamed body
	piece     = 16 << 20         // bytes
)

// objectPath of the request, and whose it is.
func (c *call) objectPath() (string, statement.Fingerprint, error) {
	path := c.r.PathValue("path")
	owner, ok := wire.ObjectOwner(path)
	if !ok {
		return "", "", malformed("path names no object: OWNER/DATASET/VERSION/FILE.parquet")
	}
	return path, owner, nil
}

// putObject streams an object of the caller's into the lake (spec, section 5).
func (s *Server) putObject(c *call) error {
	path, owner, err := c.objectPath()
	if err != nil {
		return err
	}
	if owner != c.party {
		return forbidden("objects are written by their owner")
	}
	size := c.r.ContentLength
	if size <= 0 {
		return malformed("upload has no Content-Length, or nothing to upload")
	}
	if size > s.maxObject {
		return tooLarge()
	}
	o := store.Object{Path: path, Owner: owner, Bytes: size}
	ctx, id, done, err := s.reserve(c.r.Context(), o)
	if err != nil {
		return err
	}
	defer done()
	body := &upload{src: c.r.Body, ctl: http.NewResponseController(c.w), sum: sha256.New(), left: size, want: c.body}
	c.expect(stallTime)
	err = s.lake.Put(ctx, path, body)
	body.end()
	before := errors.Is(err, lake.ErrExists)
	if before {
		err = s.same(c, path, size)
	}
	if err = s.uploaded(ctx, o, id, err, before); err != nil {
		return err
	}
	s.log.Info("object stored", "by", c.party.Short(), "bytes", size)
	return c.answer(wire.Empty{})
}

// same accepts an upload of what is there already: an uploader that missed our answer asks again.
func (s *Server) same(c *call, path string, size int64) error {
	have, err := s.lake.Size(c.r.Context(), path)
	if err != nil {
		return err
	}
	if have != size {
		return lake.ErrExists
	}
	r, err := s.lake.Read(c.r.Context(), path, 0, have)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if digestOf(sum) != c.body {
		return lake.ErrExists
	}
	return nil
}

func digestOf(h hash.Hash) statement.Digest {
	return statement.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// upload is a body that must have the signed digest, and must not stall. What is
// not all there, or not what was signed, ends with an error instead of io.EOF, so
// that no object comes of it.
type upload struct {
	src  io.Reader
	ctl  *http.ResponseController
	sum  hash.Hash
	left int64
	want statement.Digest
}

func (u *upload) Read(p []byte) (int, error) {
	now := time.Now()
	_ = u.ctl.SetReadDeadline(now.Add(stallTime))
	_ = u.ctl.SetWriteDeadline(now.Add(stallTime + answerTime))
	n, err := u.src.Read(p)
	u.sum.Write(p[:n])
	u.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF) || u.left != 0:
		return n, malformed("upload ended before its end")
	case digestOf(u.sum) != u.want:
		return n, wrongBody()
	}
	_ = u.ctl.SetWriteDeadline(now.Add(largeTime)) // the lake has to reach the disk yet
	return n, io.EOF
}

func (u *upload) end() { _ = u.ctl.SetReadDeadline(time.Time{}) }

// getObject streams an object or one range of it. Any registered party may read
// ciphertext; hosts must.
func (s *Server) getObject(c *call) error {
	path, _, err := c.objectPath()
	if err != nil {
		return err
	}
	size, err := s.lake.Size(c.r.Context(), path)
	if err != nil {
		return err
	}
	from, length, partial, err := parseRange(c.r.Header.Values("Range"), size)
	if err != nil {
		return err
	}
	h := c.w.Header()
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", "bytes "+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(from+length-1, 10)+"/"+strconv.FormatInt(size, 10))
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return nil
	}
	return s.stream(c, path, from, length, status)
}

func (s *Server) stream(c *call, path string, from, length int64, status int) error {
	r, err := s.lake.Read(c.r.Context(), path, from, length)
	if err != nil {
		return err
	}
	defer r.Close()
	c.w.WriteHeader(status)
	ctl := http.NewResponseController(c.w)
	n, err := io.Copy(&download{ResponseWriter: c.w, ctl: ctl}, r)
	if err != nil || n != length {
		// The status is sent: only a broken connection can say that bytes are missing,
		// and this is net/http's way to break it. What is there goes out before.
		_ = ctl.Flush()
		s.log.Warn("object not sent to its end", "bytes", n, "of", length, "err", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// download is a writer that must not stall. A file passes through it piece by
// piece in the kernel.
type download struct {
	http.ResponseWriter
	ctl *http.ResponseController
}

func (d *download) Write(p []byte) (int, error) {
	_ = d.ctl.SetWriteDeadline(time.Now().Add(stallTime))
	return d.ResponseWriter.Write(p)
}

func (d *download) ReadFrom(src io.Reader) (int64, error) {
	l, limited := src.(*io.LimitedReader)
	to, ok := d.ResponseWriter.(io.ReaderFrom)
	if !limited || !ok {
		return io.Copy(struct{ io.Writer }{d}, src)
	}
	var total int64
	for l.N > 0 {
		_ = d.ctl.SetWriteDeadline(time.Now().Add(stallTime))
		part := &io.LimitedReader{R: l.R, N: min(l.N, piece)}
		n, err := to.ReadFrom(part)
		total += n
		l.N -= n
		if err != nil || n == 0 {
			return total, err
		}
	}
	return total, nil
}

// parseRange reads "bytes=A-B" or "bytes=A-", one only, which must lie within the object.
func parseRange(headers []string, size int64) (from, length int64, partial bool, err error) {
	if len(headers) == 0 {
		return 0, size, false, nil
	}
	spec, ok := strings.CutPrefix(headers[0], "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if len(headers) > 1 || !ok || !dash {
		return 0, 0, false, malformed("range is not of the form bytes=A-B or bytes=A-")
	}
	if from, err = decimal(first); err != nil {
		return 0, 0, false, malformed("range is not of the form bytes=A-B or bytes=A-")
	}
	to := size - 1
	if last != "" {
		if to, err = decimal(last); err != nil || to < from {
			return 0, 0, false, malformed("range is not of the form bytes=A-B or bytes=A-")
		}
	}
	if from > to || to >= size {
		return 0, 0, false, lake.ErrRange
	}
	return from, to - from + 1, true, nil
}

// deleteObject retires an object of the caller's; one that is gone stays gone.
func (s *Server) deleteObject(c *call) error {
	path, owner, err := c.objectPath()
	if err != nil {
		return err
	}
	if owner != c.party {
		return forbidden("objects are removed by their owner")
	}
	if err := s.remove(c.r.Context(), store.Object{Path: path, Owner: owner}); err != nil {
		return err
	}
	s.log.Info("object removed", "by", c.party.Short())
	return c.answer(wire.Empty{})
}

func sendBytes(w http.ResponseWriter, b []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b) // a caller that is gone asks again
}
