package kinds_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/home"
)

// What a party's own folder holds bounds what evidence may bring: TestHeld, with the folder that brokers have.
func TestHeldInFolder(t *testing.T) {
	w := newWorld(t)
	earlier := at.Add(-2 * time.Hour) // what ends an hour before the time was kept while it held
	key := func(list [][]byte) [][]byte { return list[:1] }
	lists := func(list [][]byte) [][]byte { return list[1:] }
	all := func(list [][]byte) [][]byte { return list }
	for _, x := range []struct {
		name, kind string
		came, held enclave
		keep       func([][]byte) [][]byte
		want       error
		evaluation int
	}{
		{name: "newer is held, and has ended", kind: evidence.TDX, held: enclave{Evaluation: 21, Ended: true}, keep: all, want: stage.StaleCollateral},
		{name: "older is held, and has ended", kind: evidence.TDX, held: enclave{Evaluation: 19, Ended: true}, keep: all, evaluation: 20},
		{name: "newer is held", kind: evidence.SGX, held: enclave{Evaluation: 21}, keep: all, evaluation: 21},
		{name: "only held", kind: evidence.SGX, came: enclave{Bare: true}, keep: all, evaluation: 20},
		{name: "only held, ended", kind: evidence.SGX, came: enclave{Bare: true}, held: enclave{Ended: true}, keep: all, want: stage.StaleCollateral},
		{name: "a list alone revokes", kind: evidence.SNP, held: enclave{Revoked: true}, keep: lists, want: stage.Revoked},
		{name: "a list alone", kind: evidence.SNP, keep: lists},
		{name: "an ended list alone", kind: evidence.SNP, held: enclave{Ended: true}, keep: lists},
		{name: "key and list", kind: evidence.SNP, came: enclave{Bare: true}, keep: all},
		{name: "key without a list", kind: evidence.SNP, came: enclave{Bare: true}, keep: key, want: stage.NoCRL},
		{name: "a key alone", kind: evidence.SNP, keep: key},
		{name: "version 2, a list alone revokes", kind: evidence.SNP, came: enclave{Version2: true}, held: enclave{Revoked: true}, keep: lists, want: stage.Revoked},
		{name: "version 2, key and list", kind: evidence.SNP, came: enclave{Version2: true, Bare: true}, keep: all},
		{name: "VLEK, a list alone revokes", kind: evidence.SNP, came: enclave{VLEK: true}, held: enclave{Revoked: true}, keep: lists, want: stage.Revoked},
		{name: "VLEK, a list alone", kind: evidence.SNP, came: enclave{VLEK: true}, keep: lists},
		{name: "Azure, a list alone revokes", kind: evidence.AzureSNP, held: enclave{Revoked: true}, keep: lists, want: stage.Revoked},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir, err := home.Create(filepath.Join(t.TempDir(), "home"))
			if err != nil {
				t.Fatal(err)
			}
			c, err := collateral.Open(dir, collateral.Anchors{Intel: w.o.Anchors.Intel, AMD: w.o.Anchors.AMD})
			if err != nil {
				t.Fatal(err)
			}
			for _, src := range x.keep(w.m.Endorsements(t, x.kind, x.held)) {
				if _, err := c.Put(src, earlier); err != nil {
					t.Fatal(err)
				}
			}
			o := w.o
			o.Held = c.Held(func() time.Time { return at })
			e := w.evidence(x.kind, x.came, w.m.Quote(t, x.kind, x.came, data))
			got, err := kinds.Verifiers(o).Verify(context.Background(), e, at)
			if !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
				t.Fatalf("%v, want %v", err, x.want)
			}
			if err == nil && got.TCB.Evaluation != x.evaluation {
				t.Errorf("by collateral of evaluation %d, want %d", got.TCB.Evaluation, x.evaluation)
			}
		})
	}
}

// A list of another line's root says nothing about this machine: it neither accepts nor refuses.
func TestHeldListOfAnotherRoot(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "ARK-Genoa"}, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCRLSign}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: at.Add(-time.Hour), NextUpdate: at.Add(time.Hour)}, root, key)
	if err != nil {
		t.Fatal(err)
	}
	o := w.o
	o.Held = func(string, []byte) ([][]byte, error) { return [][]byte{{}, list}, nil }
	q := w.m.Quote(t, evidence.SNP, enclave{}, data)
	if _, err := kinds.Verifiers(o).Verify(context.Background(), w.evidence(evidence.SNP, enclave{}, q), at); err != nil {
		t.Error(err)
	}
	q.Endorsements = q.Endorsements[:1]
	if _, err := kinds.Verifiers(o).Verify(context.Background(), w.evidence(evidence.SNP, enclave{}, q), at); !errors.Is(err, stage.NoCRL) {
		t.Errorf("no list of its root: %v", err)
	}
}
