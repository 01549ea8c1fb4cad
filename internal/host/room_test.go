package host

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
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

// TestMoreRoomIsAskedForAtOnce: a host that asks for small jobs beside a large one asks for large ones as soon as that has ended.
func TestMoreRoomIsAskedForAtOnce(t *testing.T) {
	x := newFakeExchange(t)
	x.attempts = 0 // there is no job
	s := newServing(Options{Exchange: x, Classes: classesOf(1, 4, 16), MemoryBytes: 16})
	large := s.room.take(12)
	asked := make(chan error, 1)
	ask := func() {
		_, _, err := s.claim(t.Context())
		asked <- err
	}
	go ask()
	select {
	case err := <-asked:
		t.Fatalf("asked for what there is room for, and got %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	large()
	if err := within(t, asked, "the question for small jobs is still open"); !errors.Is(err, client.ErrNoJob) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, _ = s.claim(ctx)
	want := [][]string{{"a", "b"}, {"a", "b", "c"}}
	if !slices.EqualFunc(x.asked, want, slices.Equal) {
		t.Errorf("asked for %v, want %v", x.asked, want)
	}
}

func TestNothingMoreFits(t *testing.T) {
	r := newRoom(8)
	if more, stop := r.more(classesOf(1, 4), 2); more != nil {
		t.Error("more than all classes")
	} else {
		stop()
	}
	small, large := r.take(1), r.take(6)
	more, stop := r.more(classesOf(1, 4), 1)
	defer stop()
	small()
	select {
	case <-more:
		t.Error("as many classes fit as before")
	case <-time.After(50 * time.Millisecond):
	}
	large()
	within(t, more, "room for more went unseen")
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
