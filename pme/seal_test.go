package pme_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"testing"

	"github.com/cordon-exchange/cordon/pme"
)

func TestQuickSeal(t *testing.T) {
	b, err := os.ReadFile("testdata/uniform_encryption.parquet.encrypted")
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := pme.Open(context.Background(), pme.Bytes(b), int64(len(b)), pme.OpenOptions{Keys: pme.Keys{Footer: []byte("0123456789012345")}, AllWithKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	cols, err := pme.PlainColumns(pme.Bytes(out), int64(len(out)))
	if err != nil {
		t.Fatal(err)
	}
	k := pme.Keys{Footer: make([]byte, 32), Columns: map[string][]byte{}}
	rand.Read(k.Footer)
	for _, c := range cols {
		k.Columns[c] = make([]byte, 32)
		rand.Read(k.Columns[c])
	}
	var sealed bytes.Buffer
	s, err := pme.Seal(context.Background(), pme.Bytes(out), int64(len(out)), &sealed, pme.SealOptions{Keys: k, AADPrefix: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", s)
	back, res, err := pme.Open(context.Background(), bytes.NewReader(sealed.Bytes()), int64(sealed.Len()), pme.OpenOptions{Keys: k, AADPrefix: []byte("x"), AllWithKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %d", res, len(back))
	in, err := pme.Inspect(bytes.NewReader(sealed.Bytes()), int64(sealed.Len()))
	t.Logf("%+v %v %+v", in, err, in.Modules)
}
