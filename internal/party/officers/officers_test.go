package officers

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is a party whose grants need two of three officers.
type world struct {
	*Gate
	t        *testing.T
	officers []*keyring.KeyFile
	now      time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.UnixMilli(1_700_000_000_000)}
	self := must(keyring.New("delta")).Fingerprint()
	dir := must(home.Create(filepath.Join(t.TempDir(), "home")))
	clock := func() time.Time { return w.now }
	l := must(ledger.Open(dir.Ledger(), self, clock))
	t.Cleanup(func() { l.Close() })
	w.Gate = &Gate{Home: dir, Ledger: l, Self: self, Now: clock}
	for _, name := range []string{"olga", "omar", "oscar"} {
		w.officers = append(w.officers, must(keyring.NewKeyFile(keyring.UseOfficer, name)))
	}
	return w
}

func (w *world) listed(which ...int) (out []Officer) {
	for _, i := range which {
		out = append(out, Officer{Name: w.officers[i].Name(), Fingerprint: w.officers[i].Fingerprint()})
	}
	return out
}

// approve a request as an officer, under a list.
func (w *world) approve(officer int, action string, payload []byte, list statement.Digest, edit func(*statement.Approval)) error {
	w.t.Helper()
	k := w.officers[officer]
	a := statement.Approval{Officer: k.Fingerprint(), Party: w.Self, Action: action, About: statement.Sum(payload), Officers: list, AtMS: w.now.UnixMilli()}
	if edit != nil {
		edit(&a)
	}
	_, err := w.Add(must(statement.Sign(a, k.Signer())).Bytes())
	return err
}

// set makes a list of officers that all of which approve, and those of the list before.
func (w *world) set(threshold int64, actions []string, which ...int) statement.Digest {
	w.t.Helper()
	for range 8 {
		d, err := w.Change(w.t.Context(), w.listed(which...), threshold, actions)
		if err == nil {
			return d
		}
		if need := new(Waiting); !errors.As(err, &need) {
			w.t.Fatal(err)
		}
		for _, s := range must(w.Requests()) {
			for _, ask := range s.Asking {
				for i := range w.officers {
					if _, ok := ask.List.officer(w.officers[i].Fingerprint()); ok {
						if err := w.approve(i, s.Request.Action, s.Request.Payload, ask.Digest, nil); err != nil {
							w.t.Fatal(err)
						}
					}
				}
			}
		}
	}
	w.t.Fatal("never enough")
	return ""
}

func (w *world) waits(err error, have int) {
	w.t.Helper()
	need := new(Waiting)
	if !errors.As(err, &need) || need.Have != have || fault.ExitCode(err) != int(fault.Refused) {
		w.t.Fatalf("got %v, want to wait with %d approvals", err, have)
	}
}

