package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/tools/bench/tpch"
)

// tables are TPC-H's, plain and sealed from the same pages.
type tables struct {
	plain  map[string]string
	sealed map[string]*sealedFile
}

// keyBytes: AES-256, as cordon dataset publish takes.
const keyBytes = 32

// tpch makes the tables of the run's scale factor, once.
func (b *bench) tpch(ctx context.Context) (*tables, error) {
	if b.tables != nil {
		return b.tables, nil
	}
	dir, err := b.generated(ctx, b.o.scale)
	if err != nil {
		return nil, err
	}
	t := &tables{plain: map[string]string{}, sealed: map[string]*sealedFile{}}
	for _, table := range tpch.Tables() {
		t.plain[table.Name] = tpch.Path(dir, table.Name)
		if t.sealed[table.Name], err = seal(ctx, t.plain[table.Name], filepath.Join(b.dir, table.Name+".sealed")); err != nil {
			return nil, fmt.Errorf("seal %s: %w", table.Name, err)
		}
	}
	b.say("tables of scale factor %g made and sealed", b.o.scale)
	b.tables = t
	return t, nil
}

// generated is a folder with the tables of a scale factor: one that was kept, or a new one.
func (b *bench) generated(ctx context.Context, scale float64) (string, error) {
	parent := b.o.data
	if parent == "" {
		parent = b.dir
	}
	dir := filepath.Join(parent, fmt.Sprintf("tpch-%g", scale))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Renamed when all of it is there, so that what was begun is not taken for it.
	making := dir + ".making"
	if err := errors.Join(os.RemoveAll(making), os.MkdirAll(making, 0o700)); err != nil {
		return "", err
	}
	if err := tpch.Generate(ctx, b.generator(), making, scale); err != nil {
		return "", err
	}
	return dir, os.Rename(making, dir)
}

// seal seals a plain file: the same pages, codec and row groups, each column under a key of its own.
func seal(ctx context.Context, plain, to string) (*sealedFile, error) {
	src, err := os.Open(plain)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return nil, err
	}
	columns, err := pme.PlainColumns(src, st.Size())
	if err != nil {
		return nil, err
	}
	s := &sealedFile{path: to, keys: pme.Keys{Footer: key(), Columns: map[string][]byte{}}, aad: []byte("bench " + filepath.Base(to))}
	for _, c := range columns {
		s.keys.Columns[c] = key()
	}
	dst, err := os.Create(to)
	if err != nil {
		return nil, err
	}
	done, err := pme.Seal(ctx, src, st.Size(), dst, pme.SealOptions{Keys: s.keys, AADPrefix: s.aad})
	if err := errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return nil, err
	}
	s.size = done.Size
	return s, nil
}

func key() []byte {
	k := make([]byte, keyBytes)
	rand.Read(k)
	return k
}

// forget takes a file out of the page cache.
func forget(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// generator is where make bench-deps puts it.
func (b *bench) generator() string {
	return filepath.Join(b.o.bin, "bench", "py", "bin", "tpchgen-cli")
}
