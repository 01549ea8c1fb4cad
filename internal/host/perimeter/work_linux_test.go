package perimeter

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/need"
)

// TestWork: inside the perimeter, after the filter, everything that a job needs still works.
func TestWork(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		arg  int
		want string
	}{
		{"scan", 1, "200000 19999900000 100"},
		{"scan", 4, "200000 19999900000 100"}, // threads made after the filter
		{"runtime", 0, "fine"},
		{"echo a megabyte", 0, "sent"},
		{"engine path", 0, "refused"},         // even with the engine's own guard off
		{"read the clock", 0, "true"},         // by the system call itself
		{"is there such a file", 0, "yes"},    // without the kernel being asked
		{"longer heap", 0, "0"},               // the same
		{"scan", 4, "200000 19999900000 100"}, // and again
	}
	eachForm(t, func(t *testing.T, r Request) {
		s, h := begin(t, Options{Request: r})
		if len(h.Names) == 0 || len(h.Names) > 30 {
			t.Errorf("%d calls allowed, want 1 to 30", len(h.Names))
		}
		for _, tt := range tests {
			o, err := s.try(t, tt.name, tt.arg)
			if err != nil {
				t.Fatalf("%s: %v: %v", tt.name, err, s.Wait())
			}
			if o.Errno != 0 || o.Text != tt.want {
				t.Errorf("%s: got %v %q, want %q", tt.name, unix.Errno(o.Errno), o.Text, tt.want)
			}
		}
		if _, err := s.try(t, "done", 0); !errors.Is(err, errEnded) {
			t.Fatal(err)
		}
		if st := s.Wait(); !st.Clean() || st.CPU == 0 || st.MaxRSS == 0 {
			t.Errorf("ended by %v, want a clean end with its cost", st)
		}
	})
}

// minReserved is address space that is reserved in any enclave and never resident: Go's tables alone take more.
const minReserved = 1 << 30

// TestLimits: running out hurts the enclave alone.
func TestLimits(t *testing.T) {
	t.Parallel()
	limits := Limits{MemoryBytes: 512 << 20, Files: 64, Threads: 64}
	tests := []struct {
		name string
		arg  int
		ok   func(o outcome, ended bool, st ExitState) bool
	}{
		{"eat memory", 0, func(_ outcome, ended bool, st ExitState) bool { return ended && st.Code == 2 }},
		{"eat engine", 0, func(o outcome, ended bool, st ExitState) bool { return ended || o.Text == "engine refused" }},
		{"eat memory file", 0, func(o outcome, ended bool, st ExitState) bool {
			return ended && !st.Clean() || o.Errno == int(unix.EFBIG)
		}},
		{"eat descriptors", 0, func(o outcome, ended bool, _ ExitState) bool { return o.Errno == int(unix.EMFILE) }},
	}
	eachForm(t, func(t *testing.T, r Request) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s, _ := begin(t, Options{Request: r, Limits: limits})
				o, err := s.try(t, tt.name, tt.arg)
				ended := errors.Is(err, errEnded)
				var st ExitState
				if ended {
					st = s.Wait()
				}
				if !tt.ok(o, ended, st) {
					t.Errorf("got %v, ended %v by %v", o, ended, st)
				}
				s.Kill()
				if got, most := s.Wait().MaxRSS, int64(s.Form().Limits.AddressBytes)-minReserved; got > most {
					t.Errorf("resident memory %d, want at most %d", got, most)
				}
			})
		}
	})
}

// TestThreadLimit counts in the enclave's own user namespace, so it holds whatever else the user runs.
func TestThreadLimit(t *testing.T) {
	t.Parallel()
	const threads = 200
	for _, n := range []Name{Process, SharedPID} {
		t.Run(string(n), func(t *testing.T) {
			r := offered(t, n)
			roomy := Limits{MemoryBytes: 8 << 30, Threads: 2 * threads} // so that stacks are not what is missing
			s, _ := begin(t, Options{Request: r, Limits: roomy})
			if os.Geteuid() == 0 && s.Form().User == UserCaller {
				need.That(t, false, "the kernel exempts root from this limit, and here root can't become someone else")
			}
			if o, err := s.try(t, "threads to limit", threads); err != nil || o.Text != "all made" {
				t.Fatalf("within the limit: %v, %v", o, err)
			}
			roomy.Threads = 64
			s, _ = begin(t, Options{Request: r, Limits: roomy})
			if o, err := s.try(t, "threads to limit", threads); !errors.Is(err, errEnded) {
				t.Fatalf("above the limit: %v", o)
			}
			if st := s.Wait(); st.Clean() || st.Signal == syscall.SIGKILL {
				t.Errorf("ended by %v, want the runtime giving up", st)
			}
		})
	}
}
