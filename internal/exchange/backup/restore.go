package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/folder"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/statement"
)

// Restore makes a home from a backup: store/ and, of objects that were copied, lake/, or lk where it is not nil. The home appears
// whole, at the end, or not at all; every file has the digest that the manifest says.
func Restore(ctx context.Context, from, home string, lk lake.Lake) (*Manifest, error) {
	m, err := Read(from)
	if err != nil {
		return nil, err
	}
	dir, err := begin(home)
	if err != nil {
		return nil, err
	}
	if err := restore(ctx, m, from, dir, lk); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, publish(dir, home)
}

func restore(ctx context.Context, m *Manifest, from, dir string, lk lake.Lake) error {
	place := sqlite.Place(filepath.Join(dir, "store"))
	if err := copyFile(filepath.Join(from, storeName), place, m.Store.Digest); err != nil {
		return err
	}
	info, err := sqlite.Inspect(ctx, place)
	if err != nil {
		return err
	}
	if info.ID != m.Exchange || info.Schema != m.Schema {
		return fmt.Errorf("%w: the store is of another exchange or version than the manifest", ErrChanged)
	}
	if !m.Copied {
		return syncDir(dir)
	}
	if lk == nil {
		l, err := folder.Open(filepath.Join(dir, "lake"))
		if err != nil {
			return err
		}
		defer l.Close()
		lk = l
	}
	for _, o := range m.Objects {
		if err := putObject(ctx, lk, filepath.Join(from, objectsName, filepath.FromSlash(o.Path)), o); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

func copyFile(from, to string, want statement.Digest) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := copyTo(to, f)
	if err == nil && got != want {
		return fmt.Errorf("%w: %s", ErrChanged, filepath.Base(from))
	}
	return err
}

// putObject puts one object, if it is the one that was copied. One that the lake has already must be the same.
func putObject(ctx context.Context, lk lake.Lake, name string, o Object) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	err = lk.Put(ctx, o.Path, &checked{r: f, left: o.Bytes, sum: sha256.New(), want: o.Digest})
	if !errors.Is(err, lake.ErrExists) {
		return err
	}
	size, err := lk.Size(ctx, o.Path)
	if err != nil {
		return err
	}
	r, err := lk.Read(ctx, o.Path, 0, size)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	if digestOf(h) != o.Digest {
		return fmt.Errorf("%w: the lake has another object %s", lake.ErrExists, o.Path)
	}
	return nil
}
