package officers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Gate decides whether a party may sign. It is safe for concurrent use.
type Gate struct {
	Home   home.Dir              // required
	Ledger *ledger.Ledger        // required
	Self   statement.Fingerprint // required
	Now    func() time.Time      // required

	mu sync.Mutex
}

// Waiting is the error of something that not enough officers have approved yet. The request is kept.
type Waiting struct {
	Request statement.Digest
	Action  string
	Have    int
	Need    int64
}

func (w *Waiting) Error() string {
	return fmt.Sprintf("%s needs %d officers' approval, and has %d: request %s", w.Action, w.Need, w.Have, w.Request)
}

// ExitCode is fault.Refused.
func (w *Waiting) ExitCode() int { return int(fault.Refused) }

// Hint says what to do.
func (w *Waiting) Hint() string {
	return "officers approve it with 'cordon approve sign " + string(w.Request) + " --officer FILE'; then give the same command again"
}

// Request is something that waits for approvals.
type Request struct {
	Format    string           `json:"format"` // RequestFormat
	Action    string           `json:"action"`
	Officers  statement.Digest `json:"officers"` // the list that asks
	Payload   []byte           `json:"payload"`  // exactly what would be signed
	CreatedMS int64            `json:"created_ms"`
}

// RequestFormat names the format of a request, with its version.
const RequestFormat = "cordon-request/1"

// Digest is what approvals of the request name.
func (r *Request) Digest() statement.Digest { return statement.Sum(r.Payload) }

// DecodeRequest reads a request, of the agent's or of a file.
func DecodeRequest(src []byte) (*Request, error) {
	var r Request
	if err := statement.Unmarshal(src, &r); err != nil {
		return nil, err
	}
	if r.Format != RequestFormat || len(r.Payload) == 0 || !r.Officers.Valid() {
		return nil, errors.New("officers: not a request")
	}
	return &r, nil
}

// InForce is the list that the ledger names, nil if there never was one. A list that is named and missing, or another, is an
// error: then nothing that could need it is signed.
func (g *Gate) InForce() (*List, statement.Digest, error) {
	var d statement.Digest
	g.Ledger.View(func(a *ledger.Accounts) { d = a.Officers() })
	if d == "" {
		return nil, "", nil
	}
	l, err := g.list(d)
	if err != nil {
		return nil, "", fault.New(fault.Untrusted, "the list of officers that the ledger names is missing or damaged", "restore officers/ in the home folder from a backup; nothing that needs officers is signed meanwhile", err)
	}
	return l, d, nil
}

func (g *Gate) list(d statement.Digest) (*List, error) {
	src, err := os.ReadFile(g.file("lists", d))
	if err != nil {
		return nil, err
	}
	if statement.Sum(src) != d {
		return nil, errors.New("officers: another list than the one named")
	}
	l, err := decodeList(src)
	if err != nil {
		return nil, err
	}
	if l.Party != g.Self {
		return nil, errors.New("officers: another party's list")
	}
	return l, nil
}

// Asks says whether officers are asked before such an action.
func (g *Gate) Asks(action string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, _, err := g.InForce()
	return l != nil && l.requires(action), err
}

// Require lets a payload be signed, or keeps it as a request and returns *Waiting. What it lets pass stands in the ledger, with the
// approvals, before it returns.
func (g *Gate) Require(ctx context.Context, action string, payload []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, d, err := g.InForce()
	if err != nil {
		return err
	}
	if l == nil || !l.requires(action) {
		return nil
	}
	return g.require(ctx, asked{list: l, digest: d, action: action, payload: payload})
}

// asked is what must be approved, by whom.
type asked struct {
	list    *List
	digest  statement.Digest
	action  string
	payload []byte
}

func (g *Gate) require(ctx context.Context, a asked) error {
	got, err := g.approvals(a)
	if err != nil {
		return err
	}
	if int64(len(got)) < a.list.Threshold {
		return g.waits(a, len(got))
	}
	if err := g.record(ctx, a, got); err != nil {
		return err
	}
	return removeFile(g.file("requests", statement.Sum(a.payload)))
}

// waits keeps the request.
func (g *Gate) waits(a asked, have int) error {
	if err := g.keep(a); err != nil {
		return err
	}
	return &Waiting{Request: statement.Sum(a.payload), Action: a.action, Have: have, Need: a.list.Threshold}
}

