package seal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

// tray is memory that remembers what it lent.
type tray struct {
	lent  [][]byte
	given int
	full  bool
}

var errTray = errors.New("full")

func (m *tray) Take(n int) ([]byte, error) {
	if m.full {
		return nil, errTray
	}
	b := make([]byte, n)
	m.lent = append(m.lent, b)
	return b, nil
}

func (m *tray) Give(b []byte) {
	clear(b)
	m.given++
}

// TestKeysInMemory: keys that lie in lent memory work as others do, are wiped there, and given back once.
func TestKeysInMemory(t *testing.T) {
	m := &tray{}
	data, err := NewDataKeyIn(m)
	if err != nil {
		t.Fatal(err)
	}
	sign, err := NewSigningKeyIn(m)
	if err != nil {
		t.Fatal(err)
	}
	box, err := NewBoxKeyIn(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.lent) != 3 || !bytes.Equal(m.lent[0], data.BytesUnsafe()) || !bytes.Equal(m.lent[1], sign.SeedUnsafe()) {
		t.Fatal("keys lie elsewhere")
	}
	checkWork(t, data, sign, box)
	for range 2 {
		data.Wipe()
		sign.Wipe()
		box.Wipe()
	}
	for i, b := range m.lent {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("key %d is not wiped", i)
		}
	}
	if m.given != 3 {
		t.Errorf("%d given back", m.given)
	}
	if !bytes.Equal(data.BytesUnsafe(), make([]byte, DataKeySize)) {
		t.Error("a wiped key is not all zeroes")
	}
	if _, err := sign.Sign([]byte("x")); err == nil {
		t.Error("a wiped key signs")
	}
	sealed, err := To(box.Public(), Context{Purpose: PurposeHello}, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.Open(Context{Purpose: PurposeHello}, sealed); !errors.Is(err, ErrOpen) {
		t.Error("a wiped key opens")
	}
}

func checkWork(t *testing.T, data *DataKey, sign *SigningKey, box *BoxKey) {
	t.Helper()
	restored, err := SigningKeyFromSeed(sign.SeedUnsafe())
	if err != nil || restored.Public() != sign.Public() {
		t.Error("another public key")
	}
	a, err := sign.Sign([]byte("x"))
	b, err2 := restored.Sign([]byte("x"))
	if err != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Error("another signature")
	}
	c := Context{Purpose: PurposeHello, To: statement.Fingerprint("cordon1")}
	sealed, err := To(box.Public(), c, []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := box.Open(c, sealed); err != nil || string(text) != "text" {
		t.Error("does not open")
	}
	seed, err := box.BytesUnsafe()
	if err != nil {
		t.Fatal(err)
	}
	again, err := BoxKeyFromBytes(seed)
	if err != nil || !bytes.Equal(again.Public(), box.Public()) {
		t.Error("another key from the same seed")
	}
	ct, err := data.Encrypt(nil, []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := DataKeyFromBytes(data.BytesUnsafe())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := copied.Decrypt(nil, ct); err != nil || string(text) != "text" {
		t.Error("does not decrypt")
	}
}

// TestNoRoomForAKey: no key where there is no room, never one in the heap instead.
func TestNoRoomForAKey(t *testing.T) {
	m := &tray{full: true}
	_, a := NewDataKeyIn(m)
	_, b := NewSigningKeyIn(m)
	_, c := NewBoxKeyIn(m)
	_, d := DataKeyFromBytesIn(m, make([]byte, DataKeySize))
	for _, err := range []error{a, b, c, d} {
		if !errors.Is(err, errTray) {
			t.Errorf("got %v", err)
		}
	}
}
