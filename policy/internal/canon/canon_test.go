package canon

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func accounts(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no accounts of the engine")
	}
	out := map[string][]byte{}
	for _, f := range files {
		if out[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// objects visits every object of a JSON value.
func objects(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			objects(x, visit)
		}
	case map[string]any:
		visit(v)
		for _, x := range v {
			objects(x, visit)
		}
	}
}

// No field of the engine's account may be added, removed or be of another kind anywhere.
func TestEveryFieldCounts(t *testing.T) {
	for file, b := range accounts(t) {
		q, err := ParseSerialized(b)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(b) > 8<<10 {
			continue // each change parses the whole text again
		}
		v := decode(t, b)
		refused := func(what, key string) {
			bad, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ParseSerialized(bad); err == nil && reflect.DeepEqual(got, q) {
				t.Fatalf("%s: %s %q makes no difference", file, what, key)
			}
		}
		objects(v, func(o map[string]any) {
			o["more"] = true
			refused("adding", "more")
			delete(o, "more")
			for key, was := range o {
				delete(o, key)
				refused("removing", key)
				o[key] = "x y"
				if was == nil || key == "query_location" {
					refused("filling", key)
				}
				o[key] = was
			}
		})
	}
}

func TestQuoting(t *testing.T) {
	q := Query{{Items: []Item{{Expr: Const(`it's "x"`, "VARCHAR"), Alias: `a"b`}}, From: From{Table: `t"; DROP TABLE x; --`, Alias: "t"}}}
	want := `SELECT CAST('it''s "x"' AS VARCHAR) AS "a""b" FROM "memory"."main"."t""; DROP TABLE x; --" AS "t"`
	if q.String() != want {
		t.Errorf("%s\nwant\n%s", q.String(), want)
	}
}

// FuzzParseSerialized: what is refused returns nothing; what is accepted prints.
func FuzzParseSerialized(f *testing.F) {
	for _, b := range accounts(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseSerialized(b)
		if err != nil {
			if q != nil {
				t.Fatal("refused, and returned a tree")
			}
			return
		}
		if len(q) == 0 || q.String() == "" {
			t.Fatal("accepted, and there is nothing")
		}
		if _, err := ParseBound(q, b); err == nil {
			t.Fatal("one account is both a parse and a bound plan")
		}
	})
}
