package heads

import (
	"errors"
	"path/filepath"
	"sync"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// Ack is an acknowledgement signed by its owner.
type Ack = *statement.Verified[statement.Ack]

// Store keeps acknowledgements in a folder, one file for each owner. It is safe for concurrent use.
type Store struct {
	dir string

	mu     sync.Mutex
	newest map[statement.Fingerprint]Ack // also those whose file could not be written; nil: there is none
}

// Open keeps a store in dir, which is made when something is written.
func Open(dir string) *Store { return &Store{dir: dir, newest: map[statement.Fingerprint]Ack{}} }

// Newest is the acknowledgement of an owner whose head is the furthest of those seen; nil if none was.
func (s *Store) Newest(owner statement.Fingerprint) Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(owner)
}

// Back is an owner's ledger that was at an earlier point later, or at one point in two ways.
type Back struct {
	Owner statement.Fingerprint
	Known Ack // remembered from before
	Now   Ack
}

// See remembers those that are newer than what is known of their owners. It tells which contradict what is known: such owners
// went on with an old copy of their ledger, or with a clock that was set back. An error says that something may be forgotten when
// the process ends.
func (s *Store) See(acks ...Ack) (back []Back, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range acks {
		known := s.load(a.Body().Owner)
		if known != nil && contradict(known.Body(), a.Body()) {
			back = append(back, Back{Owner: a.Body().Owner, Known: known, Now: a})
		}
		if known == nil || known.Body().Head.Seq < a.Body().Head.Seq {
			err = errors.Join(err, s.keep(a))
		}
	}
	return back, err
}

// contradict: one ledger, by one clock that is never set back, gives no two such acknowledgements. Which was seen first says nothing.
func contradict(a, b *statement.Ack) bool {
	if a.Head.Seq > b.Head.Seq {
		a, b = b, a
	}
	if a.Head.Seq == b.Head.Seq {
		return a.Head.Digest != b.Head.Digest
	}
	return a.ClosedMS > b.ClosedMS
}

func (s *Store) file(owner statement.Fingerprint) string {
	return filepath.Join(s.dir, string(owner)+".json")
}

func (s *Store) load(owner statement.Fingerprint) Ack {
	a, ok := s.newest[owner]
	if !ok {
		a = read(s.file(owner), owner)
		s.newest[owner] = a
	}
	return a
}

// keep writes a file that is whole or not there. That a crash may lose it is harmless: the next acknowledgement is newer.
func (s *Store) keep(a Ack) error {
	s.newest[a.Body().Owner] = a
	return home.WriteCache(s.file(a.Body().Owner), a.Envelope().Bytes())
}
