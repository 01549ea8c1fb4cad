package dp_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/privacy/dp"
	"github.com/cordon-exchange/cordon/privacy/dp/bound"
	"github.com/cordon-exchange/cordon/privacy/dp/noise"
	"github.com/cordon-exchange/cordon/privacy/dp/sample"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vectors are docs/spec/dp.md, section 11, for other implementations. Every stream is that of section 4.
type vectors struct {
	Comment  string          `json:"comment"`
	Keys     []vectorKey     `json:"keys"`
	Streams  []vectorStream  `json:"streams"`
	Ranks    []vectorRank    `json:"ranks"`
	Samples  []vectorSample  `json:"samples"`
	Releases []vectorRelease `json:"releases"`
	Refuse   []vectorRefuse  `json:"refuse"`
}

type vectorKey struct {
	Offer statement.Digest `json:"offer"`
	Key   string           `json:"key_hex"`
}

type vectorStream struct {
	Release statement.Digest `json:"release"`
	Purpose string           `json:"purpose"`
	Cell    string           `json:"cell_hex"`
	Index   uint32           `json:"index"`
	Below   []string         `json:"below"`
	Drawn   []string         `json:"drawn"`
}

type vectorRank struct {
	Release statement.Digest `json:"release"`
	Domain  string           `json:"domain"`
	Unit    string           `json:"unit"`
	Group   string           `json:"group_hex"`
	Rank    string           `json:"rank_hex"`
}

type vectorSample struct {
	Release      statement.Digest `json:"release"`
	Cell         string           `json:"cell_hex"`
	Distribution string           `json:"distribution"`
	Parameter    string           `json:"parameter"` // t/s, or sigma²
	Drawn        []string         `json:"drawn"`     // one after the other from one stream of purpose "noise", index 0
}

type vectorRelease struct {
	Name   string           `json:"name"`
	Spec   string           `json:"spec"`
	Digest statement.Digest `json:"digest"`
	Rho    string           `json:"rho"`
	Delta  string           `json:"delta"`
	Parts  []vectorPart     `json:"parts"`
	Rows   []vectorRow      `json:"rows"`
}

type vectorPart struct {
	Domain string        `json:"domain"`
	Unit   string        `json:"unit"`
	Group  string        `json:"group_hex"`
	Values []vectorValue `json:"values"`
}

type vectorValue struct {
	Rows int64  `json:"rows"`
	Sum  string `json:"sum,omitempty"`
}

type vectorRow struct {
	Group  string   `json:"group_hex"`
	Values []string `json:"values"`
}

type vectorRefuse struct {
	Name string `json:"name"`
	Spec string `json:"spec"`
}

func file() string { return filepath.Join("testdata", "vectors.json") }

// TestVectors computes every output of the file from its inputs.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	src, err := os.ReadFile(file())
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(src, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Keys) == 0 || len(v.Streams) == 0 || len(v.Ranks) == 0 || len(v.Samples) == 0 || len(v.Releases) == 0 || len(v.Refuse) == 0 {
		t.Fatal("a part of the vectors is missing")
	}
	again := v
	fill(t, &again)
	b, err := json.MarshalIndent(again, "", "  ")
	if err != nil || string(append(b, '\n')) != string(src) {
		t.Errorf("the vectors come out otherwise: %v", err)
	}
	for _, r := range v.Refuse {
		if s, err := dp.Decode([]byte(r.Spec)); err == nil || s != nil {
			t.Errorf("%s: accepted", r.Name)
		}
	}
}

// fill computes the outputs.
func fill(t *testing.T, v *vectors) {
	t.Helper()
	var k []noise.Keyed
	for _, x := range v.Keys {
		key, err := seal.DataKeyFromBytes(raw(t, x.Key))
		if err != nil {
			t.Fatal(err)
		}
		k = append(k, noise.Keyed{Offer: x.Offer, Key: key})
	}
	v.Streams, v.Ranks, v.Samples, v.Releases = slices.Clone(v.Streams), slices.Clone(v.Ranks), slices.Clone(v.Samples), slices.Clone(v.Releases)
	for i := range v.Streams {
		v.Streams[i].Drawn = draws(t, k, v.Streams[i])
	}
	for i := range v.Ranks {
		r := &v.Ranks[i]
		unit := statement.Frame("cordon/unit/v1", []byte(r.Domain), []byte(r.Unit))
		rank := source(t, r.Release, k).Order().Rank(unit, raw(t, r.Group))
		r.Rank = hex.EncodeToString(rank[:])
	}
	for i := range v.Samples {
		v.Samples[i].Drawn = samples(t, k, v.Samples[i])
	}
	for i := range v.Releases {
		released(t, k, &v.Releases[i])
	}
}

