package evidencetest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Case is one entry of a cases.json.
type Case struct {
	ID           string                     `json:"id"`
	File         string                     `json:"file"`
	Collateral   string                     `json:"collateral"`
	Endorsements []string                   `json:"endorsements"`
	Root         string                     `json:"root"`
	At           time.Time                  `json:"at"`
	Expect       string                     `json:"expect"`
	RejectStage  string                     `json:"reject_stage"`
	Debug        bool                       `json:"debug"`
	Fields       map[string]json.RawMessage `json:"fields"`
	Require      Require                    `json:"require"`

	dir string
}

// Require is what the relying party of a case demands.
type Require struct {
	Issuer         string `json:"iss"`
	Audience       string `json:"aud"`
	Nonce          string `json:"eat_nonce"`
	NonceHex       string `json:"nonce_hex"`
	NoncePrefixHex string `json:"nonce_prefix_hex"`
	AllowDebug     bool   `json:"allow_debug"`
}

// Load reads the cases of a kind. It fails where there are none.
func Load(t testing.TB, kind string) []Case {
	t.Helper()
	dir := filepath.Join("..", "testdata", kind)
	src, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []Case
	if err := json.Unmarshal(src, &out); err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("no cases")
	}
	for i := range out {
		out[i].dir = dir
	}
	return out
}

// Get returns the case of a name.
func Get(t testing.TB, kind, id string) Case {
	t.Helper()
	for _, c := range Load(t, kind) {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no case %s of kind %s", id, kind)
	return Case{}
}

// Read reads a file that the case names.
func (c Case) Read(t testing.TB, name string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// Check compares a verifier's answer with the case: verdict, stage, debug, and every field. The verified value's
// JSON has the fields' names; it is nil where the evidence was refused.
func (c Case) Check(t testing.TB, verified any, debug bool, err error) {
	t.Helper()
	if c.Expect != "accept" {
		Refused(t, err, stage.Error(c.RejectStage))
		return
	}
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	c.CheckFields(t, verified, debug)
}

// CheckFields compares what a verifier read with the fields of a case.
func (c Case) CheckFields(t testing.TB, verified any, debug bool) {
	t.Helper()
	if debug != c.Debug {
		t.Errorf("debug is %v, want %v", debug, c.Debug)
	}
	src, err := json.Marshal(verified)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(src, &got); err != nil {
		t.Fatal(err)
	}
	for name, raw := range c.Fields {
		var want any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// Refused fails unless err is a refusal at that stage.
func Refused(t testing.TB, err error, at stage.Error) {
	t.Helper()
	if at == "" {
		t.Fatal("a refusal without a stage")
	}
	if !errors.Is(err, at) {
		t.Errorf("%v, want a refusal at %s", err, at)
	}
}

// SameAnchors fails unless every anchor that a package embeds stands word for word in the collection.
func SameAnchors(t testing.TB, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil || len(files) == 0 {
		t.Fatal("no anchors", err)
	}
	for _, f := range files {
		a, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join("..", "testdata", "roots", filepath.Base(f)))
		if err != nil {
			t.Fatal(err)
		}
		if string(a) != string(b) || !strings.Contains(string(a), "BEGIN CERTIFICATE") {
			t.Errorf("%s differs from the collection's", f)
		}
	}
}
