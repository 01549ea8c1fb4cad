package translog_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// log signs checkpoints as a log does.
type log struct {
	signer note.Signer
	key    *translog.Key
}

const origin = "cordon.log/test"

func newLog(t testing.TB, name string) *log {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	k, err := translog.ParseKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return &log{signer: s, key: k}
}

func sign(l *log, text string) ([]byte, error) { return note.Sign(&note.Note{Text: text}, l.signer) }

func (l *log) sign(t testing.TB, text string) []byte {
	t.Helper()
	n, err := sign(l, text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func text(origin, size string, root []byte) string {
	return origin + "\n" + size + "\n" + base64.StdEncoding.EncodeToString(root) + "\n"
}

func root(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func (l *log) open(t testing.TB, size string, r byte) *translog.Signed {
	t.Helper()
	s, err := l.key.Open(l.sign(t, text(origin, size, root(r))))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLeaf(t *testing.T) {
	d := statement.Sum([]byte("statement"))
	salt := bytes.Repeat([]byte{7}, translog.SaltSize)
	c := translog.Commit(translog.KindStatement, salt, d)
	for name, other := range map[string]translog.Commitment{
		"kind":   translog.Commit(translog.KindJob, salt, d),
		"salt":   translog.Commit(translog.KindStatement, bytes.Repeat([]byte{8}, translog.SaltSize), d),
		"digest": translog.Commit(translog.KindStatement, salt, statement.Sum(nil)),
	} {
		if other == c {
			t.Errorf("another %s has the same commitment", name)
		}
	}
	l := translog.Leaf{TimeMS: 1795360000001, Commitment: c}
	b := l.Bytes()
	got, err := translog.ParseLeaf(b)
	if err != nil || got != l || len(b) != translog.LeafSize {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, src := range map[string][]byte{
		"short": b[:len(b)-1], "long": append(bytes.Clone(b), 0), "none": nil, "version": append([]byte{2}, b[1:]...),
		"no time": append(append([]byte{1}, make([]byte, 8)...), b[9:]...), "late": append(append([]byte{1}, bytes.Repeat([]byte{255}, 8)...), b[9:]...),
	} {
		if _, err := translog.ParseLeaf(src); !errors.Is(err, translog.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckpoint(t *testing.T) {
	l := newLog(t, origin)
	s := l.open(t, "3", 1)
	if s.Size != 3 || s.Origin != origin || !bytes.Equal(s.Root[:], root(1)) {
		t.Fatalf("%+v", s.Checkpoint)
	}
	good := l.sign(t, text(origin, "3", root(1)))
	for name, c := range map[string]struct {
		src  []byte
		want error
	}{
		"another origin":  {l.sign(t, text("cordon.log/other", "3", root(1))), translog.ErrSignature},
		"another log":     {newLog(t, origin).sign(t, text(origin, "3", root(1))), translog.ErrSignature},
		"changed":         {bytes.Replace(good, []byte("\n3\n"), []byte("\n4\n"), 1), translog.ErrSignature},
		"extension":       {l.sign(t, text(origin, "3", root(1))+"more\n"), translog.ErrMalformed},
		"size not plain":  {l.sign(t, text(origin, "03", root(1))), translog.ErrMalformed},
		"size signed":     {l.sign(t, text(origin, "+3", root(1))), translog.ErrMalformed},
		"size too large":  {l.sign(t, text(origin, "9007199254740992", root(1))), translog.ErrMalformed},
		"root short":      {l.sign(t, text(origin, "3", root(1)[:31])), translog.ErrMalformed},
		"no note":         {[]byte("x"), translog.ErrMalformed},
		"empty":           {nil, translog.ErrMalformed},
		"note too large":  {append(bytes.Clone(good), bytes.Repeat([]byte("\u2014 x AAAAAAA=\n"), 5000)...), translog.ErrMalformed},
		"signature twice": {append(bytes.Clone(good), good[bytes.Index(good, []byte("\u2014")):]...), nil},
	} {
		_, err := l.key.Open(c.src)
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCosignature(t *testing.T) {
	l := newLog(t, origin)
	s, other := l.open(t, "3", 1), l.open(t, "3", 2)
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	c, err := translog.Cosign(s, alpha.Key, 1795360000)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Verify(s)
	if err != nil || w.Party != alpha.Fingerprint() || w.TimeS != 1795360000 {
		t.Fatalf("%+v, %v", w, err)
	}
	// What C2SP's other readers see is a line of the same note.
	n := append(s.Note(), []byte(c.Line+"\n")...)
	if again, err := l.key.Open(n); err != nil || again.Checkpoint != s.Checkpoint {
		t.Errorf("with the cosignature in the note: %v", err)
	}
	later, err := translog.Cosign(s, alpha.Key, 1795360001)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		c    translog.Cosignature
		over *translog.Signed
		want error
	}{
		"another checkpoint": {*c, other, translog.ErrSignature},
		"another party":      {translog.Cosignature{Line: strings.Replace(c.Line, string(alpha.Fingerprint()), string(bravo.Fingerprint()), 1), Key: c.Key}, s, translog.ErrSignature},
		"another key":        {translog.Cosignature{Line: c.Line, Key: bravo.Key.Public().String()}, s, translog.ErrSignature},
		"another time":       {translog.Cosignature{Line: mix(c.Line, later.Line), Key: c.Key}, s, translog.ErrSignature},
		"no key":             {translog.Cosignature{Line: c.Line}, s, translog.ErrMalformed},
		"line end":           {translog.Cosignature{Line: c.Line + "\n", Key: c.Key}, s, translog.ErrMalformed},
		"no line":            {translog.Cosignature{Key: c.Key}, s, translog.ErrMalformed},
	} {
		if _, err := x.c.Verify(x.over); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnothersName: a line that is right in all but that its key is not the party's.
func TestAnothersName(t *testing.T) {
	l := newLog(t, origin)
	s := l.open(t, "3", 1)
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	name, k := string(alpha.Fingerprint()), bravo.Key.Public()
	id := sha256.Sum256(append([]byte(name+"\n\x04"), k[:]...))
	sig, err := bravo.Key.Sign([]byte("cosignature/v1\ntime 1795360000\n" + text(origin, "3", root(1))))
	if err != nil {
		t.Fatal(err)
	}
	blob := append(binary.BigEndian.AppendUint64(bytes.Clone(id[:4]), 1795360000), sig...)
	c := translog.Cosignature{Line: "\u2014 " + name + " " + base64.StdEncoding.EncodeToString(blob), Key: k.String()}
	if _, err := c.Verify(s); !errors.Is(err, translog.ErrSignature) {
		t.Error(err)
	}
	name = string(bravo.Fingerprint()) // the same in its own name is right
	id = sha256.Sum256(append([]byte(name+"\n\x04"), k[:]...))
	copy(blob, id[:4])
	c.Line = "\u2014 " + name + " " + base64.StdEncoding.EncodeToString(blob)
	if _, err := c.Verify(s); err != nil {
		t.Error(err)
	}
}

// mix takes the signature of one line and the time of another.
func mix(line, timed string) string {
	at := strings.LastIndex(line, " ") + 1
	a, _ := base64.StdEncoding.DecodeString(line[at:])
	b, _ := base64.StdEncoding.DecodeString(timed[at:])
	copy(a[4:12], b[4:12])
	return line[:at] + base64.StdEncoding.EncodeToString(a)
}

// online is a key that signs for a party by a certificate.
func online(t *testing.T, p *receipttest.Party, purposes []string, fromMS, untilMS int64) statement.Signer {
	t.Helper()
	k, err := seal.SigningKeyFromSeed(receipttest.Seed("online key", p.Name))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := k.Sign(statement.CertificateProof(p.Fingerprint()))
	if err != nil {
		t.Fatal(err)
	}
	e := receipttest.Sign(t, statement.Certificate{
		Party: p.Fingerprint(), Key: k.Public().String(), Purposes: purposes, Serial: 1, FromMS: fromMS, UntilMS: untilMS, Proof: proof,
	}, p)
	s, err := statement.Certified(k, &e)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOnlineKey: a key that may acknowledge for a party may cosign for it, no other, and only while its certificate holds.
func TestOnlineKey(t *testing.T) {
	l := newLog(t, origin)
	s := l.open(t, "3", 1)
	alpha := receipttest.NewParty(t, "alpha")
	const now = int64(1795360000)
	for name, c := range map[string]struct {
		purposes    []string
		from, until int64
		ok          bool
	}{
		"may acknowledge": {[]string{"ack"}, now - 1, now + 1, true},
		"may not":         {[]string{"request"}, now - 1, now + 1, false},
		"expired":         {[]string{"ack"}, now - 2, now, false},
		"not yet":         {[]string{"ack"}, now + 1, now + 2, false},
	} {
		k := online(t, alpha, c.purposes, c.from*1000, c.until*1000)
		co, err := translog.Cosign(s, k, now)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			// What a careless agent signs all the same counts for nothing.
			good := online(t, alpha, []string{"ack"}, (now-1)*1000, (now+1)*1000)
			if co, err = translog.Cosign(s, good, now); err != nil {
				t.Fatal(err)
			}
			co.Certificate = statement.CertificateOf(k).Envelope()
		}
		if w, err := co.Verify(s); (err == nil) != c.ok || c.ok && w.Party != alpha.Fingerprint() {
			t.Errorf("%s: verified: %v", name, err)
		}
	}
}

func TestQuorum(t *testing.T) {
	l := newLog(t, origin)
	s := l.open(t, "3", 1)
	asker, alpha, bravo, auditor, stranger := receipttest.NewParty(t, "asker"), receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo"), receipttest.NewParty(t, "auditor"), receipttest.NewParty(t, "stranger")
	contract := &statement.Contract{Requester: asker.Fingerprint(), Tables: []statement.Table{{Members: []statement.Member{{Owner: alpha.Fingerprint()}, {Owner: bravo.Fingerprint()}}}},
		Log: &statement.Log{Key: l.key.String(), Quorum: 4, Witnesses: []statement.Fingerprint{asker.Fingerprint(), alpha.Fingerprint(), bravo.Fingerprint(), auditor.Fingerprint()}}}
	by := func(list ...*receipttest.Party) (out []translog.Cosignature) {
		for _, p := range list {
			c, err := translog.Cosign(s, p.Key, 1795360000)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, *c)
		}
		return out
	}
	for name, c := range map[string]struct {
		list   []translog.Cosignature
		quorum int64
		ok     bool
	}{
		"all":                       {by(asker, alpha, bravo, auditor), 4, true},
		"enough":                    {by(asker, alpha, bravo), 3, true},
		"one too few":               {by(asker, alpha, bravo), 4, false},
		"one twice":                 {by(asker, alpha, bravo, bravo), 4, false},
		"one whom nobody asked":     {by(asker, alpha, bravo, stranger), 4, false},
		"without the requester":     {by(alpha, bravo, auditor), 3, false},
		"without one of the owners": {by(asker, alpha, auditor), 3, false},
		"nobody":                    {nil, 3, false},
	} {
		contract.Log.Quorum = c.quorum
		if w, err := translog.Quorum(s, c.list, contract); (err == nil) != c.ok || c.ok && int64(len(w)) < c.quorum {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := by(asker, alpha, bravo)
	wrong[1].Key = wrong[0].Key
	contract.Log.Quorum = 3
	if _, err := translog.Quorum(s, append(wrong, by(alpha)...), contract); err == nil {
		t.Error("a wrong cosignature is passed over")
	}
	contract.Log = nil
	if _, err := translog.Quorum(s, by(asker, alpha, bravo), contract); err == nil {
		t.Error("a contract without a quorum")
	}
}

// TestRange: what a witness keeps of a tree gives the tree's root, and goes on after it was read back.
func TestRange(t *testing.T) {
	hash := rfc6962.DefaultHasher
	leaf := func(n int) translog.Leaf {
		return translog.Leaf{TimeMS: int64(n + 1), Commitment: translog.Commitment{byte(n), byte(n >> 8)}}
	}
	var whole func(from, to int) []byte // RFC 6962, section 2.1, as it stands there
	whole = func(from, to int) []byte {
		n := to - from
		if n == 0 {
			return hash.EmptyRoot()
		}
		if n == 1 {
			return hash.HashLeaf(leaf(from).Bytes())
		}
		k := 1
		for k*2 < n {
			k *= 2
		}
		return hash.HashChildren(whole(from, from+k), whole(from+k, to))
	}
	r := translog.NewRange()
	for n := range 70 {
		got, err := r.Root()
		if err != nil || !bytes.Equal(got[:], whole(0, n)) {
			t.Fatalf("root of %d leaves: %x, %v", n, got, err)
		}
		if r, err = translog.ParseRange(r.Size(), r.Hashes()); err != nil {
			t.Fatal(err)
		}
		if err := r.Append(leaf(n)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		size   int64
		hashes [][]byte
	}{"one missing": {70, r.Hashes()[1:]}, "one too many": {64, r.Hashes()}, "short": {1, [][]byte{{1}}}, "negative": {-1, nil}} {
		if _, err := translog.ParseRange(c.size, c.hashes); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestProofs checks inclusion in a tree of two, where every hash is known, and each way to get it wrong.
func TestProofs(t *testing.T) {
	l := newLog(t, origin)
	salt := bytes.Repeat([]byte{7}, translog.SaltSize)
	e := translog.Entry{Kind: translog.KindJob, Digest: statement.Sum([]byte("a")), Salt: salt, Index: 0, TimeMS: 5}
	second := translog.Leaf{TimeMS: 6}
	e.Proof = [][]byte{second.Hash()}
	var r [32]byte
	copy(r[:], rfc6962.DefaultHasher.HashChildren(e.Leaf().Hash(), second.Hash()))
	cp := translog.Checkpoint{Origin: l.key.Origin(), Size: 2, Root: r}
	if err := e.Verify(cp); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*translog.Entry){
		"kind":          func(e *translog.Entry) { e.Kind = translog.KindReceipt },
		"unknown kind":  func(e *translog.Entry) { e.Kind = "x" },
		"digest":        func(e *translog.Entry) { e.Digest = statement.Sum([]byte("b")) },
		"no digest":     func(e *translog.Entry) { e.Digest = "" },
		"salt":          func(e *translog.Entry) { e.Salt = bytes.Repeat([]byte{8}, translog.SaltSize) },
		"salt short":    func(e *translog.Entry) { e.Salt = salt[1:] },
		"index":         func(e *translog.Entry) { e.Index = 1 },
		"index behind":  func(e *translog.Entry) { e.Index = 2 },
		"index below":   func(e *translog.Entry) { e.Index = -1 },
		"time":          func(e *translog.Entry) { e.TimeMS++ },
		"no time":       func(e *translog.Entry) { e.TimeMS = 0 },
		"proof":         func(e *translog.Entry) { e.Proof = [][]byte{e.Leaf().Hash()} },
		"no proof":      func(e *translog.Entry) { e.Proof = nil },
		"more of proof": func(e *translog.Entry) { e.Proof = append(e.Proof, second.Hash()) },
	} {
		bad := e
		change(&bad)
		if err := bad.Verify(cp); err == nil {
			t.Errorf("another %s is taken", name)
		}
	}
	one := translog.Checkpoint{Origin: cp.Origin, Size: 1, Root: [32]byte(e.Leaf().Hash())}
	proof := [][]byte{second.Hash()}
	if err := translog.VerifyConsistency(one, cp, proof); err != nil {
		t.Fatal(err)
	}
	other := one
	other.Root[0] ^= 1
	elsewhere := one
	elsewhere.Origin = "x"
	for name, err := range map[string]error{
		"another root": translog.VerifyConsistency(other, cp, proof), "no proof": translog.VerifyConsistency(one, cp, nil),
		"backwards": translog.VerifyConsistency(cp, one, proof), "another log": translog.VerifyConsistency(elsewhere, cp, proof),
	} {
		if !errors.Is(err, translog.ErrProof) {
			t.Errorf("consistency, %s: %v", name, err)
		}
	}
}
