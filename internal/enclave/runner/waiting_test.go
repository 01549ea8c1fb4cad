package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
)

// TestAwaitJob: what is done ahead is done by an enclave that waits, once, and by no other.
func TestAwaitJob(t *testing.T) {
	job, away := &channel.Job{}, errors.New("away")
	for _, c := range []struct {
		name  string
		after bool // the answer comes only once ahead was called
		idle  time.Duration
		err   error
		ahead int
	}{
		{name: "there at once", idle: time.Hour},
		{name: "there at once, with an error", idle: time.Hour, err: away},
		{name: "there later", after: true, ahead: 1},
		{name: "an error later", after: true, err: away, ahead: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			done, called := make(chan struct{}), 0
			got, err := awaitJob(t.Context(), func(context.Context) (*channel.Job, error) {
				if c.after {
					select {
					case <-done:
					case <-time.After(10 * time.Second):
						return nil, errors.New("nothing was done ahead")
					}
				}
				if c.err != nil {
					return nil, c.err
				}
				return job, nil
			}, c.idle, func() {
				called++
				close(done)
			})
			if !errors.Is(err, c.err) || (c.err == nil) != (got == job) || called != c.ahead {
				t.Errorf("got %v, %v; ahead was called %d times", got, err, called)
			}
		})
	}
}

// TestAwaitJobEnds: who waits is told when the context ends, as the question is.
func TestAwaitJobEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := awaitJob(ctx, func(ctx context.Context) (*channel.Job, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, 0, cancel)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestTouchHeap: what a job allocates after the heap was touched needs few new pages. Each count is of a process of its own, whose heap
// nothing else has used.
func TestTouchHeap(t *testing.T) {
	const name = "CORDON_TEST_TOUCH"
	if how := os.Getenv(name); how != "" {
		if how == "touched" {
			touchHeap()
		}
		fmt.Println(allocating(t))
		return
	}
	count := func(how string) int64 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTouchHeap$")
		cmd.Env = append(os.Environ(), name+"="+how)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(out), "\n")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			t.Fatalf("%q", out)
		}
		return n
	}
	// Half and less where memory is plenty; other tests beside this one, which take and give back pages, were seen to make it 0.72.
	if touched, fresh := count("touched"), count("fresh"); touched > fresh*9/10 {
		t.Errorf("%d page faults, and %d where nothing was touched", touched, fresh)
	}
}

// allocating counts the page faults that half of what touchHeap touches costs, in small pieces.
func allocating(t *testing.T) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before := minorFaults(t)
	var all [][]byte
	for range heapAhead / 2 / 1024 {
		all = append(all, make([]byte, 1024))
		all[len(all)-1][0] = 1
	}
	runtime.KeepAlive(all)
	return minorFaults(t) - before
}

func minorFaults(t *testing.T) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u.Minflt
}
