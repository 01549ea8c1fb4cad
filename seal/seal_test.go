package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Which sealed and wrapped texts open, and which do not, is in statement/vectors.

func TestSealedTextsDiffer(t *testing.T) {
	k, err := seal.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	c := seal.Context{Purpose: seal.PurposeHello}
	a, err := seal.To(k.Public(), c, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := seal.To(k.Public(), c, []byte("x"))
	if err != nil || bytes.Equal(a, b) {
		t.Fatal("the same text twice")
	}
	if got, err := k.Open(c, a); err != nil || string(got) != "x" {
		t.Fatal(err)
	}
}

func TestSealedTextTampered(t *testing.T) {
	k, err := seal.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	c := seal.Context{Purpose: seal.PurposeHello}
	sealed, err := seal.To(k.Public(), c, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1 << (i % 8)
		if got, err := k.Open(c, changed); got != nil || !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("byte %d changed: opens, or %v", i, err)
		}
	}
}

func TestNoPurposeRefuses(t *testing.T) {
	k, err := seal.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	c := seal.Context{Job: statement.Sum(nil)}
	if out, err := seal.To(k.Public(), c, []byte("x")); out != nil || !errors.Is(err, seal.ErrBadKey) {
		t.Errorf("seals: %v", err)
	}
	if out, err := k.Open(c, []byte("x")); out != nil || !errors.Is(err, seal.ErrBadKey) {
		t.Errorf("opens: %v", err)
	}
}

func TestMalformedKeysRefuse(t *testing.T) {
	for _, n := range []int{0, 1, 31, 33, 64} {
		b := make([]byte, n)
		if k, err := seal.SigningKeyFromSeed(b); k != nil || !errors.Is(err, seal.ErrBadKey) {
			t.Errorf("signing key of %d bytes: %v", n, err)
		}
		if k, err := seal.DataKeyFromBytes(b); k != nil || !errors.Is(err, seal.ErrBadKey) {
			t.Errorf("data key of %d bytes: %v", n, err)
		}
		if k, err := seal.BoxKeyFromBytes(b); k != nil || !errors.Is(err, seal.ErrBadKey) {
			t.Errorf("box key of %d bytes: %v", n, err)
		}
		if out, err := seal.To(b, seal.Context{Purpose: seal.PurposeHello}, nil); out != nil || !errors.Is(err, seal.ErrBadKey) {
			t.Errorf("sealed to a key of %d bytes: %v", n, err)
		}
	}
	high := bytes.Repeat([]byte{0xff}, 1216) // ML-KEM coefficients that are not reduced (FIPS 203, section 7.2)
	if out, err := seal.To(high, seal.Context{Purpose: seal.PurposeHello}, nil); out != nil || !errors.Is(err, seal.ErrBadKey) {
		t.Errorf("sealed to a key that is not reduced: %v", err)
	}
}

func TestKeysComeBack(t *testing.T) {
	s, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.SigningKeyFromSeed(s.SeedUnsafe())
	if err != nil || again.Public() != s.Public() || again.Fingerprint() != s.Public().Fingerprint() {
		t.Errorf("signing key: %v", err)
	}
	sig, err := s.Sign([]byte("x"))
	if err != nil || !again.Public().Verify([]byte("x"), sig) || again.Public().Verify([]byte("y"), sig) || again.Public().Verify([]byte("x"), sig[:63]) {
		t.Errorf("signature: %v", err)
	}
	b, err := seal.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.BytesUnsafe()
	if err != nil {
		t.Fatal(err)
	}
	if k, err := seal.BoxKeyFromBytes(raw); err != nil || !bytes.Equal(k.Public(), b.Public()) {
		t.Errorf("box key: %v", err)
	}
}

func TestCommitment(t *testing.T) {
	k, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	n := seal.KeyName{Owner: "cordon1", Dataset: "d", Version: "v", Key: "k"}
	commit := seal.Commit(n, k)
	if !seal.Committed(n, k, commit) {
		t.Error("its own commitment is refused")
	}
	for name, ok := range map[string]bool{
		"another key":      seal.Committed(n, other, commit),
		"another owner":    seal.Committed(seal.KeyName{Owner: "cordon2", Dataset: "d", Version: "v", Key: "k"}, k, commit),
		"another data set": seal.Committed(seal.KeyName{Owner: "cordon1", Dataset: "e", Version: "v", Key: "k"}, k, commit),
		"another version":  seal.Committed(seal.KeyName{Owner: "cordon1", Dataset: "d", Version: "w", Key: "k"}, k, commit),
		"another column":   seal.Committed(seal.KeyName{Owner: "cordon1", Dataset: "d", Version: "v", Key: "l"}, k, commit),
		"run together":     seal.Committed(seal.KeyName{Owner: "cordon1", Dataset: "dv", Version: "", Key: "k"}, k, commit),
		"no commitment":    seal.Committed(n, k, ""),
		"a part of it":     seal.Committed(n, k, commit[:70]),
	} {
		if ok {
			t.Errorf("%s is taken for the committed one", name)
		}
	}
}

func TestWipe(t *testing.T) {
	k, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	out := k.BytesUnsafe()
	k.Wipe()
	if !bytes.Equal(k.BytesUnsafe(), make([]byte, seal.DataKeySize)) {
		t.Error("the key is still there")
	}
	if bytes.Equal(out, k.BytesUnsafe()) {
		t.Error("what was handed out is not a copy")
	}
}

