package released

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func newHome(t *testing.T) home.Dir {
	t.Helper()
	d, err := home.Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t *testing.T, d home.Dir) *Store {
	t.Helper()
	s, err := Open(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// entry number n of a job that no broker would sign: what is in it is not looked at here.
func entry(t *testing.T, n int, size int) (*Entry, ID) {
	t.Helper()
	k, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	refused, err := statement.Sign(statement.Refusal{
		Party: k.Public().Fingerprint(), Job: statement.Sum(nil), Stage: message.KindQuote, Code: "c", Reason: "r", AtMS: 1,
	}, k)
	if err != nil {
		t.Fatal(err)
	}
	e := &Entry{
		Job: statement.Sum([]byte(fmt.Sprint("job", n))), AtMS: int64(n + 1),
		Evidence: statement.Evidence{Kind: "simulated", Raw: append([]byte(fmt.Sprint(n)), make([]byte, size)...)},
		Reply:    message.Reply{Stage: message.KindQuote, Release: refused, Keys: []byte(fmt.Sprint("keys", n))},
	}
	if e.Digest, err = e.Evidence.Digest(); err != nil {
		t.Fatal(err)
	}
	return e, ID{e.Job, e.Digest}
}

func (s *Store) keep(t *testing.T, n, size int) ID {
	t.Helper()
	e, id := entry(t, n, size)
	if err := s.Keep(e); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestKeptOverRestarts: an answer is found again by this process and by the next ones, and by who only reads.
func TestKeptOverRestarts(t *testing.T) {
	d := newHome(t)
	var ids []ID
	for n := range 3 {
		s := open(t, d) // the one before was killed
		ids = append(ids, s.keep(t, n, 10))
		for i, id := range ids {
			if r, ok := s.Reply(id); !ok || string(r.Keys) != fmt.Sprint("keys", i) {
				t.Fatalf("after %d restarts the answer %d is lost", n, i)
			}
		}
	}
	f, err := Read(d)
	if err != nil || len(f.IDs()) != 3 {
		t.Fatal(len(f.IDs()), err)
	}
	for n, id := range ids {
		if e, err := f.Entry(id); err != nil || e.AtMS != int64(n+1) || string(e.Evidence.Raw[:1]) != fmt.Sprint(n) {
			t.Errorf("%d: %v", n, err)
		}
	}
	if _, err := f.Entry(ID{Job: ids[0].Job, Evidence: ids[1].Evidence}); !errors.Is(err, ErrNone) {
		t.Error("a release that never was:", err)
	}
}

func only(t *testing.T, d home.Dir) string {
	t.Helper()
	list, err := segments(d)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

// TestTornAnywhere: cut off at any byte, all whole entries are found, and the torn one is lost.
func TestTornAnywhere(t *testing.T) {
	d := newHome(t)
	s := open(t, d)
	first, last := s.keep(t, 0, 3), s.keep(t, 1, 3)
	src, err := os.ReadFile(only(t, d))
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.IndexByte(src, '\n') + 1
	for cut := begin; cut < len(src); cut++ {
		if err := os.WriteFile(only(t, d), src[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Reply(first); !ok {
			t.Fatalf("cut at %d: the first is lost", cut)
		}
		if _, ok := s.Reply(last); ok {
			t.Fatalf("cut at %d: half an answer", cut)
		}
	}
	later := open(t, d).keep(t, 2, 3) // not behind the torn line
	if f, err := Read(d); err != nil || len(f.IDs()) != 2 {
		t.Fatal(err)
	} else if _, err := f.Entry(later); err != nil {
		t.Fatal(err)
	}
}

// TestChanged: what was changed on the disk is no answer, and told as damaged.
func TestChanged(t *testing.T) {
	d := newHome(t)
	s := open(t, d)
	id := s.keep(t, 0, 40)
	src, err := os.ReadFile(only(t, d))
	if err != nil {
		t.Fatal(err)
	}
	e, _ := entry(t, 7, 40)
	for name, changed := range map[string]string{
		"evidence":       strings.Replace(string(src), `"raw":"MA`, `"raw":"MQ`, 1),
		"a field more":   strings.Replace(string(src), `"at_ms"`, `"x":1,"at_ms"`, 1),
		"space":          strings.Replace(string(src), `"at_ms":1`, `"at_ms": 1`, 1),
		"another job":    strings.Replace(string(src), string(id.Job), string(e.Job), 1),
		"another format": strings.Replace(string(src), Format, "cordon-released/9", 1),
	} {
		if changed == string(src) {
			t.Fatal(name)
		}
		if err := os.WriteFile(only(t, d), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Reply(id); ok {
			t.Errorf("%s changed: still an answer", name)
		}
		if f, err := Read(d); err != nil {
			t.Error(name, err)
		} else if _, err := f.Entry(id); err == nil {
			t.Errorf("%s changed: still evidence", name)
		}
	}
}

// TestSegments: files end, and answers in old ones are no longer at hand; the evidence in them is.
func TestSegments(t *testing.T) {
	d := newHome(t)
	s := open(t, d)
	s.most = 8000
	var ids []ID
	for n := range 8 {
		ids = append(ids, s.keep(t, n, 2000)) // in base64 two to a file
	}
	list, err := segments(d)
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	if _, ok := s.Reply(ids[7]); !ok {
		t.Error("the newest is lost")
	}
	if _, ok := s.Reply(ids[0]); ok || len(s.files.at) != 6 || len(s.held) != 3 {
		t.Errorf("%d are at hand in %d files", len(s.files.at), len(s.held))
	}
	if next, err := openWith(d, list, s.most); err != nil || len(next.files.at) != 4 {
		t.Errorf("%d are at hand after a restart: %v", len(next.files.at), err)
	}
	if f, err := Read(d); err != nil || len(f.IDs()) != 8 {
		t.Error(err)
	}
}

// TestFull: what can't be written is an error, and what is written later is whole.
func TestFull(t *testing.T) {
	d := newHome(t)
	s := open(t, d)
	s.keep(t, 0, 3)
	s.f.Close() // as a disk that does not take it
	e, id := entry(t, 1, 3)
	if err := s.Keep(e); err == nil {
		t.Fatal("kept without a disk")
	}
	if _, ok := s.Reply(id); ok {
		t.Error("an answer that was not kept")
	}
	later := s.keep(t, 2, 3)
	if _, ok := s.Reply(later); !ok {
		t.Error("not usable afterwards")
	}
	if err := os.RemoveAll(d.Released()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Released(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, d).Keep(e); err == nil {
		t.Error("kept without a folder")
	}
}

func TestConcurrent(t *testing.T) {
	d := newHome(t)
	s := open(t, d)
	var list []*Entry
	for n := range 40 {
		e, _ := entry(t, n, 2000)
		list = append(list, e)
	}
	var wg sync.WaitGroup
	for _, e := range list {
		wg.Go(func() {
			if err := s.Keep(e); err != nil {
				t.Error(err)
			}
			if _, ok := s.Reply(ID{e.Job, e.Digest}); !ok {
				t.Error("not found")
			}
		})
	}
	wg.Wait()
	if f, err := Read(d); err != nil || len(f.IDs()) != 40 {
		t.Fatal(err)
	}
}
