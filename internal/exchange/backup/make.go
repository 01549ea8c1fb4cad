package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/statement"
)

// Options of a backup.
type Options struct {
	StoreDir string    // required: folder of the SQLite store
	Lake     lake.Lake // required where Objects
	Out      string    // required: a folder that is not there, or empty
	Objects  bool      // copy objects, too
	Now      time.Time // required
}

// Report of a backup.
type Report struct {
	*Manifest
	Digest statement.Digest // of the manifest
	Gone   int              // objects that the store names and the lake did not have any more
}

// Make copies a store. The copy appears under its name whole, at the end, or not at all.
func Make(ctx context.Context, o Options) (*Report, error) {
	dir, err := begin(o.Out)
	if err != nil {
		return nil, err
	}
	r, err := fill(ctx, o, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, publish(dir, o.Out)
}

// begin makes the folder that becomes out. One that is there belongs to another run, or is what is left of one.
func begin(out string) (string, error) {
	if list, err := os.ReadDir(out); err == nil && len(list) > 0 {
		return "", ErrNotEmpty
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	dir := filepath.Clean(out) + unfinished
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("%w: %s", ErrUnfinish, filepath.Base(dir))
	}
	return dir, err
}

// publish gives a folder its name. An empty folder of that name gives way.
func publish(dir, out string) error {
	if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(dir, out); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(out)))
}

func fill(ctx context.Context, o Options, dir string) (*Report, error) {
	file := filepath.Join(dir, storeName)
	info, err := sqlite.Snapshot(ctx, o.StoreDir, file)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Type: manifestType, Exchange: info.ID, Schema: info.Schema, MadeMS: o.Now.UnixMilli(), Copied: o.Objects}
	r := &Report{Manifest: m}
	objects, err := named(ctx, file)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(objects)) {
		obj := Object{Path: path, Bytes: objects[path]}
		if o.Objects {
			obj.Digest, err = copyObject(ctx, o.Lake, obj, filepath.Join(dir, objectsName, filepath.FromSlash(path)))
		}
		if errors.Is(err, lake.ErrNotFound) {
			r.Gone++
			err = nil
			continue
		}
		if err != nil {
			return nil, err
		}
		m.Objects = append(m.Objects, obj)
	}
	if m.Store, err = sum(file); err != nil {
		return nil, err
	}
	b, err := statement.Marshal(m)
	if err != nil {
		return nil, err
	}
	r.Digest = statement.Sum(b)
	return r, write(filepath.Join(dir, manifestName), b)
}

// named are the objects of all offers in force, with their sizes.
func named(ctx context.Context, file string) (map[string]int64, error) {
	out := map[string]int64{}
	return out, sqlite.Offers(ctx, file, func(envelope []byte, revoked bool) error {
		if revoked {
			return nil // its owner may have removed them
		}
		e, err := statement.ParseEnvelope(envelope)
		if err != nil {
			return errors.Join(store.ErrDamaged, err)
		}
		offer, err := statement.DecodeUnverified[statement.Offer](e.Payload)
		if err != nil {
			return errors.Join(store.ErrDamaged, err)
		}
		for _, f := range offer.Files {
			out[f.Object] = f.Bytes
		}
		return nil
	})
}

func copyObject(ctx context.Context, l lake.Lake, o Object, to string) (statement.Digest, error) {
	r, err := l.Read(ctx, o.Path, 0, o.Bytes)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return copyTo(to, r)
}

// copyTo writes a new file and makes it durable.
func copyTo(name string, r io.Reader) (statement.Digest, error) {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", err
	}
	return digestOf(h), syncDir(dir)
}

func digestOf(h hash.Hash) statement.Digest {
	return statement.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

func sum(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return File{Bytes: n, Digest: digestOf(h)}, err
}

func write(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
