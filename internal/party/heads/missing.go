package heads

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// read reads an acknowledgement that owner signed. What is not there, or is not one, is none: the file is memory, not evidence.
func read(path string, owner statement.Fingerprint) Ack {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	e, err := statement.ParseEnvelope(src)
	if err != nil {
		return nil
	}
	a, err := Verify(e, owner)
	if err != nil {
		return nil
	}
	return a
}

// Verify checks that an envelope is an acknowledgement by owner, of its own ledger.
func Verify(e *statement.Envelope, owner statement.Fingerprint) (Ack, error) {
	a, err := statement.VerifyAuthor[statement.Ack](e)
	if err != nil {
		return nil, err
	}
	if a.Body().Owner != owner {
		return nil, statement.ErrSignature
	}
	return a, nil
}

func (s *Store) missing() string { return filepath.Join(s.dir, "missing.json") }

// Missing is the acknowledgement of self whose head its ledger was found to lack; nil if none was.
func (s *Store) Missing(self statement.Fingerprint) Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return read(s.missing(), self)
}

// Miss remembers, durably, an own acknowledgement whose head the ledger lacks. It need not be the newest: a ledger that went on
// from an old copy may have passed it.
func (s *Store) Miss(a Ack) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := home.MkdirAll(s.dir); err != nil {
		return err
	}
	return home.WriteFile(s.missing(), a.Envelope().Bytes())
}

// Forget drops what is remembered of a party's own ledger: for a repair, which accounts for all of it.
func (s *Store) Forget(self statement.Fingerprint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.newest, self)
	for _, file := range []string{s.file(self), s.missing()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return home.Storage("can't forget the old heads", err)
		}
	}
	return nil
}
