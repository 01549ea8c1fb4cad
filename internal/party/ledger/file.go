package ledger

import (
	"io"
	"os"
)

// file is what the ledger asks of its storage; a test's fake fails on demand.
type file interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

func openFile(path string) (file, []byte, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, b, nil
}