func source(t *testing.T, release statement.Digest, k []noise.Keyed) *noise.Source {
	t.Helper()
	s, err := noise.New(release, k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func raw(t *testing.T, h string) []byte {
	t.Helper()
	b, err := hex.DecodeString(h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func draws(t *testing.T, k []noise.Keyed, v vectorStream) (out []string) {
	t.Helper()
	s, err := source(t, v.Release, k).Stream(v.Purpose, raw(t, v.Cell), v.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range v.Below {
		n, ok := new(big.Int).SetString(b, 10)
		x, err := s.Below(n)
		if !ok || err != nil {
			t.Fatal(err)
		}
		out = append(out, x.String())
	}
	return out
}

func samples(t *testing.T, k []noise.Keyed, v vectorSample) (out []string) {
	t.Helper()
	s, err := source(t, v.Release, k).Stream("noise", raw(t, v.Cell), 0)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := new(big.Rat).SetString(v.Parameter)
	if !ok {
		t.Fatal("no parameter")
	}
	for range 16 {
		var x *big.Int
		if v.Distribution == "laplace" {
			x, err = sample.Laplace(s, p.Num(), p.Denom())
		} else {
			x, err = sample.Gaussian(s, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x.String())
	}
	return out
}

func released(t *testing.T, k []noise.Keyed, v *vectorRelease) {
	t.Helper()
	s, err := dp.Decode([]byte(v.Spec))
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	c := check(t, *s)
	v.Digest, v.Rho, v.Delta, v.Rows = c.Digest(), c.Cost().Rho.RatString(), c.Cost().Delta.RatString(), []vectorRow{}
	r, err := c.Open(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Parts {
		if err := r.Add(p.part(t)); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := r.Table()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		g, err := bound.Encode(row.Key)
		if err != nil {
			t.Fatal(err)
		}
		out := vectorRow{Group: hex.EncodeToString([]byte(g))}
		for _, x := range row.Values {
			out.Values = append(out.Values, x.RatString())
		}
		v.Rows = append(v.Rows, out)
	}
}

func (p vectorPart) part(t *testing.T) dp.Part {
	t.Helper()
	k, err := bound.Group(raw(t, p.Group)).Key()
	if err != nil {
		t.Fatal(err)
	}
	out := dp.Part{Unit: bound.Unit{Domain: p.Domain, ID: p.Unit}, Key: k}
	for _, v := range p.Values {
		x := dp.Value{Rows: v.Rows}
		if v.Sum != "" {
			x.Sum, _ = new(big.Int).SetString(v.Sum, 10)
		}
		out.Values = append(out.Values, x)
	}
	return out
}

// writeVectors chooses the inputs.
func writeVectors(t *testing.T) {
	t.Helper()
	cell := hexGroup(t, privacy.Value{Text: "north"}, privacy.Value{Null: true})
	v := vectors{Comment: "docs/spec/dp.md, section 11; TEST KEYS: SHA-256 of a public text"}
	for _, k := range keys(t, 7) {
		v.Keys = append(v.Keys, vectorKey{k.Offer, hex.EncodeToString(k.Key.BytesUnsafe())})
	}
	slices.SortFunc(v.Keys, func(a, b vectorKey) int { return -slices.Compare([]byte(a.Offer), []byte(b.Offer)) }) // the order must not matter
	wide := new(big.Int).Lsh(big.NewInt(1), 256).String()
	for _, s := range []vectorStream{
		{Purpose: "noise", Cell: cell}, {Purpose: "noise", Cell: cell, Index: 1}, {Purpose: "groups", Cell: cell}, {Purpose: "noise", Cell: ""},
	} {
		s.Release, s.Below = digest("release"), []string{"1", "2", "3", "256", "257", "1000000007", wide, "3"}
		v.Streams = append(v.Streams, s)
	}
	for _, u := range []string{"4711", ""} {
		v.Ranks = append(v.Ranks, vectorRank{Release: digest("release"), Domain: "people", Unit: u, Group: cell})
	}
	for _, s := range [][2]string{{"laplace", "1"}, {"laplace", "1/3"}, {"laplace", "40/3"}, {"gaussian", "1/10"}, {"gaussian", "22/7"}, {"gaussian", "1000000"}} {
		v.Samples = append(v.Samples, vectorSample{Release: digest("release"), Cell: cell, Distribution: s[0], Parameter: s[1]})
	}
	v.Releases = vectorReleases(t)
	for name, s := range faulty(t) {
		b, err := statement.Marshal(s)
		if err != nil { // it has no encoding at all
			continue
		}
		v.Refuse = append(v.Refuse, vectorRefuse{name, string(b)})
	}
	good := v.Releases[0].Spec
	v.Refuse = append(v.Refuse, vectorRefuse{"a space", good + " "}, vectorRefuse{"an unknown field", `{"x":1,` + good[1:]})
	slices.SortFunc(v.Refuse, func(a, b vectorRefuse) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	fill(t, &v)
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll("testdata", 0o755)
	}
	if err == nil {
		err = os.WriteFile(file(), append(b, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func hexGroup(t *testing.T, key ...privacy.Value) string {
	t.Helper()
	g, err := bound.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString([]byte(g))
}

// vectorReleases: a unit in too many groups, one at two owners, one far over the clamp, one without a value.
func vectorReleases(t *testing.T) (out []vectorRelease) {
	t.Helper()
	var parts []vectorPart
	add := func(unit, group string, rows int64, sum string) {
		values := []vectorValue{{Rows: rows}, {Rows: rows}, {Rows: rows, Sum: sum}, {Rows: rows, Sum: sum}}
		if sum == "" {
			values[2], values[3] = vectorValue{}, vectorValue{}
		}
		parts = append(parts, vectorPart{"people", unit, hexGroup(t, privacy.Value{Text: group}), values})
	}
	for _, u := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		add(u, "north", 1, "12")
	}
	for _, g := range []string{"north", "south", "west"} {
		add("everywhere", g, 2, "20")
	}
	add("two owners", "south", 2, "15")
	add("two owners", "south", 2, "15")
	add("rich", "south", 1, "1000000")
	add("no value", "west", 1, "")
	selected := gaussian("8", 2)
	selected.Delta, selected.MinUnits = "1/10", 2
	for _, r := range []struct {
		name string
		spec dp.Spec
	}{
		{"given groups, Laplace", specOf(laplace("2", 2), given(t, "east", "north", "south", "west"), all()...)},
		{"selected groups, Gaussian", specOf(selected, nil, all()...)},
	} {
		slices.SortFunc(r.spec.Given, slices.Compare[[]byte])
		b, err := r.spec.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, vectorRelease{Name: r.name, Spec: string(b), Parts: parts})
	}
	return out
}
