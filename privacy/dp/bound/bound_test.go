package bound_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/privacy/dp/bound"
	"github.com/cordon-exchange/cordon/privacy/dp/noise"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func order(t testing.TB, name string) *noise.Order {
	t.Helper()
	key, err := seal.DataKeyFromBytes(statement.LabelledSum("cordon/test/v1", []byte(name)).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	s, err := noise.New(statement.Sum([]byte("release")), []noise.Keyed{{Offer: statement.Sum([]byte("offer")), Key: key}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Order()
}

func clamp(lo, hi int64) bound.Clamp { return bound.Clamp{Lo: big.NewInt(lo), Hi: big.NewInt(hi)} }

func group(t testing.TB, text string) bound.Group {
	t.Helper()
	g, err := bound.Encode([]privacy.Value{{Text: text}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func part(t testing.TB, unit, key string, slots ...int64) bound.Part {
	p := bound.Part{Unit: bound.Unit{Domain: "people", ID: unit}, Group: group(t, key)}
	for _, v := range slots {
		p.Slots = append(p.Slots, big.NewInt(v))
	}
	return p
}

// run gives units and first slot of every group.
func run(t testing.TB, name string, c int, clamps []bound.Clamp, parts []bound.Part) map[string]string {
	t.Helper()
	b, err := bound.New(bound.Options{Order: order(t, name), Groups: c, Slots: clamps})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := b.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	cells, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i, c := range cells {
		if i > 0 && cells[i-1].Group >= c.Group {
			t.Fatal("groups are not in order")
		}
		key, err := c.Group.Key()
		if err != nil {
			t.Fatal(err)
		}
		out[key[0].Text] = fmt.Sprint(c.Units, c.Slots)
	}
	return out
}

func TestJoinedThenClamped(t *testing.T) {
	clamps := []bound.Clamp{clamp(-5, 10), clamp(0, 1)}
	for _, c := range []struct {
		name  string
		parts []bound.Part
		want  string
	}{
		{"one part", []bound.Part{part(t, "u", "g", 7, 1)}, "1 [7 1]"},
		{"above", []bound.Part{part(t, "u", "g", 70, 9)}, "1 [10 1]"},
		{"below", []bound.Part{part(t, "u", "g", -70, -9)}, "1 [-5 0]"},
		{"two owners, one unit", []bound.Part{part(t, "u", "g", 7, 1), part(t, "u", "g", 8, 1)}, "1 [10 1]"},
		{"parts are clamped together, not each", []bound.Part{part(t, "u", "g", 100, 1), part(t, "u", "g", -99, 0)}, "1 [1 1]"},
		{"two units", []bound.Part{part(t, "u", "g", 7, 1), part(t, "v", "g", 8, 1)}, "2 [15 2]"},
		{"nothing to add is not clamped up", []bound.Part{{Unit: bound.Unit{Domain: "d", ID: "u"}, Group: group(t, "g"), Slots: []*big.Int{nil, big.NewInt(1)}}}, "1 [0 1]"},
	} {
		if got := run(t, "k", 3, clamps, c.parts)["g"]; got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestDomainsAreApart(t *testing.T) {
	a, b := part(t, "u", "g", 1), part(t, "u", "g", 1)
	b.Unit.Domain = "households"
	if got := run(t, "k", 1, []bound.Clamp{clamp(0, 1)}, []bound.Part{a, b})["g"]; got != "2 [2]" {
		t.Errorf("one identifier in two domains: %s", got)
	}
}

// TestAtMostCGroups: whatever a unit has, it adds to c groups, and to which says nothing of the rest of the data.
func TestAtMostCGroups(t *testing.T) {
	var parts []bound.Part
	for g := range 50 {
		parts = append(parts, part(t, "u", fmt.Sprint(g), 1), part(t, "u", fmt.Sprint(g), 1))
	}
	for c := 1; c <= 5; c++ {
		alone := run(t, "k", c, []bound.Clamp{clamp(0, 100)}, parts)
		if len(alone) != c {
			t.Fatalf("%d groups, not %d", len(alone), c)
		}
		for g, v := range alone {
			if v != "1 [2]" {
				t.Errorf("group %s has %s", g, v)
			}
		}
	}
	if reflect.DeepEqual(run(t, "k", 3, []bound.Clamp{clamp(0, 100)}, parts), run(t, "other", 3, []bound.Clamp{clamp(0, 100)}, parts)) {
		t.Error("the choice does not depend on the key")
	}
}

// TestOrderOfPartsDoesNotMatter compares with a plain account of everything, over random data in random order.
func TestOrderOfPartsDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		c := 1 + rng.IntN(4)
		var parts []bound.Part
		for range rng.IntN(120) {
			parts = append(parts, part(t, fmt.Sprint(rng.IntN(9)), fmt.Sprint(rng.IntN(12)), rng.Int64N(41)-20))
		}
		want := plain(t, "k", c, -15, 15, parts)
		for range 5 {
			rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			if got := run(t, "k", c, []bound.Clamp{clamp(-15, 15)}, parts); !reflect.DeepEqual(got, want) {
				t.Fatalf("round %d: %v, not %v", round, got, want)
			}
		}
	}
}

// plain keeps everything, then chooses and clamps.
func plain(t *testing.T, name string, c int, lo, hi int64, parts []bound.Part) map[string]string {
	sums := map[string]map[bound.Group]int64{}
	for _, p := range parts {
		if sums[p.Unit.ID] == nil {
			sums[p.Unit.ID] = map[bound.Group]int64{}
		}
		sums[p.Unit.ID][p.Group] += p.Slots[0].Int64()
	}
	units, total := map[string]int64{}, map[string]int64{}
	o := order(t, name)
	for unit, groups := range sums {
		rank := func(g bound.Group) [noise.OrderSize]byte {
			return o.Rank(statement.Frame("cordon/unit/v1", []byte("people"), []byte(unit)), []byte(g))
		}
		for g, v := range groups {
			first := 0
			for other := range groups {
				if a, b := rank(other), rank(g); string(a[:]) < string(b[:]) {
					first++
				}
			}
			if first < c {
				key, err := g.Key()
				if err != nil {
					t.Fatal(err)
				}
				units[key[0].Text]++
				total[key[0].Text] += max(lo, min(hi, v))
			}
		}
	}
	out := map[string]string{}
	for g := range units {
		out[g] = fmt.Sprint(units[g], []int64{total[g]})
	}
	return out
}

// TestOneUnitMoreOrLess: the promise of the package. Taking a unit away changes at most c groups, each by no more than the
// clamp, and no other unit's choice.
func TestOneUnitMoreOrLess(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const c, width = 2, 7
	for range 200 {
		var with, without []bound.Part
		for range 150 {
			p := part(t, fmt.Sprint(rng.IntN(6)), fmt.Sprint(rng.IntN(10)), rng.Int64N(2001)-1000)
			with = append(with, p)
			if p.Unit.ID != "0" {
				without = append(without, p)
			}
		}
		sum := func(parts []bound.Part) map[bound.Group]int64 {
			b, err := bound.New(bound.Options{Order: order(t, "k"), Groups: c, Slots: []bound.Clamp{clamp(-width, 3)}})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				if err := b.Add(p); err != nil {
					t.Fatal(err)
				}
			}
			cells, err := b.Cells()
			if err != nil {
				t.Fatal(err)
			}
			out := map[bound.Group]int64{}
			for _, c := range cells {
				out[c.Group] = c.Slots[0].Int64()
			}
			return out
		}
		a, b, changed := sum(with), sum(without), 0
		for g := range 10 {
			d := a[group(t, fmt.Sprint(g))] - b[group(t, fmt.Sprint(g))]
			if d != 0 {
				changed++
			}
			if d > width || d < -width {
				t.Fatalf("a group changes by %d", d)
			}
		}
		if changed > c {
			t.Fatalf("%d groups change", changed)
		}
	}
}

func TestCallersNumbersAreLeft(t *testing.T) {
	p := part(t, "u", "g", 1)
	b, err := bound.New(bound.Options{Order: order(t, "k"), Groups: 1, Slots: []bound.Clamp{clamp(0, 9)}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := b.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if p.Slots[0].Int64() != 1 {
		t.Fatal("the caller's number was added to")
	}
}

func TestOnce(t *testing.T) {
	b, err := bound.New(bound.Options{Order: order(t, "k"), Groups: 1, Slots: []bound.Clamp{clamp(0, 9)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(part(t, "u", "g", 1, 2)); !errors.Is(err, bound.ErrPart) {
		t.Errorf("two slots: %v", err)
	}
	homeless := part(t, "u", "g", 1)
	homeless.Unit.Domain = ""
	if err := b.Add(homeless); !errors.Is(err, bound.ErrPart) {
		t.Errorf("no domain: %v", err)
	}
	if _, err := b.Cells(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Cells(); !errors.Is(err, bound.ErrUsed) {
		t.Errorf("again: %v", err)
	}
	if err := b.Add(part(t, "u", "g", 1)); !errors.Is(err, bound.ErrUsed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestOptionsRefused(t *testing.T) {
	good := func() bound.Options {
		return bound.Options{Order: order(t, "k"), Groups: 1, Slots: []bound.Clamp{clamp(0, 1)}}
	}
	for name, change := range map[string]func(*bound.Options){
		"no order":         func(o *bound.Options) { o.Order = nil },
		"no c":             func(o *bound.Options) { o.Groups = 0 },
		"c too large":      func(o *bound.Options) { o.Groups = bound.MaxGroups + 1 },
		"no slots":         func(o *bound.Options) { o.Slots = nil },
		"an open clamp":    func(o *bound.Options) { o.Slots[0].Hi = nil },
		"an open end":      func(o *bound.Options) { o.Slots[0].Lo = nil },
		"an inverse clamp": func(o *bound.Options) { o.Slots[0] = clamp(1, 0) },
	} {
		o := good()
		change(&o)
		if _, err := bound.New(o); !errors.Is(err, bound.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzGroup: what is accepted encodes to the same bytes; what is refused gives nothing.
func FuzzGroup(f *testing.F) {
	for _, s := range []string{"", "\x00", "\x01\x00\x00\x00\x00\x00\x00\x00\x01a", "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x01\xff\xff\xff\xff\xff\xff\xff\xff", "\x02", "\x01\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		key, err := bound.Group(src).Key()
		if err != nil {
			if key != nil {
				t.Fatal("refused, but something came back")
			}
			return
		}
		if again, err := bound.Encode(key); err != nil || string(again) != string(src) {
			t.Fatalf("%q encodes to %q: %v", src, again, err)
		}
	})
}

func TestGroupRefused(t *testing.T) {
	for name, g := range map[string]bound.Group{
		"another kind": "\x02", "cut off": "\x01\x00", "too short": "\x01\x00\x00\x00\x00\x00\x00\x00\x02a",
		"a length beyond": "\x01\xff\xff\xff\xff\xff\xff\xff\xff", "too many values": bound.Group(make([]byte, 65)), "too long": bound.Group(make([]byte, 1<<20+1)),
	} {
		if key, err := g.Key(); !errors.Is(err, bound.ErrGroup) || key != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bound.Encode([]privacy.Value{{Null: true, Text: "x"}}); !errors.Is(err, bound.ErrGroup) {
		t.Errorf("NULL with a text: %v", err)
	}
	if _, err := bound.Encode(make([]privacy.Value, 65)); !errors.Is(err, bound.ErrGroup) {
		t.Errorf("too many values: %v", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	bounder, err := bound.New(bound.Options{Order: order(b, "k"), Groups: 3, Slots: []bound.Clamp{clamp(0, 1), clamp(0, 1000)}})
	if err != nil {
		b.Fatal(err)
	}
	var parts []bound.Part
	for i := range 100_000 {
		parts = append(parts, part(b, fmt.Sprint(i/5), fmt.Sprint(i%7), 1, 500))
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := bounder.Add(parts[i%len(parts)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
