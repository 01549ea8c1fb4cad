package host

import (
	"context"
	"slices"
	"testing"
	"time"
)

func classesOf(bytes ...int64) []Class {
	var out []Class
	for i, b := range bytes {
		out = append(out, Class{Name: string(rune('a' + i)), MemoryBytes: b})
	}
	return out
}

func TestRoomByMemory(t *testing.T) {
	all := classesOf(1, 4, 16)
	r := newRoom(8)
	wants := func(want ...string) {
		t.Helper()
		fit := r.enter(t.Context(), all)
		r.leave()
		if got := classNames(fit); !slices.Equal(got, want) {
			t.Errorf("room for %v, want %v", got, want)
		}
	}
	wants("a", "b", "c") // alone, a job may be of any class
	large := r.take(4)
	wants("a", "b")
	second := r.take(4)
	entered := make(chan []Class, 1)
	go func() { entered <- r.enter(t.Context(), all) }()
	select {
	case fit := <-entered:
		t.Fatalf("room for %v where there is none", classNames(fit))
	case <-time.After(50 * time.Millisecond):
	}
	large()
	if got := classNames(within(t, entered, "no room after a job has ended")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("room for %v", got)
	}
	r.leave()
	second()
	wants("a", "b", "c")
}

func TestOneAsksAtATime(t *testing.T) {
	r := newRoom(8)
	r.enter(t.Context(), classesOf(1))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if fit := r.enter(ctx, classesOf(1)); fit != nil {
		t.Error("two ask at once")
	}
	r.leave()
	if fit := r.enter(t.Context(), classesOf(1)); len(fit) != 1 {
		t.Error("nobody may ask any more")
	}
}
