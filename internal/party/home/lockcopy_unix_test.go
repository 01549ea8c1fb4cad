//go:build unix

package home

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReleaseEndsCopies: a child that another goroutine is starting has a copy of every descriptor until it runs. The lock that it
// copied ends with the release all the same.
func TestReleaseEndsCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var copies []int
	for range 3 {
		release, err := LockFile(path, "taken")
		if err != nil {
			t.Fatal(err)
		}
		for fd := 3; fd < 64; fd++ {
			var st, want unix.Stat_t
			if unix.Fstat(fd, &st) == nil && unix.Stat(path, &want) == nil && st.Ino == want.Ino && st.Dev == want.Dev {
				if c, err := unix.Dup(fd); err == nil {
					copies = append(copies, c)
				}
				break
			}
		}
		release()
	}
	if len(copies) != 3 {
		t.Fatalf("%d copies: the test shows nothing", len(copies))
	}
	for _, c := range copies {
		unix.Close(c)
	}
}
