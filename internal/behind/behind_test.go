package behind

import (
	"bytes"
	"slices"
	"testing"
)

func TestBodies(t *testing.T) {
	for _, c := range []struct {
		name, src string
		sizes     []int64
		want      []string
		ok        bool
	}{
		{"none", "{}", nil, nil, true},
		{"one", "{}\nab", []int64{2}, []string{"ab"}, true},
		{"two, with line breaks", "{}\n\nab\nc", []int64{3, 2}, []string{"\nab", "\nc"}, true},
		{"more than there is", "{}\nab", []int64{3}, nil, false},
		{"more than all after one", "{}\nab", []int64{1, 2}, nil, false},
		{"less than there is", "{}\nabc", []int64{1, 1}, nil, false},
		{"an empty one", "{}\nab", []int64{2, 0}, nil, false},
		{"a negative one", "{}\nab", []int64{-1, 3}, nil, false},
		{"a line break and nothing", "{}\n", nil, nil, false},
		{"bytes that nobody names", "{}\nab", nil, nil, false},
		{"no line break", "{}", []int64{1}, nil, false},
		{"a size past all", "{}\nab", []int64{1 << 62, 1 << 62}, nil, false},
	} {
		got, ok := Bodies([]byte(c.src), c.sizes)
		if ok != c.ok {
			t.Errorf("%s: %v", c.name, ok)
			continue
		}
		for i := range got {
			if ok && string(got[i]) != c.want[i] {
				t.Errorf("%s: %q", c.name, got)
			}
		}
		if ok && (string(Text([]byte(c.src))) != "{}" || !bytes.Equal(Join([]byte("{}"), got...), []byte(c.src))) {
			t.Errorf("%s: joined again it is %q", c.name, Join(Text([]byte(c.src)), got...))
		}
	}
}

// FuzzBodies: what is accepted is what Join makes of it.
func FuzzBodies(f *testing.F) {
	f.Add([]byte("{}\nab"), int64(1), int64(1))
	f.Add([]byte("{}"), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, src []byte, a, b int64) {
		sizes := slices.DeleteFunc([]int64{a, b}, func(n int64) bool { return n == 0 })
		if got, ok := Bodies(src, sizes); ok && !bytes.Equal(Join(Text(src), got...), src) {
			t.Fatalf("%q is taken for %q and %q", src, Text(src), got)
		}
	})
}
