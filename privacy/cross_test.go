package privacy

import (
	"slices"
	"testing"
)

// square is a layer of cells that hold, but the first, which one owner feeds.
func square(t testing.TB, rows, columns int) *layer {
	t.Helper()
	b := Base{Kind: Count, UniqueUnits: true}
	p := parties(t, 6)
	var cells []area
	for i := range rows * columns {
		c := equal("", 6, 20, 20)
		if i == 0 {
			c.Parts = []Part{part(0, 9, 9)}
		}
		cells = append(cells, area{b.tally(p, c.Parts), newTally(true)})
	}
	return newLayer(&guard{airlines(), p}, cells, rows)
}

func TestOneCellTakesThreeOthers(t *testing.T) {
	l := square(t, 4, 3)
	apart := l.settle([]bool{true, true, true}, true)
	want := []bool{false, false, true, true, false, false, true, true, true, true, true, true}
	if !slices.Equal(apart, want) {
		t.Errorf("%v, want %v", apart, want)
	}
}

// What was hidden among fewer dimensions is hidden in all rows.
func TestWhatIsHiddenBeforeIsHiddenWhole(t *testing.T) {
	l := square(t, 4, 3)
	apart := l.settle([]bool{false, true, true}, true)
	want := []bool{false, false, false, false, false, false, false, false, true, true, true, true}
	if !slices.Equal(apart, want) {
		t.Errorf("%v, want %v", apart, want)
	}
}

// The audit is the last word, whatever the search has made.
func TestAudit(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*layer)
		want  bool
	}{
		"a block of four":           {func(l *layer) { l.take(block{l, []int{0, 1}, []int{0, 1}}) }, true},
		"columns that hold by row":  {func(l *layer) { l.whole = []bool{true, true, false} }, true},
		"a cell that falls":         {func(l *layer) {}, false},
		"a cell alone":              {func(l *layer) { l.take(block{l, []int{0}, []int{0}}) }, false},
		"one row":                   {func(l *layer) { l.take(block{l, []int{0}, []int{0, 1}}) }, false},
		"one column":                {func(l *layer) { l.take(block{l, []int{0, 1}, []int{0}}) }, false},
		"one whole column":          {func(l *layer) { l.whole[0] = true }, false},
		"blocks that overlap":       {func(l *layer) { l.take(block{l, []int{0, 1}, []int{0, 1}}); l.take(block{l, []int{1, 2}, []int{1, 2}}) }, false},
		"a block in a whole column": {func(l *layer) { l.whole = []bool{true, true, false}; l.take(block{l, []int{0, 1}, []int{0, 1}}) }, false},
		"a block that is shown":     {func(l *layer) { l.blocks = []block{{l, []int{0, 1}, []int{0, 1}}} }, false},
	} {
		l := square(t, 4, 3)
		l.taken = make([]bool, len(l.cells))
		tc.spoil(l)
		if got := l.audit(); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNothingIsShownWithoutTheAudit(t *testing.T) {
	l := square(t, 4, 3)
	l.holds[0] = true // a fault of the search: it takes the cell that falls for one that holds
	if apart := l.settle([]bool{true, true, true}, true); slices.Contains(apart, true) {
		t.Errorf("%v", apart)
	}
}

// A search past its bound finds nothing, and what it had found by then is not shown.
func TestSearchIsBounded(t *testing.T) {
	l := square(t, 4, 3)
	l.taken = make([]bool, len(l.cells))
	l.take(block{l, []int{0, 1}, []int{0, 1}})
	for steps, want := range map[int]bool{1000: true, 4 * judging: false} {
		if l.steps = steps; l.audit() != want {
			t.Errorf("%d steps: audit is not %v", steps, want)
		}
	}
	if l.steps = 0; l.block(0, 0) {
		t.Error("a block is found without a step")
	}
}

// grid22 is a table of two by two that holds throughout.
func grid22() Base {
	b := Base{Kind: Count, UniqueUnits: true}
	for _, k := range []string{"ax", "ay", "bx", "by"} {
		c := equal("", 6, 20, 20)
		c.Key = []Value{{Text: k[:1]}, {Text: k[1:]}}
		b.Cells = append(b.Cells, c)
	}
	return b
}

func TestSeveralDimensions(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*Base)
		want  int
	}{
		"all hold":              {func(*Base) {}, 4},
		"units that may repeat": {func(b *Base) { b.UniqueUnits = false }, 0},
		"a place without rows":  {func(b *Base) { b.Cells = b.Cells[:3] }, 0},
		"a value of one owner": {func(b *Base) {
			b.Cells = append(b.Cells, Cell{Key: []Value{{Text: "c"}, {Text: "x"}}, Parts: []Part{part(0, 9, 9)}})
		}, 2},
		"a value that nobody has": {func(b *Base) { b.Cells = append(b.Cells, Cell{Key: []Value{{Text: "c"}, {Text: "x"}}}) }, 4},
		"NULL is a value of its own": {func(b *Base) {
			b.Cells[0].Key[0], b.Cells[1].Key[0] = Value{Null: true, Text: "1"}, Value{Null: true, Text: "2"}
		}, 4},
	} {
		b := grid22()
		tc.spoil(&b)
		got := slices.DeleteFunc(shown(protect(t, parties(t, 6), b)), func(s bool) bool { return !s })
		if len(got) != tc.want {
			t.Errorf("%s: %d shown, want %d", name, len(got), tc.want)
		}
	}
}

func TestGridIsBounded(t *testing.T) {
	b := Base{Kind: Count, UniqueUnits: true}
	for i := range 512 {
		c := equal("", 6, 20, 20)
		v := string(rune('a'+i%26)) + string(rune('a'+i/26))
		c.Key = []Value{{Text: v}, {Text: v}}
		b.Cells = append(b.Cells, c)
	}
	g := &guard{airlines(), parties(t, 6)}
	if b.grid(g) != nil { // 2^18 places
		t.Error("too large a grid")
	}
	if b.Cells = b.Cells[:300]; b.grid(g) == nil { // fewer than 2^17
		t.Error("a grid within the bounds is refused")
	}
}

func TestKeysAndMarginsOfSeveralDimensions(t *testing.T) {
	for name, spoil := range map[string]func(*Base){
		"keys of two lengths": func(b *Base) { b.Cells[3].Key = b.Cells[3].Key[:1] },
		"margins that cross":  func(b *Base) { b.Margins = [][]int{{0, 1}, {0, 2}} },
	} {
		b := grid22()
		spoil(&b)
		if _, err := Protect(airlines(), parties(t, 6), b); err != ErrParts {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkThreeDimensions(b *testing.B) {
	c := drawCube(1, 3, 10, 30)
	for b.Loop() {
		c.release(b, indexes(3))
	}
}