func (w *world) count(kind string) (n int) {
	for _, e := range w.Ledger.Entries() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

var grants = []string{statement.ActionGrant}

// TestNoList: a party without officers signs as ever.
func TestNoList(t *testing.T) {
	w := newWorld(t)
	if err := w.Require(t.Context(), statement.ActionGrant, []byte("{}")); err != nil {
		t.Fatal(err)
	}
}

// TestTwoOfThree: what counts towards a payload, and what does not.
func TestTwoOfThree(t *testing.T) {
	w := newWorld(t)
	list := w.set(2, grants, 0, 1)
	payload, other := []byte(`{"grant":1}`), []byte(`{"grant":2}`)
	ask := func() error { return w.Require(t.Context(), statement.ActionGrant, payload) }
	w.waits(ask(), 0)
	w.waits(w.Require(t.Context(), statement.ActionGrant, other), 0)
	if err := w.Require(t.Context(), statement.ActionPool, payload); err != nil {
		t.Fatalf("not asked for: %v", err)
	}
	for name, c := range map[string]struct {
		officer int
		edit    func(*statement.Approval)
	}{
		"of nobody on the list":     {2, nil},
		"of another party":          {0, func(a *statement.Approval) { a.Party = w.officers[2].Fingerprint() }},
		"of another action":         {0, func(a *statement.Approval) { a.Action = statement.ActionPool }},
		"of something nobody asked": {0, func(a *statement.Approval) { a.About = statement.Sum([]byte("x")) }},
		"under another list":        {0, func(a *statement.Approval) { a.Officers = statement.Sum([]byte("x")) }},
	} {
		if err := w.approve(c.officer, statement.ActionGrant, payload, list, c.edit); err == nil {
			t.Errorf("taken: an approval %s", name)
		}
		w.waits(ask(), 0)
	}
	// In another's name: not signed by the one it names.
	forged := must(statement.Sign(statement.Approval{
		Officer: w.officers[1].Fingerprint(), Party: w.Self, Action: statement.ActionGrant, About: statement.Sum(payload), Officers: list, AtMS: 1,
	}, w.officers[0].Signer()))
	if _, err := w.Add(forged.Bytes()); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Errorf("forged: %v", err)
	}
	if err := w.approve(0, statement.ActionGrant, payload, list, nil); err != nil {
		t.Fatal(err)
	}
	w.waits(ask(), 1)
	w.now = w.now.Add(time.Second)
	if err := w.approve(0, statement.ActionGrant, payload, list, nil); err != nil {
		t.Fatal(err)
	}
	w.waits(ask(), 1) // the same officer twice is not two
	// Two files of one officer, as somebody with the folder could make.
	dir := w.approvalsOf(statement.Sum(payload))
	files := must(os.ReadDir(dir))
	if err := os.WriteFile(filepath.Join(dir, "copy.json"), must(os.ReadFile(filepath.Join(dir, files[0].Name()))), 0o600); err != nil {
		t.Fatal(err)
	}
	w.waits(ask(), 1)
	// The other's approval of another payload does not help, wherever its file is put.
	if err := w.approve(1, statement.ActionGrant, other, list, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "moved"), os.DirFS(w.approvalsOf(statement.Sum(other)))); err != nil {
		t.Fatal(err)
	}
	for _, f := range must(os.ReadDir(filepath.Join(dir, "moved"))) {
		if err := os.Rename(filepath.Join(dir, "moved", f.Name()), filepath.Join(dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	w.waits(ask(), 1)
	before := w.count(ledger.KindApprove)
	if err := w.approve(1, statement.ActionGrant, payload, list, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 { // asked again, as after a crash: each approval is recorded once
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.count(ledger.KindApprove) - before; n != 2 {
		t.Errorf("%d approvals in the ledger", n)
	}
	if n := len(must(w.Requests())); n != 1 { // the other one
		t.Errorf("%d requests are left", n)
	}
}

// TestOfficerRemoved: what somebody approved does not count once it is no officer, nor when it is one again under a later list.
func TestOfficerRemoved(t *testing.T) {
	w := newWorld(t)
	list := w.set(2, grants, 0, 1)
	payload := []byte(`{"grant":1}`)
	ask := func() error { return w.Require(t.Context(), statement.ActionGrant, payload) }
	w.waits(ask(), 0)
	for i := range 2 {
		if err := w.approve(i, statement.ActionGrant, payload, list, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.set(2, grants, 0, 2)
	w.waits(ask(), 0)
	w.set(2, grants, 0, 1)
	w.waits(ask(), 0)
}

// TestChangeOfTheList needs the officers in force, and the new ones.
func TestChangeOfTheList(t *testing.T) {
	w := newWorld(t)
	first := w.set(2, grants, 0, 1)
	change := func() error {
		_, err := w.Change(t.Context(), w.listed(0, 2), 2, grants)
		return err
	}
	w.waits(change(), 0)
	r := must(w.Requests())[0].Request
	next := statement.Sum(r.Payload)
	// The new ones alone: olga is on both lists, oscar on the new one.
	for _, i := range []int{0, 2} {
		if err := w.approve(i, statement.ActionOfficers, r.Payload, next, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.waits(change(), 0)
	if err := w.approve(2, statement.ActionOfficers, r.Payload, first, nil); err == nil {
		t.Fatal("oscar approved for the list in force")
	}
	if err := w.approve(0, statement.ActionOfficers, r.Payload, first, nil); err != nil {
		t.Fatal(err)
	}
	w.waits(change(), 1)
	if err := w.approve(1, statement.ActionOfficers, r.Payload, first, nil); err != nil {
		t.Fatal(err)
	}
	if err := change(); err != nil {
		t.Fatal(err)
	}
	// The old ones alone can't name officers who don't know of it, nor end dual control with one voice.
	w.waits(func() error { _, err := w.Change(t.Context(), nil, 0, nil); return err }(), 0)
	r = must(w.Requests())[0].Request
	if err := w.approve(0, statement.ActionOfficers, r.Payload, next, nil); err != nil {
		t.Fatal(err)
	}
	w.waits(func() error { _, err := w.Change(t.Context(), nil, 0, nil); return err }(), 1)
	w.set(0, nil)
	if err := w.Require(t.Context(), statement.ActionGrant, []byte("{}")); err != nil {
		t.Fatalf("dual control was ended: %v", err)
	}
}

// TestNewOfficersHaveTheirKeys: those in force can't name officers who don't approve.
func TestNewOfficersHaveTheirKeys(t *testing.T) {
	w := newWorld(t)
	first := w.set(2, grants, 0, 1)
	change := func() error {
		_, err := w.Change(t.Context(), w.listed(0, 2), 2, grants)
		return err
	}
	w.waits(change(), 0)
	r := must(w.Requests())[0].Request
	for _, i := range []int{0, 1} {
		if err := w.approve(i, statement.ActionOfficers, r.Payload, first, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.waits(change(), 0)
	if err := w.approve(2, statement.ActionOfficers, r.Payload, statement.Sum(r.Payload), nil); err != nil {
		t.Fatal(err)
	}
	w.waits(change(), 1)
}

// TestFilesAreNotTrusted: the ledger says which list is in force.
func TestFilesAreNotTrusted(t *testing.T) {
	w := newWorld(t)
	list := w.set(2, grants, 0, 1)
	file := w.file("lists", list)
	src := must(os.ReadFile(file))
	for name, spoil := range map[string]func() error{
		"missing": func() error { return os.Remove(file) },
		"changed": func() error {
			return os.WriteFile(file, []byte(strings.Replace(string(src), `"threshold":2`, `"threshold":1`, 1)), 0o600)
		},
		"another": func() error {
			return os.WriteFile(file, []byte(strings.Replace(string(src), `"name":"olga"`, `"name":"olgo"`, 1)), 0o600)
		},
		"emptied": func() error { return os.WriteFile(file, nil, 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := w.Require(t.Context(), statement.ActionGrant, []byte("{}")); fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.Change(t.Context(), nil, 0, nil); fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s, and changed: %v", name, err)
		}
		if err := os.WriteFile(file, src, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLists: one thing wrong per case.
func TestLists(t *testing.T) {
	w := newWorld(t)
	good := func() *List {
		return &List{Format: ListFormat, Party: w.Self, Number: 1, Threshold: 2, Officers: w.listed(0, 1), Actions: []string{"grant"}, CreatedMS: 1}
	}
	if err := good().valid(); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*List){
		"format":              func(l *List) { l.Format = "cordon-officers/2" },
		"party":               func(l *List) { l.Party = "" },
		"time":                func(l *List) { l.CreatedMS = 0 },
		"number":              func(l *List) { l.Number = 2 },
		"previous":            func(l *List) { l.Previous = statement.Sum(nil) },
		"one is enough":       func(l *List) { l.Threshold = 1 },
		"nobody is enough":    func(l *List) { l.Threshold = 0 },
		"more than there are": func(l *List) { l.Threshold = 3 },
		"one officer twice":   func(l *List) { l.Officers[1].Fingerprint = l.Officers[0].Fingerprint },
		"one name twice":      func(l *List) { l.Officers[1].Name = l.Officers[0].Name },
		"the party itself":    func(l *List) { l.Officers[1].Fingerprint = w.Self },
		"no fingerprint":      func(l *List) { l.Officers[1].Fingerprint = "" },
		"no action":           func(l *List) { l.Actions = []string{} },
		"action twice":        func(l *List) { l.Actions = []string{"grant", "grant"} },
		"action unknown":      func(l *List) { l.Actions = []string{"job"} },
		"threshold of nobody": func(l *List) { l.Officers, l.Actions = []Officer{}, []string{} },
		"actions of nobody":   func(l *List) { l.Officers, l.Threshold = []Officer{}, 0 },
		"officers left out":   func(l *List) { l.Officers, l.Threshold, l.Actions = nil, 0, []string{} },
	} {
		l := good()
		edit(l)
		if err := l.valid(); !errors.Is(err, ErrList) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeList(f *testing.F) {
	f.Add([]byte(`{"format":"cordon-officers/1","party":"cordon1","number":1,"threshold":0,"officers":[],"actions":[],"created_ms":1}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := decodeList(src)
		if err != nil {
			if l != nil {
				t.Fatal("refused, but something came back")
			}
			return
		}
		if again := must(l.encode()); string(again) != string(src) {
			t.Fatalf("encodes differently: %s", again)
		}
	})
}

// TestRecover: a ledger restored from an old copy has forgotten a list. It comes back if its approvals are there; a list that somebody
// put there alone does not.
func TestRecover(t *testing.T) {
	w := newWorld(t)
	first := w.set(2, grants, 0, 1)
	second := w.set(2, grants, 0, 2)
	planted := func(previous statement.Digest, number int64) {
		l := &List{Format: ListFormat, Party: w.Self, Number: number, Previous: previous, Officers: []Officer{}, Actions: []string{}, CreatedMS: 1}
		src := must(l.encode())
		if err := w.write("lists", statement.Sum(src), src); err != nil {
			t.Fatal(err)
		}
	}
	planted(first, 2)
	planted(second, 3)
	for name, entries := range map[string]int{"all of them forgotten": 0, "one forgotten": 1} {
		dir := must(home.Create(filepath.Join(t.TempDir(), "home")))
		l := must(ledger.Open(dir.Ledger(), w.Self, w.Now))
		defer l.Close()
		if entries == 1 {
			must(l.Append(t.Context(), ledger.Entry{Kind: ledger.KindOfficers, About: first}, nil))
		}
		g := &Gate{Home: w.Home, Ledger: l, Self: w.Self, Now: w.Now}
		if err := g.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, d, err := g.InForce(); err != nil || d != second {
			t.Errorf("%s: %s is in force: %v", name, d, err)
		}
	}
}
