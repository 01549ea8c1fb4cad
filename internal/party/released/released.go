package released

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// Format of a line, with its version.
const Format = "cordon-released/1"

const (
	maxLine    = 16<<20 + 4096 // a message with evidence has 8 MiB at most, in base64 a third more; and the reply
	maxSegment = 64 << 20      // bytes after which the next file is begun
	atHand     = 2             // times maxSegment: of so much answers are found again; whoever asks later is refused as a replay
)

// Entry is one release.
type Entry struct {
	Format   string             `json:"format"` // Format
	Job      statement.Digest   `json:"job"`
	Digest   statement.Digest   `json:"digest"` // of the evidence
	AtMS     int64              `json:"at_ms"`
	Evidence statement.Evidence `json:"evidence"`
	Reply    message.Reply      `json:"reply"`
}

// ID names a release: there is one to each evidence.
type ID struct{ Job, Evidence statement.Digest }

// place is where an entry stands.
type place struct {
	file   string
	offset int64
	size   int
}

// ErrNone says that no such release is kept.
var ErrNone = errors.New("released: not kept")

// Files reads what is kept, of all that is kept in a home. It is made once and not kept up to date.
type Files struct{ at map[ID]place }

// Read finds all that is kept.
func Read(dir home.Dir) (*Files, error) {
	list, err := segments(dir)
	if err != nil {
		return nil, err
	}
	f := &Files{at: map[ID]place{}}
	for _, name := range list {
		if err := f.index(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// segments are the files, oldest first.
func segments(dir home.Dir) ([]string, error) {
	list, err := filepath.Glob(filepath.Join(dir.Released(), "*.ndjson"))
	slices.Sort(list) // of one length: see segment
	return list, err
}

func segment(dir home.Dir, n int64) string {
	return filepath.Join(dir.Released(), fmt.Sprintf("%012d.ndjson", n))
}

// index notes where the entries of a file stand. Lines that are torn or no entries are passed over.
func (f *Files) index(name string) error {
	src, err := os.Open(name)
	if err != nil {
		return home.Storage("can't read what was released", err)
	}
	defer src.Close()
	r := bufio.NewReaderSize(src, 1<<20)
	for offset := int64(0); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return home.Storage("can't read what was released", err)
		}
		var e struct {
			Format      string
			Job, Digest statement.Digest
		}
		if json.Unmarshal(line, &e) == nil && e.Format == Format { // what it says is judged when it is read
			f.at[ID{e.Job, e.Digest}] = place{name, offset, len(line)}
		}
		offset += int64(len(line))
	}
}

// Entry reads one. It is what it was asked for, or an error.
func (f *Files) Entry(id ID) (*Entry, error) {
	p, ok := f.at[id]
	if !ok {
		return nil, ErrNone
	}
	return p.read(id)
}

// IDs are all, in no order.
func (f *Files) IDs() (out []ID) {
	for id := range f.at {
		out = append(out, id)
	}
	return out
}

func (p place) read(id ID) (*Entry, error) {
	src, err := os.Open(p.file)
	if err != nil {
		return nil, home.Storage("can't read what was released", err)
	}
	defer src.Close()
	line := make([]byte, p.size)
	if _, err := src.ReadAt(line, p.offset); err != nil {
		return nil, home.Storage("can't read what was released", err)
	}
	e := new(Entry)
	if err := statement.UnmarshalUpTo(bytes.TrimSuffix(line, []byte("\n")), maxLine, e); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Base(p.file), err)
	}
	d, err := e.Evidence.Digest()
	if err != nil || e.Format != Format || d != id.Evidence || (ID{e.Job, e.Digest}) != id {
		return nil, fmt.Errorf("%s is damaged, or of another job", filepath.Base(p.file))
	}
	return e, nil
}

// Store appends. One process has it, the one that has the home. It is safe for concurrent use.
type Store struct {
	dir home.Dir

	most  int64 // maxSegment, but in tests
	mu    sync.Mutex
	files Files
	held  []part   // what files is of, oldest first; f is the last, where it is begun
	next  int64    // number of the next file
	f     *os.File // nil: none begun
}

// part is a file at hand.
type part struct {
	name string
	size int64
}

// Open finds the newest releases. It writes to a file of its own: what stands in the others may end in a torn line.
func Open(dir home.Dir) (*Store, error) {
	list, err := segments(dir)
	if err != nil {
		return nil, err
	}
	return openWith(dir, list, maxSegment)
}

func openWith(dir home.Dir, list []string, most int64) (*Store, error) {
	s := &Store{dir: dir, most: most, files: Files{at: map[ID]place{}}, next: 1}
	if len(list) > 0 {
		if _, err := fmt.Sscanf(filepath.Base(list[len(list)-1]), "%d.ndjson", &s.next); err != nil {
			return nil, home.Storage("can't read what was released", err)
		}
		s.next++
	}
	for _, name := range list {
		info, err := os.Stat(name)
		if err != nil {
			return nil, home.Storage("can't read what was released", err)
		}
		s.held = append(s.held, part{name, info.Size()})
	}
	s.forget()
	for _, p := range s.held {
		if err := s.files.index(p.name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Keep appends a release. When it returns, the entry is found again whatever becomes of this process.
func (s *Store) Keep(e *Entry) error {
	e.Format = Format
	line, err := statement.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(int64(len(line))); err != nil {
		return err
	}
	if _, err := s.f.Write(line); err != nil {
		s.end() // what follows must not stand behind a torn line
		return home.Storage("can't keep what is released", err)
	}
	last := &s.held[len(s.held)-1]
	s.files.at[ID{e.Job, e.Digest}] = place{last.name, last.size, len(line)}
	last.size += int64(len(line))
	return nil
}

// begin has a file with room for so many bytes.
func (s *Store) begin(n int64) error {
	if s.f != nil && s.held[len(s.held)-1].size+n <= s.most {
		return nil
	}
	s.end()
	if err := home.MkdirAll(s.dir.Released()); err != nil {
		return err
	}
	name := segment(s.dir, s.next)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrExist) {
		s.next++ // left by a process that was killed before it wrote
	}
	if err != nil {
		return home.Storage("can't keep what is released", err)
	}
	s.f, s.next = f, s.next+1
	s.held = append(s.held, part{name, 0})
	s.forget()
	return nil
}

// forget drops what stands in files that are no longer at hand.
func (s *Store) forget() {
	var size int64
	first := len(s.held)
	for ; first > 0 && size+s.held[first-1].size <= atHand*s.most; first-- {
		size += s.held[first-1].size
	}
	gone := map[string]bool{}
	for _, p := range s.held[:first] {
		gone[p.name] = true
	}
	s.held = slices.Clone(s.held[first:])
	for id, p := range s.files.at {
		if gone[p.file] {
			delete(s.files.at, id)
		}
	}
}

func (s *Store) end() {
	if s.f != nil {
		s.f.Close() // what was written stays written
		s.f = nil
	}
}

// Reply is what was answered to evidence, if that is at hand and whole.
func (s *Store) Reply(id ID) (*message.Reply, bool) {
	s.mu.Lock()
	p, ok := s.files.at[id]
	s.mu.Unlock()
	if !ok {
		return nil, false
	}
	e, err := p.read(id)
	if err != nil {
		return nil, false
	}
	return &e.Reply, true
}

// Close lets go of the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	return nil
}
