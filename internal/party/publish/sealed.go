package publish

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/statement"
)

// sealed is a table that was sealed and is not yet published. Nobody but this process has its keys.
type sealed struct {
	id    dataset.ID
	keys  *dataset.Keys
	table *Table
	file  statement.File
	spool *spool
}

// close forgets the keys and removes the file.
func (v *sealed) close() {
	v.keys.Wipe()
	v.spool.close()
}

// seal reads a table, checks it and seals it under fresh keys, one row group after the other, so that clear text of no more than a
// few of them is in memory. If a row is refused nothing is left of it.
func (p *Publisher) seal(ctx context.Context, id dataset.ID, s *scan, tell func(Progress)) (_ *sealed, err error) {
	keys, err := dataset.NewKeys(id, s.names(), s.policy.Noisy())
	if err != nil {
		return nil, err
	}
	out, err := newSpool(p.Store)
	if err != nil {
		keys.Wipe()
		return nil, err
	}
	v := &sealed{id: id, keys: keys, spool: out}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	prefix := AADPrefix(id, 0)
	var done *pme.Sealed
	v.table, done, err = s.sealTo(ctx, out, pme.SealOptions{
		Keys: pme.Keys{Footer: keys.FooterUnsafe(), Columns: keys.ColumnsUnsafe()}, AADPrefix: []byte(prefix), Layout: true,
	}, tell)
	if err != nil {
		return nil, err
	}
	v.file = statement.File{
		Object: client.ObjectPath(id.Owner, id.Dataset, id.Version, "0.parquet"), Bytes: done.Size, Rows: done.Rows, AADPrefix: prefix,
	}
	tell(Progress{Stage: "seal", Rows: done.Rows, Bytes: done.Size, Total: done.Size})
	return v, nil
}

// Seal reads and checks a table as Publish does, and writes it sealed: publishing without a party. On an error what w received is
// to be discarded. keys gets the names of the columns, and is asked once.
func Seal(ctx context.Context, r Request, w io.Writer, keys func(columns []string) (pme.SealOptions, error), tell func(Progress)) (*Table, error) {
	s, err := newScan(ctx, r, tell)
	if err != nil {
		return nil, err
	}
	opt, err := keys(s.names())
	if err != nil {
		return nil, err
	}
	t, _, err := s.sealTo(ctx, w, opt, tell)
	return t, err
}

func (s *scan) sealTo(ctx context.Context, w io.Writer, opt pme.SealOptions, tell func(Progress)) (*Table, *pme.Sealed, error) {
	out, err := newSealing(s.stored(), w, opt)
	if err != nil {
		return nil, nil, notSealed(err)
	}
	t, err := s.run(ctx, func(g *rowgroup.Group) error { return out.append(ctx, g) }, tell)
	if err != nil {
		return nil, nil, err
	}
	done, err := out.close()
	return t, done, err
}

// sealing seals row groups as they come: each is a plain Parquet file of its own for a moment, in memory.
type sealing struct {
	columns []rowgroup.Column
	sealer  *pme.Sealer
}

func newSealing(columns []rowgroup.Column, w io.Writer, opt pme.SealOptions) (*sealing, error) {
	s, err := pme.NewSealer(w, opt)
	return &sealing{columns: columns, sealer: s}, err
}

func (s *sealing) append(ctx context.Context, g *rowgroup.Group) error {
	plain, err := g.Alone(s.columns)
	if err != nil {
		return internal(err)
	}
	return notSealed(s.sealer.Append(ctx, pme.Bytes(plain), int64(len(plain))))
}

func (s *sealing) close() (*pme.Sealed, error) {
	done, err := s.sealer.Close()
	return done, notSealed(err)
}

func notSealed(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.New(fault.Internal, "can't seal the file", "nothing was published; report this", err)
}

// spool is where ciphertext waits for its upload, and its digest.
type spool struct {
	file *os.File
	hash hash.Hash
}

func newSpool(s *dataset.Store) (*spool, error) {
	f, err := s.Spool()
	if err != nil {
		return nil, err
	}
	return &spool{file: f, hash: sha256.New()}, nil
}

func (s *spool) Write(b []byte) (int, error) {
	s.hash.Write(b)
	n, err := s.file.Write(b)
	if err != nil {
		err = home.Storage("can't write what was sealed", err)
	}
	return n, err
}

func (s *spool) close() {
	s.file.Close()
	os.Remove(s.file.Name()) // where it still has a name
}

func (p *Publisher) upload(ctx context.Context, v *sealed, tell func(Progress)) error {
	total := v.file.Bytes
	err := p.Exchange.PutObject(ctx, v.file.Object, client.Upload{
		Size: total, Digest: statement.DigestOf(v.spool.hash),
		Open: func() (io.ReadCloser, error) {
			return io.NopCloser(&telling{r: io.NewSectionReader(v.spool.file, 0, total), tell: func(n int64) {
				tell(Progress{Stage: "upload", Rows: v.file.Rows, Bytes: n, Total: total})
			}}), nil
		},
	})
	if err != nil {
		return err
	}
	tell(Progress{Stage: "upload", Rows: v.file.Rows, Bytes: total, Total: total})
	return nil
}
