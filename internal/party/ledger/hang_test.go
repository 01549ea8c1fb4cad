//go:build unix

package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const writerEnv = "CORDON_TEST_LEDGER_WRITER"

// TestMain is, in a child process, a writer that appends until it has lost the ledger, and says what was reported to it.
func TestMain(m *testing.M) {
	dir := os.Getenv(writerEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	l, err := Open(dir, owner, clock)
	for i := 0; err == nil; i++ {
		var e Entry
		if e, err = l.Append(context.Background(), refusal(fmt.Sprint("writer", i)), nil); err == nil {
			fmt.Printf("reported %d %s\n", e.Seq, e.Code)
		}
	}
	fmt.Println("ended", errors.Is(err, ErrLost), err)
}

// TestWriterHangs: a writer that hangs at any moment, and goes on after another has taken over, appends nothing more; all that it
// reported is there, and the chain is whole.
func TestWriterHangs(t *testing.T) {
	for round := range 8 {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), writerEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := make(chan string, 1<<20)
		go func() {
			defer close(lines)
			for s := bufio.NewScanner(out); s.Scan(); {
				lines <- s.Text()
			}
		}()
		said := []string{<-lines}
		time.Sleep(time.Duration(3+7*round) * time.Millisecond)
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if _, err := Takeover(dir, owner, accept); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir)
		for i := range 5 {
			if _, err := appendOne(t, l, fmt.Sprint("new", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		for s := range lines {
			said = append(said, s)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if last := said[len(said)-1]; !strings.HasPrefix(last, "ended true") {
			t.Fatalf("the writer ended with %q", last)
		}
		if _, err := appendOne(t, l, "last"); err != nil {
			t.Fatal(err)
		}
		entries, _, err := VerifyFile(dir, owner)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range said[:len(said)-1] {
			var seq int
			var code string
			if _, err := fmt.Sscanf(s, "reported %d %s", &seq, &code); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			if seq > len(entries) || entries[seq-1].Code != code {
				t.Fatalf("entry %d was reported as %s, and is lost", seq, code)
			}
		}
		// At most one entry is there that was not reported: what it stands for did not happen.
		if extra := len(entries) - 6 - (len(said) - 1); extra < 0 || extra > 1 {
			t.Errorf("%d entries are there, %d were reported to the old writer", len(entries), len(said)-1)
		}
		t.Logf("round %d: %d entries by the old writer", round, len(said)-1)
	}
}
