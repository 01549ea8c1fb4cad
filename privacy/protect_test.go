package privacy

import (
	"math/big"
	"testing"
)

func key(text string) []Value { return []Value{{Text: text}} }

// equal is a cell to which n owners give the same.
func equal(name string, owners int, units, weight int64) Cell {
	c := Cell{Key: key(name)}
	for o := range owners {
		c.Parts = append(c.Parts, part(o, units, weight))
	}
	return c
}

func protect(t *testing.T, p *Parties, b Base) *Released {
	t.Helper()
	r, err := Protect(airlines(), p, b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shown lists which cells are, in the order given.
func shown(r *Released) (out []bool) {
	for i := range r.values {
		_, ok := r.Value(i)
		out = append(out, ok)
	}
	return out
}

func TestSecondary(t *testing.T) {
	alone := Cell{Key: key("alone"), Parts: []Part{part(0, 9, 9)}}
	empty := Cell{Key: key("empty")}
	zeros := Cell{Key: key("zeros"), Parts: []Part{part(0, 9, 0)}}
	for _, tc := range []struct {
		name    string
		lists   []func(*Lists)
		cells   []Cell
		margins [][]int
		kind    Kind
		want    []bool
	}{
		{name: "nothing to hide", cells: []Cell{equal("a", 6, 9, 9), equal("b", 6, 9, 9)}, want: []bool{true, true}},
		{name: "one hidden cell takes the smallest other with it", cells: []Cell{equal("a", 6, 9, 20), equal("b", 6, 9, 10), alone}, want: []bool{true, false, false}},
		{name: "equal cells: the first key goes", cells: []Cell{equal("b", 6, 9, 10), equal("a", 6, 9, 10), alone}, want: []bool{true, false, false}},
		{name: "a cell without rows hides nothing else", cells: []Cell{equal("a", 6, 9, 20), empty}, want: []bool{true, false}},
		{name: "rows that are all zero are not nothing", kind: Sum, cells: []Cell{equal("a", 6, 9, 20), equal("b", 6, 9, 30), zeros}, want: []bool{false, true, false}},
		{name: "the asker's own rows are not nothing", lists: []func(*Lists){asks(0)}, cells: []Cell{equal("a", 6, 9, 20), equal("b", 6, 9, 30), alone}, want: []bool{false, true, false}},
		{name: "two hidden cells that hold together", cells: []Cell{equal("a", 6, 9, 20), equal("b", 3, 9, 10),
			{Key: key("c"), Parts: []Part{part(3, 9, 10), part(4, 9, 10), part(5, 9, 10)}}}, want: []bool{true, false, false}},
		{name: "two hidden cells that do not", cells: []Cell{equal("a", 6, 9, 20), equal("b", 3, 9, 10), equal("c", 4, 9, 10)}, want: []bool{false, false, false}},
		{name: "nothing is left to help", cells: []Cell{alone, equal("b", 4, 9, 9)}, want: []bool{false, false}},
		{name: "only along its own margin", cells: []Cell{equal("a", 6, 9, 1), equal("b", 6, 9, 20), alone}, margins: [][]int{{1, 2}}, want: []bool{true, false, false}},
		{name: "no margin, no subtraction", cells: []Cell{equal("a", 6, 9, 1), alone}, margins: [][]int{}, want: []bool{true, false}},
		{name: "a hidden cell breaks the margin that it crosses", cells: []Cell{alone, equal("b", 6, 9, 10), {Key: key("c"), Parts: equal("", 6, 2, 1).Parts}, equal("d", 6, 9, 30)},
			margins: [][]int{{2, 3}, {0, 1}, {1, 2}}, want: []bool{false, false, true, true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := Base{Kind: max(tc.kind, Count), Cells: tc.cells, Margins: tc.margins, UniqueUnits: true}
			got := shown(protect(t, parties(t, 6, tc.lists...), b))
			for i, want := range tc.want {
				if got[i] != want {
					t.Fatalf("shown %v, want %v", got, tc.want)
				}
			}
		})
	}
}

func TestComplementOfValues(t *testing.T) {
	cell := equal("a", 6, 20, 20)
	for _, tc := range []struct {
		name       string
		complement []Part
		want       bool
	}{
		{"no row without a value", nil, true},
		{"parts that are nothing", []Part{part(0, 0, 0)}, true},
		{"rows without a value hold too", equal("", 6, 20, 20).Parts, true},
		{"rows without a value are one owner's", []Part{part(0, 20, 20)}, false},
		{"rows of which no unit is certain", []Part{part(0, 0, 1)}, false},
	} {
		cell.Complement = tc.complement
		got := shown(protect(t, parties(t, 6), Base{Kind: Count, Cells: []Cell{cell}}))
		if got[0] != tc.want {
			t.Errorf("%s: shown %v", tc.name, got)
		}
	}
}

// The union of hidden cells is judged with the complement that would be known beside it.
func TestComplementOfUnion(t *testing.T) {
	lone := Cell{Key: key("lone"), Complement: []Part{part(0, 5, 5)}} // nobody has a value, one owner has rows
	cells := []Cell{equal("a", 6, 20, 20), lone}
	if got := shown(protect(t, parties(t, 6), Base{Kind: Count, Cells: cells})); got[0] || got[1] {
		t.Errorf("shown %v", got)
	}
}

// A unit with rows in several cells is one unit of their union.
func TestUnitsOfUnionAreNotAdded(t *testing.T) {
	small := func(name string) Cell { return equal(name, 6, 2, 2) } // 12 units, 10 without the largest: holds
	split := func(name string) Cell { return equal(name, 6, 1, 1) } // 5 without the largest
	cells := []Cell{small("a"), split("b"), split("c")}
	if got := shown(protect(t, parties(t, 6), Base{Kind: Count, Cells: cells, UniqueUnits: true})); !got[0] {
		t.Errorf("unique units: shown %v", got)
	}
	if got := shown(protect(t, parties(t, 6), Base{Kind: Count, Cells: cells})); got[0] {
		t.Errorf("units that may repeat: shown %v", got)
	}
}

// Two data sets of one owner are one contributor, and their units may be the same.
func TestOwnerWithTwoDataSets(t *testing.T) {
	cell := equal("a", 5, 3, 3)
	twice := Cell{Key: key("a"), Parts: append(cell.Parts, part(4, 3, 3))}
	if got := shown(protect(t, parties(t, 5), Base{Kind: Count, Cells: []Cell{twice}})); !got[0] {
		t.Errorf("shown %v", got)
	}
	four := Cell{Key: key("a"), Parts: append(equal("a", 4, 9, 9).Parts, part(3, 9, 9))}
	if got := shown(protect(t, parties(t, 5), Base{Kind: Count, Cells: []Cell{four}})); got[0] {
		t.Error("one owner counted twice")
	}
}

func TestPartsRefused(t *testing.T) {
	good := func() Base { return Base{Kind: Count, Cells: []Cell{equal("a", 6, 9, 9), equal("b", 6, 9, 9)}} }
	for name, spoil := range map[string]func(*Base){
		"no kind":                 func(b *Base) { b.Kind = 0 },
		"unknown kind":            func(b *Base) { b.Kind = 3 },
		"owner unknown":           func(b *Base) { b.Cells[0].Parts[0].Owner = 6 },
		"negative owner":          func(b *Base) { b.Cells[0].Parts[0].Owner = -1 },
		"negative units":          func(b *Base) { b.Cells[0].Parts[0].Units = -1 },
		"no value":                func(b *Base) { b.Cells[0].Parts[0].Value = nil },
		"no weight":               func(b *Base) { b.Cells[0].Parts[0].Weight = nil },
		"negative count":          func(b *Base) { b.Cells[0].Parts[0] = part(0, 1, -1) },
		"count is not its weight": func(b *Base) { b.Cells[0].Parts[0].Weight = big.NewInt(10) },
		"sum over its weight":     func(b *Base) { b.Kind = Sum; b.Cells[0].Parts[0].Value = big.NewInt(-10) },
		"bad complement":          func(b *Base) { b.Cells[0].Complement = []Part{{Owner: 9}} },
		"two cells of one key":    func(b *Base) { b.Cells[1].Key = key("a") },
		"margin beyond the cells": func(b *Base) { b.Margins = [][]int{{2}} },
		"negative margin":         func(b *Base) { b.Margins = [][]int{{-1}} },
		"cell twice in a margin":  func(b *Base) { b.Margins = [][]int{{0, 0}} },
	} {
		b := good()
		spoil(&b)
		if r, err := Protect(airlines(), parties(t, 6), b); err != ErrParts || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Protect(airlines(), parties(t, 6), good()); err != nil {
		t.Error("unspoilt:", err)
	}
}

func TestNullKeyIsAKey(t *testing.T) {
	cells := []Cell{equal("", 6, 9, 9), {Key: []Value{{Null: true}}, Parts: equal("", 6, 9, 9).Parts}}
	if got := shown(protect(t, parties(t, 6), Base{Kind: Count, Cells: cells})); !got[0] || !got[1] {
		t.Errorf("shown %v", got)
	}
}

func TestReleaseOwn(t *testing.T) {
	cell := Cell{Key: key("a"), Parts: []Part{part(0, 1, 7)}}
	r, err := ReleaseOwn(parties(t, 1, asks(0)), Base{Kind: Count, Cells: []Cell{cell}})
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := r.Value(0); !ok || v.Int64() != 7 {
		t.Errorf("own cell %v %v, want exactly 7", v, ok)
	}
	for name, p := range map[string]*Parties{"somebody else's": parties(t, 1), "no parties": nil} {
		if r, err := ReleaseOwn(p, Base{Kind: Count, Cells: []Cell{cell}}); err != ErrParties || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReleaseOwn(parties(t, 1, asks(0)), Base{Cells: []Cell{cell}}); err != ErrParts {
		t.Error("no kind:", err)
	}
}

func TestSuppressedCount(t *testing.T) {
	r := protect(t, parties(t, 6), Base{Kind: Count, Cells: []Cell{equal("a", 4, 9, 9)}})
	for n, want := range map[int]int64{0: 0, 1: 5, 5: 5, 6: 10} {
		bases := make([]*Released, n)
		for i := range bases {
			bases[i] = r
		}
		if got := SuppressedCount(airlines(), bases...); got != want {
			t.Errorf("%d hidden: %d, want %d", n, got, want)
		}
	}
}

func TestValueDoesNotHandOutItsOwn(t *testing.T) {
	r := protect(t, parties(t, 6), Base{Kind: Count, Cells: []Cell{equal("a", 6, 9, 10)}})
	v, _ := r.Value(0)
	v.SetInt64(0)
	if again, _ := r.Value(0); again.Int64() != 60 {
		t.Error("a caller changed a released value")
	}
	if _, ok := (*Released)(nil).Value(0); ok {
		t.Error("a nil release shows a value")
	}
}
