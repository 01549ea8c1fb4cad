package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/statement"
)

// Lake is a folder of objects.
type Lake struct {
	dir    string
	bucket *blob.Bucket
	naming sync.Mutex // between looking whether a name is free and taking it
}

var _ lake.Lake = (*Lake)(nil)

// Open opens the lake in dir, or makes one. What uploads left behind when the
// process ended in their middle is removed: only one process may write here.
func Open(dir string) (*Lake, error) { return open(dir, 0) }

// abandoned is how old what an upload left behind is at least: one that pauses for longer has ended.
const abandoned = 15 * time.Minute

// OpenShared is Open for a folder where other processes write, too: their uploads stay. Two of them that get one name at the same
// moment are not kept apart: the owner who writes both loses one.
func OpenShared(dir string) (*Lake, error) { return open(dir, abandoned) }

func open(dir string, age time.Duration) (*Lake, error) {
	b, err := fileblob.OpenBucket(dir, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700,
		NoTempDir: true, // the last step is a rename: same file system
		Metadata:  fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	if err := sweep(dir, time.Now().Add(-age)); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &Lake{dir: abs, bucket: b}, nil
}

// View opens a lake that is there for reading only, whoever writes to it.
func View(dir string) (*Lake, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b, err := fileblob.OpenBucket(abs, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	return &Lake{dir: abs, bucket: b}, nil
}

// Close closes the lake.
func (l *Lake) Close() error { return l.bucket.Close() }

const partial = ".tmp" // of fileblob

// sweep removes the parts of uploads that nobody has written to since.
func sweep(dir string, since time.Time) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // another process was faster
			return nil
		}
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, partial) {
			return err
		}
		info, err := d.Info()
		if err == nil && !info.ModTime().After(since) {
			err = os.Remove(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// Put stores an object.
func (l *Lake) Put(ctx context.Context, path string, r io.Reader) error {
	if err := l.free(ctx, path); err != nil {
		return err
	}
	writing, cancel := context.WithCancel(ctx)
	defer cancel()
	var file *os.File
	w, err := l.bucket.NewWriter(writing, path, &blob.WriterOptions{
		ContentType: "application/octet-stream", // else it waits for bytes to guess from
		BeforeWrite: func(as func(any) bool) error { as(&file); return nil },
	})
	if err != nil {
		return classify(err)
	}
	if _, err = io.Copy(w, r); err == nil && file != nil {
		err = file.Sync()
	}
	if err == nil {
		return l.publish(ctx, path, w, cancel)
	}
	drop(w, cancel)
	return classify(err)
}

// drop ends a writer without an object: fileblob removes the file where the
// context has ended.
func drop(w *blob.Writer, cancel func()) {
	cancel()
	_ = w.Close() // says that the context has ended
}

// publish gives a written file its name, if that is still free, and makes the
// name durable.
func (l *Lake) publish(ctx context.Context, path string, w *blob.Writer, cancel func()) error {
	if err := l.take(ctx, path, w, cancel); err != nil {
		return err
	}
	for dir := filepath.Dir(l.file(path)); ; dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil {
			return classify(err)
		}
		if len(dir) <= len(filepath.Clean(l.dir)) {
			return nil
		}
	}
}

func (l *Lake) take(ctx context.Context, path string, w *blob.Writer, cancel func()) error {
	l.naming.Lock()
	defer l.naming.Unlock()
	if err := l.free(ctx, path); err != nil {
		drop(w, cancel)
		return err
	}
	return classify(w.Close())
}

func (l *Lake) file(path string) string { return filepath.Join(l.dir, filepath.FromSlash(path)) }

func (l *Lake) free(ctx context.Context, path string) error {
	if !statement.ValidObject(path) || !strings.Contains(path, "/") || strings.HasSuffix(path, partial) {
		return lake.ErrNotFound
	}
	switch _, err := l.Size(ctx, path); {
	case err == nil:
		return lake.ErrExists
	case errors.Is(err, lake.ErrNotFound):
		return nil
	default:
		return err
	}
}

// Size of an object.
func (l *Lake) Size(ctx context.Context, path string) (int64, error) {
	if !statement.ValidObject(path) || strings.HasSuffix(path, partial) {
		return 0, lake.ErrNotFound
	}
	a, err := l.bucket.Attributes(ctx, path)
	if err != nil {
		return 0, classify(err)
	}
	return a.Size, nil
}

// Read streams a range.
func (l *Lake) Read(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	size, err := l.Size(ctx, path)
	if err != nil {
		return nil, err
	}
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return nil, lake.ErrRange
	}
	b, err := l.bucket.NewRangeReader(ctx, path, offset, length, nil)
	if err != nil {
		return nil, classify(err)
	}
	r := &reader{Reader: b, body: b, left: length}
	// The file itself, where fileblob shows it: the kernel can send it to a socket without copying.
	var inner io.Reader
	if b.As(&inner) {
		r.body = inner
	}
	return r, nil
}

// Delete removes an object.
func (l *Lake) Delete(ctx context.Context, path string) error {
	if _, err := l.Size(ctx, path); err != nil {
		return err
	}
	if err := classify(l.bucket.Delete(ctx, path)); err != nil {
		return err
	}
	return classify(syncDir(filepath.Dir(l.file(path))))
}

// classify gives errors the names of package lake. A file past the process's
// size limit (EFBIG) is the operator's to cure in the same way as a full disk.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case gcerrors.Code(err) == gcerrors.NotFound:
		return lake.ErrNotFound
	case errors.Is(err, diskFull), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: %w", lake.ErrFull, err)
	}
	return err
}