// TestKeysDoNotPrint tries every verb, on values and pointers, alone and within a struct.
func TestKeysDoNotPrint(t *testing.T) {
	secret := bytes.Repeat([]byte{0xA7}, 32)
	s, err := seal.SigningKeyFromSeed(secret)
	if err != nil {
		t.Fatal(err)
	}
	d, err := seal.DataKeyFromBytes(secret)
	if err != nil {
		t.Fatal(err)
	}
	b, err := seal.BoxKeyFromBytes(secret)
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		S seal.SigningKey
		D seal.DataKey
		B seal.BoxKey
		P *seal.DataKey
	}{*s, *d, *b, d}
	for _, v := range []any{s, d, b, *s, *d, *b, holder, &holder, []any{*d, s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%t"} {
			if out := fmt.Sprintf(verb, v); shows(out, secret) {
				t.Errorf("%s of %T shows the key", verb, v)
			}
		}
		if out, err := json.Marshal(v); err == nil && shows(string(out), secret) {
			t.Errorf("JSON of %T shows the key", v)
		}
	}
}

func shows(out string, secret []byte) bool {
	for _, form := range []string{string(secret), hex.EncodeToString(secret)[:8], "a7 a7", "167 167", "167,167", "p6en", "0xa7"} {
		if strings.Contains(strings.ToLower(out), strings.ToLower(form)) {
			return true
		}
	}
	return false
}

// TestLine: several texts for one reader, each of which opens alone, for its own context only; a key that can't be sealed to is found
// when the line is begun.
func TestLine(t *testing.T) {
	k, other := newBox(t), newBox(t)
	l, err := seal.NewLine(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	contexts := []seal.Context{
		{Purpose: seal.PurposeReply, Job: statement.Sum([]byte("a"))}, {Purpose: seal.PurposeReply, Job: statement.Sum([]byte("b"))},
		{Purpose: seal.PurposeKeys, Job: statement.Sum([]byte("a"))}, {Purpose: seal.PurposeReply, Job: statement.Sum([]byte("a")), From: "x"},
	}
	var sealed [][]byte
	for i, c := range contexts {
		for range 2 {
			s, err := l.Seal(c, []byte{byte(i)})
			if err != nil {
				t.Fatal(err)
			}
			sealed = append(sealed, s)
		}
	}
	if bytes.Equal(sealed[0], sealed[1]) {
		t.Error("two texts of one purpose are the same")
	}
	ear, err := k.Listen(sealed[0])
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := seal.LineOf(sealed[7]); !ok || name != ear.Name() {
		t.Error("another name")
	}
	for i, s := range sealed {
		for j, c := range contexts {
			for how, open := range map[string]func(seal.Context, []byte) ([]byte, error){"box": k.Open, "listener": ear.Open} {
				got, err := open(c, s)
				if mine := i/2 == j; mine && (err != nil || !bytes.Equal(got, []byte{byte(j)})) {
					t.Errorf("%s: text %d does not open: %v", how, i, err)
				} else if !mine && (got != nil || !errors.Is(err, seal.ErrOpen)) {
					t.Errorf("%s: text %d opens in context %d", how, i, j)
				}
			}
		}
		if got, err := other.Open(contexts[i/2], s); got != nil || !errors.Is(err, seal.ErrOpen) {
			t.Errorf("text %d opens with another box", i)
		}
	}
	low := k.Public()
	clear(low[len(low)-32:]) // a point of low order: every secret made with it is zero
	if l, err := seal.NewLine(low); err == nil || l != nil {
		t.Error("begun for a key that can't be sealed to")
	}
}

// TestListenerOfAnotherLine: a listener opens no text of another line, not even to its own box, and none that was changed.
func TestListenerOfAnotherLine(t *testing.T) {
	k, c := newBox(t), seal.Context{Purpose: seal.PurposeQuote}
	one, err := seal.To(k.Public(), c, []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := seal.To(k.Public(), c, []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	ear, err := k.Listen(one)
	if err != nil {
		t.Fatal(err)
	}
	mixed := append(bytes.Clone(one[:1120]), two[1120:]...)
	swapped := append(bytes.Clone(two[:1120]), one[1120:]...)
	for name, s := range map[string][]byte{"another line's": two, "of two lines": mixed, "under another's name": swapped, "cut short": one[:1130], "name alone": one[:1120], "nothing": nil} {
		if got, err := ear.Open(c, s); got != nil || !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: opens", name)
		}
		if s, err := k.Listen(s[:min(len(s), 1119)]); s != nil || !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: a listener of less than a name", name)
		}
	}
	for i := range one {
		changed := bytes.Clone(one)
		changed[i] ^= 1
		if got, err := ear.Open(c, changed); got != nil || !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("byte %d changed: opens", i)
		}
	}
	if got, err := ear.Open(c, one); err != nil || string(got) != "one" {
		t.Errorf("its own: %v", err)
	}
}

// TestAloneOrSpoken: a purpose says which of the two forms a text has, and a line takes none of those that stand alone.
func TestAloneOrSpoken(t *testing.T) {
	k := newBox(t)
	l, err := seal.NewLine(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	for p, spoken := range map[string]bool{
		seal.PurposeHello: true, seal.PurposeQuote: true, seal.PurposeReply: true, seal.PurposeKeys: true,
		seal.PurposeJobBody: false, seal.PurposeReceipt: false, seal.PurposeResult: false, seal.PurposeNotice: false,
	} {
		c := seal.Context{Purpose: p}
		s, err := l.Seal(c, []byte("x"))
		if c.Spoken() != spoken || spoken != (err == nil) || !spoken && (s != nil || !errors.Is(err, seal.ErrBadKey)) {
			t.Errorf("%s: %v", p, err)
		}
		alone, err := seal.To(k.Public(), c, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		ear, err := k.Listen(alone)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ear.Open(c, alone); spoken != (err == nil) || !spoken && got != nil {
			t.Errorf("%s: a listener opens it: %v", p, err)
		}
	}
}

func newBox(t *testing.T) *seal.BoxKey {
	t.Helper()
	k, err := seal.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}
