package keyring

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vector is a keyring of TEST KEYS, with what it opens (docs/spec/keyring.md, section 7).
type vector struct {
	Passphrase  string                `json:"passphrase"`
	File        []byte                `json:"file"`
	Contents    string                `json:"contents"`
	Fingerprint statement.Fingerprint `json:"fingerprint"`
	Context     [4]string             `json:"context"` // owner, data set, version, key
	Key         string                `json:"key"`
	Wrapped     []byte                `json:"wrapped"`
	Refuse      []string              `json:"refuse"` // contents that no keyring has
}

func TestVectors(t *testing.T) {
	file := filepath.Join("testdata", "keyring.json")
	if *update {
		writeVectors(t, file)
	}
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(src, &v); err != nil || len(v.Refuse) == 0 {
		t.Fatal(err)
	}
	p, err := NewPassphrase([]byte(v.Passphrase))
	if err != nil {
		t.Fatal(err)
	}
	k, err := Decrypt(v.File, p)
	if err != nil || k.Fingerprint() != v.Fingerprint {
		t.Fatalf("%v", err)
	}
	if plain, err := k.encode(); err != nil || string(plain) != v.Contents {
		t.Fatalf("contents are written otherwise: %v", err)
	}
	n := seal.KeyName{Owner: statement.Fingerprint(v.Context[0]), Dataset: v.Context[1], Version: v.Context[2], Key: v.Context[3]}
	key, err := k.Unwrap(t.Context(), n, v.Wrapped)
	if err != nil || hex.EncodeToString(key.BytesUnsafe()) != v.Key {
		t.Fatalf("another key: %v", err)
	}
	for _, bad := range v.Refuse {
		if k, err := decode([]byte(bad)); err == nil || k != nil {
			t.Errorf("accepted %.40q", bad)
		}
	}
}

func writeVectors(t *testing.T, file string) {
	t.Helper()
	k := fresh(t)
	p, err := GeneratePassphrase()
	if err != nil {
		t.Fatal(err)
	}
	v := vector{Passphrase: string(p.text), Fingerprint: k.Fingerprint(), Context: [4]string{string(k.Fingerprint()), "strikes", "1", seal.VersionKey}}
	if v.File, err = k.Encrypt(p); err != nil {
		t.Fatal(err)
	}
	plain, err := k.encode()
	if err != nil {
		t.Fatal(err)
	}
	v.Contents = string(plain)
	key, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	v.Key = hex.EncodeToString(key.BytesUnsafe())
	n := seal.KeyName{Owner: k.Fingerprint(), Dataset: "strikes", Version: "1", Key: seal.VersionKey}
	if v.Wrapped, err = k.Wrap(t.Context(), n, key); err != nil {
		t.Fatal(err)
	}
	s := v.Contents
	for _, change := range [][2]string{
		{"keyring/1", "keyring/2"}, {`"name":"delta"`, `"name":"pool"`}, {"{", `{"x":1,`}, {`"keks":[`, `"keks":[],"more":[`}, {`"seed":"`, `"seed":"AA`}, {"}]}", "}]} "},
	} {
		v.Refuse = append(v.Refuse, strings.Replace(s, change[0], change[1], 1))
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll("testdata", 0o755)
	}
	if err == nil {
		err = os.WriteFile(file, append(b, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
