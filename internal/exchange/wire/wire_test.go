package wire

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

// vector is one signed request (docs/spec/exchange-api.md, section 9).
type vector struct {
	Name      string `json:"name"`
	Seed      string `json:"seed"`
	Method    string `json:"method"`
	URI       string `json:"uri"`
	Exchange  string `json:"exchange"`
	Instance  string `json:"instance"`
	TimeMS    int64  `json:"time_ms"`
	Nonce     string `json:"nonce"`
	Body      string `json:"body"`
	Signed    string `json:"signed"` // hex of the bytes to sign
	Key       string `json:"key"`
	Digest    string `json:"digest"`
	Signature string `json:"signature"`
}

func TestVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/signed-requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(b, &list); err != nil || len(list) < 2 {
		t.Fatalf("%d vectors, %v", len(list), err)
	}
	for _, v := range list {
		if got := v.made(t); got != v {
			out, _ := json.MarshalIndent(got, "", "  ")
			t.Errorf("%s: should be %s", v.Name, out)
		}
		key, err := statement.ParsePublicKey(v.Key)
		sig, sigErr := base64.StdEncoding.DecodeString(v.Signature)
		signed, hexErr := hex.DecodeString(v.Signed)
		if err != nil || sigErr != nil || hexErr != nil || !key.Verify(signed, sig) {
			t.Errorf("%s: signature does not verify", v.Name)
		}
	}
}

// made computes what follows from the first half of a vector.
func (v vector) made(t *testing.T) vector {
	t.Helper()
	seed, err := hex.DecodeString(v.Seed)
	if err != nil || len(seed) != ed25519.SeedSize {
		t.Fatal("seed")
	}
	priv := ed25519.NewKeyFromSeed(seed)
	var key statement.PublicKey
	copy(key[:], priv.Public().(ed25519.PublicKey))
	c := Call{Method: v.Method, URI: v.URI, Exchange: v.Exchange, Instance: v.Instance, TimeMS: v.TimeMS, Nonce: v.Nonce, Body: statement.Sum([]byte(v.Body))}
	v.Signed, v.Key, v.Digest = hex.EncodeToString(c.Bytes()), key.String(), string(c.Body)
	v.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(priv, c.Bytes()))
	return v
}

// TestCallBytes: no two different calls sign the same bytes.
func TestCallBytes(t *testing.T) {
	base := Call{Method: "GET", URI: "/v1/mailbox", Exchange: "e", Instance: "i", TimeMS: 1, Nonce: "n", Body: "b"}
	seen := map[string]string{string(base.Bytes()): "base"}
	for name, change := range map[string]func(*Call){
		"method": func(c *Call) { c.Method = "PUT" }, "uri": func(c *Call) { c.URI += "?a=1" }, "exchange": func(c *Call) { c.Exchange = "x" },
		"instance": func(c *Call) { c.Instance = "x" }, "time": func(c *Call) { c.TimeMS = 2 }, "nonce": func(c *Call) { c.Nonce = "x" },
		"body": func(c *Call) { c.Body = "x" }, "shifted": func(c *Call) { c.Method, c.URI = "GET/", "v1/mailbox" },
	} {
		c := base
		change(&c)
		if other, there := seen[string(c.Bytes())]; there {
			t.Errorf("%s signs the same bytes as %s", name, other)
		}
		seen[string(c.Bytes())] = name
	}
}

func TestObjectOwner(t *testing.T) {
	fp := statement.Fingerprint("cordon1" + strings.Repeat("a", 64))
	good := ObjectPath(fp, "strikes", "v1", "part.parquet")
	if owner, ok := ObjectOwner(good); !ok || owner != fp {
		t.Fatalf("%q: %s, %v", good, owner, ok)
	}
	for name, p := range map[string]string{
		"empty": "", "no file": strings.TrimSuffix(good, "/part.parquet"), "one more": good[:64] + "/x" + good[64:],
		"with prefix": "cordon1" + good, "short owner": good[1:], "upper-case owner": "A" + good[1:],
		"bad data set": strings.Replace(good, "strikes", "9", 1), "reserved data set": strings.Replace(good, "strikes", "pool", 1),
		"bad version": strings.Replace(good, "v1", ".v", 1), "no suffix": strings.TrimSuffix(good, ".parquet"),
		"only a suffix": strings.Replace(good, "part.parquet", ".parquet", 1), "temporary": good + ".17.tmp",
		"dots": strings.Replace(good, "v1", "..", 1), "leading slash": "/" + good, "space": strings.Replace(good, "part", "pa rt", 1),
	} {
		if _, ok := ObjectOwner(p); ok {
			t.Errorf("%s: accepted %q", name, p)
		}
	}
}

func TestArtifactFor(t *testing.T) {
	fp := "cordon1" + strings.Repeat("a", 64)
	for name, want := range map[string]string{"result": "", "receipt": "", "key-" + fp: fp, "bundle-" + fp: fp} {
		if to, ok := ArtifactFor(name); !ok || string(to) != want {
			t.Errorf("%s: %q, %v", name, to, ok)
		}
	}
	for _, name := range []string{"", "results", "key-", "key-x", "other-" + fp, fp, "key-" + fp + "0"} {
		if to, ok := ArtifactFor(name); ok {
			t.Errorf("%s: accepted for %q", name, to)
		}
	}
}

// TestFinishNamesEachOnce: an artifact costs a look at the store, under the lock of all who write.
func TestFinishNamesEachOnce(t *testing.T) {
	for name, c := range map[string]struct {
		artifacts []NewArtifact
		ok        bool
	}{
		"none":       {nil, true},
		"two":        {[]NewArtifact{{Name: "a", Body: []byte("x")}, {Name: "b", Body: []byte("x")}}, true},
		"one, twice": {[]NewArtifact{{Name: "a", Body: []byte("x")}, {Name: "b", Body: []byte("y")}, {Name: "a", Body: []byte("x")}}, false},
	} {
		b, err := (&Finish{Lease: "l", State: StateDone, Artifacts: c.artifacts}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeFinish(b)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrFinish) || c.ok && len(got.Artifacts) != len(c.artifacts) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
