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
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	writerEnv  = "CORDON_TEST_LEDGER_WRITER"
	writersEnv = "CORDON_TEST_LEDGER_WRITERS"
)

// TestMain is, in a child process, a writer that appends until it has lost the ledger, and says what was reported to it.
func TestMain(m *testing.M) {
	if dir := os.Getenv(writersEnv); dir != "" {
		writeTogether(dir)
	}
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

// writeTogether appends from many goroutines until it is killed, and says what was reported, unbuffered.
func writeTogether(dir string) {
	l, err := Open(dir, owner, time.Now)
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				e, err := l.Append(context.Background(), refusal(fmt.Sprint("writer", w, "-", os.Getpid(), "-", i)), nil)
				if err != nil {
					panic(err)
				}
				fmt.Printf("reported %d %s\n", e.Seq, e.Code)
			}
		})
	}
	wg.Wait()
}

// TestKilledWhileSyncsAreShared: a process whose goroutines share syncs is killed wherever it is. All that was reported to any of them
// is there, under its number, and the chain is whole.
func TestKilledWhileSyncsAreShared(t *testing.T) {
	dir := t.TempDir()
	total := 0
	for round := range 25 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), writersEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said []string
		kill := time.AfterFunc(time.Hour, func() { _ = cmd.Process.Kill() })
		for s := bufio.NewScanner(out); s.Scan(); {
			if said = append(said, s.Text()); len(said) == 1 { // it writes now
				kill.Reset(time.Duration(500+round*1300) * time.Microsecond)
			}
		}
		_ = cmd.Wait()
		entries, _, err := VerifyFile(dir, owner)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range said {
			var seq int
			var code string
			if _, err := fmt.Sscanf(s, "reported %d %s", &seq, &code); err != nil {
				continue // the line that it was killed in
			}
			if seq > len(entries) || entries[seq-1].Code != code {
				t.Fatalf("round %d: entry %d was reported as %s, and is lost", round, seq, code)
			}
			total++
		}
	}
	if total < 250 {
		t.Errorf("%d reports: the test never got to one", total)
	}
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