// approvals are the good ones of a payload, one of each officer. One that counted for what was then signed is used up: what was taken
// back since needs new ones.
func (g *Gate) approvals(a asked) ([]*statement.Verified[statement.Approval], error) {
	files, err := os.ReadDir(g.approvalsOf(statement.Sum(a.payload)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, home.Storage("can't read approvals", err)
	}
	var out []*statement.Verified[statement.Approval]
	counted := map[statement.Fingerprint]bool{}
	for _, f := range files {
		src, err := os.ReadFile(filepath.Join(g.approvalsOf(statement.Sum(a.payload)), f.Name()))
		if err != nil {
			return nil, home.Storage("can't read an approval", err)
		}
		v, err := g.verify(src)
		if err != nil || counted[v.Body().Officer] || g.counts(a, v.Body()) != nil {
			continue
		}
		if g.used(v) {
			continue
		}
		counted[v.Body().Officer] = true
		out = append(out, v)
	}
	return out, nil
}

// used reports whether an approval counted, and what it approves was signed thereupon.
func (g *Gate) used(v *statement.Verified[statement.Approval]) (used bool) {
	g.Ledger.View(func(a *ledger.Accounts) { used = a.Approved(v.Digest()) && a.Done(v.Body().About) })
	return used
}

func (g *Gate) verify(src []byte) (*statement.Verified[statement.Approval], error) {
	e, err := statement.ParseEnvelope(src)
	if err != nil {
		return nil, err
	}
	return statement.VerifyAuthor[statement.Approval](e)
}

// counts says why an approval is none of what is asked; nil if it is one.
func (g *Gate) counts(a asked, b *statement.Approval) error {
	_, listed := a.list.officer(b.Officer)
	switch {
	case !listed:
		return errors.New("its signer is no officer of the list in force")
	case b.Party != g.Self:
		return errors.New("it is for another party")
	case b.Action != a.action:
		return errors.New("it is of another action")
	case b.About != statement.Sum(a.payload):
		return errors.New("it is of something else")
	case b.Officers != a.digest:
		return errors.New("it was given under another list of officers")
	}
	return nil
}

// record puts approvals into the ledger.
func (g *Gate) record(ctx context.Context, a asked, got []*statement.Verified[statement.Approval]) error {
	_, err := g.Ledger.AppendAll(ctx, func(acc *ledger.Accounts) ([]ledger.Entry, error) {
		return counted(acc, a, got), nil
	})
	return err
}

// counted are the entries of approvals, each once.
func counted(acc *ledger.Accounts, a asked, got []*statement.Verified[statement.Approval]) (list []ledger.Entry) {
	for _, v := range got {
		if acc.Approved(v.Digest()) {
			continue
		}
		list = append(list, ledger.Entry{
			Kind: ledger.KindApprove, About: v.Body().About, Requester: v.Body().Officer, Name: a.action, Approval: v.Digest(),
		})
	}
	return list
}

// Add takes an officer's approval of a request that is kept.
func (g *Gate) Add(src []byte) (*Status, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, err := g.verify(src)
	if err != nil {
		return nil, fault.New(fault.Untrusted, "this is no officer's approval", "sign it again: 'cordon approve sign'", err)
	}
	r, err := g.request(v.Body().About)
	if err != nil {
		return nil, err
	}
	list, err := g.asking(r)
	if err != nil {
		return nil, err
	}
	if err := g.countsForAny(list, v.Body()); err != nil {
		return nil, fault.New(fault.Refused, "the approval does not count: "+err.Error(), "see 'cordon approve list' and 'cordon party officers show'", nil)
	}
	dir := g.approvalsOf(r.Digest())
	if err := home.MkdirAll(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	if err := home.MkdirAll(dir); err != nil {
		return nil, err
	}
	name := string(v.Body().Officer) + "-" + strings.TrimPrefix(string(v.Body().Officers), "sha256:")[:16] + ".json"
	if err := home.WriteFile(filepath.Join(dir, name), src); err != nil {
		return nil, err
	}
	return g.status(r)
}

func (g *Gate) countsForAny(list []asked, b *statement.Approval) (err error) {
	err = errors.New("nothing asks for it any more")
	for _, a := range list {
		if err = g.counts(a, b); err == nil {
			return nil
		}
	}
	return err
}

// asking are the lists whose officers a request still needs: that in force, and for a change of the list the new one.
func (g *Gate) asking(r *Request) ([]asked, error) {
	var out []asked
	l, d, err := g.InForce()
	if err != nil {
		return nil, err
	}
	if l != nil && l.requires(r.Action) {
		out = append(out, asked{list: l, digest: d, action: r.Action, payload: r.Payload})
	}
	if r.Action == statement.ActionOfficers {
		next, err := decodeList(r.Payload)
		if err != nil {
			return nil, err
		}
		if next.requires(r.Action) {
			out = append(out, asked{list: next, digest: r.Digest(), action: r.Action, payload: r.Payload})
		}
	}
	return out, nil
}

// Status is a request, with who has approved it.
type Status struct {
	Request  *Request
	Need     int64
	Approved []string // names of officers
	Asking   []Asking // none: nothing needs it any more
}

// Asking is a list whose officers a request waits for.
type Asking struct {
	Digest statement.Digest
	List   *List
}

func (g *Gate) status(r *Request) (*Status, error) {
	s := &Status{Request: r, Approved: []string{}}
	list, err := g.asking(r)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		got, err := g.approvals(a)
		if err != nil {
			return nil, err
		}
		s.Need = max(s.Need, a.list.Threshold)
		s.Asking = append(s.Asking, Asking{Digest: a.digest, List: a.list})
		for _, v := range got {
			if name, _ := a.list.officer(v.Body().Officer); !slices.Contains(s.Approved, name) {
				s.Approved = append(s.Approved, name)
			}
		}
	}
	slices.Sort(s.Approved)
	return s, nil
}

// Requests lists what waits, oldest first.
func (g *Gate) Requests() ([]*Status, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	requests, err := g.requestsOf("")
	if err != nil {
		return nil, err
	}
	out := []*Status{}
	for _, r := range requests {
		s, err := g.status(r)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// requestsOf an action, or of any, oldest first.
func (g *Gate) requestsOf(action string) ([]*Request, error) {
	files, err := filepath.Glob(filepath.Join(g.Home.Officers(), "requests", "*.json"))
	if err != nil {
		return nil, err
	}
	var out []*Request
	for _, f := range files {
		r, err := g.request(statement.Digest("sha256:" + strings.TrimSuffix(filepath.Base(f), ".json")))
		if err != nil {
			continue // not one that anybody could approve
		}
		if action == "" || r.Action == action {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *Request) int { return cmp.Compare(a.CreatedMS, b.CreatedMS) })
	return out, nil
}

// Pending is the payload of a kept request of an action that fits, so that what is asked again is what was approved.
func (g *Gate) Pending(action string, fits func(payload []byte) bool) ([]byte, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list, err := g.requestsOf(action)
	if err != nil {
		return nil, false
	}
	for _, r := range list {
		if fits(r.Payload) {
			return r.Payload, true
		}
	}
	return nil, false
}

func (g *Gate) request(about statement.Digest) (*Request, error) {
	src, err := os.ReadFile(g.file("requests", about))
	if err != nil {
		return nil, fault.New(fault.Input, "nothing waits for approval under this digest", "see 'cordon approve list'", err)
	}
	r, err := DecodeRequest(src)
	if err != nil || r.Digest() != about {
		return nil, fault.New(fault.Input, "the request is damaged", "give the command that asked for it again", err)
	}
	return r, nil
}

// keep stores a request durably.
func (g *Gate) keep(a asked) error {
	r := Request{Format: RequestFormat, Action: a.action, Officers: a.digest, Payload: a.payload, CreatedMS: g.Now().UnixMilli()}
	if old, err := g.request(r.Digest()); err == nil && old.Officers == a.digest {
		return nil
	}
	src, err := statement.Marshal(r)
	if err != nil {
		return err
	}
	return g.write("requests", r.Digest(), src)
}

func (g *Gate) file(folder string, d statement.Digest) string {
	return filepath.Join(g.Home.Officers(), folder, strings.TrimPrefix(string(d), "sha256:")+".json")
}

func (g *Gate) approvalsOf(d statement.Digest) string {
	return filepath.Join(g.Home.Officers(), "approvals", strings.TrimPrefix(string(d), "sha256:"))
}

func (g *Gate) write(folder string, d statement.Digest, src []byte) error {
	if err := home.MkdirAll(g.Home.Officers()); err != nil {
		return err
	}
	if err := home.MkdirAll(filepath.Join(g.Home.Officers(), folder)); err != nil {
		return err
	}
	return home.WriteFile(g.file(folder, d), src)
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return home.Storage("can't remove a request that was granted", err)
	}
	return nil
}
