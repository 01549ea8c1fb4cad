package exchange_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/backup"
	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/folder"
)

const (
	backupChild = "CORDON_BACKUP_TEST_HOME"
	backupOut   = "CORDON_BACKUP_TEST_OUT"
	backupLimit = "CORDON_BACKUP_TEST_LIMIT"
)

// slowLake gives the first bytes of its second object, says so, and no more.
type slowLake struct {
	lake.Lake
	reads int
}

func (l *slowLake) Read(ctx context.Context, path string, from, n int64) (io.ReadCloser, error) {
	r, err := l.Lake.Read(ctx, path, from, n)
	if l.reads++; l.reads == 2 && err == nil {
		fmt.Println("in the middle")
		select {}
	}
	return r, err
}

// backupChildMain is the process that tests kill, or whose files can't grow.
func backupChildMain(home string) error {
	if os.Getenv(backupLimit) != "" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
			return err
		}
	}
	l, err := folder.View(filepath.Join(home, "lake"))
	if err != nil {
		return err
	}
	_, err = backup.Make(context.Background(), backup.Options{StoreDir: filepath.Join(home, "store"), Lake: &slowLake{Lake: l},
		Out: os.Getenv(backupOut), Objects: true, Now: time.Now()})
	return err
}

func backupProcess(t *testing.T, home, out string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(append(os.Environ(), backupChild+"="+home, backupOut+"="+out), env...)
	return cmd
}

// TestBackupKilled: what a killed backup leaves is no backup, and the next one is told of it.
func TestBackupKilled(t *testing.T) {
	w := busy(t)
	w.stop()
	out := filepath.Join(t.TempDir(), "backup")
	cmd := backupProcess(t, w.home, out)
	pipe, err := cmd.StdoutPipe()
	w.ok(err)
	w.ok(cmd.Start())
	if line, err := bufio.NewReader(pipe).ReadString('\n'); line != "in the middle\n" {
		t.Fatalf("%q %v", line, err)
	}
	w.ok(cmd.Process.Kill())
	_ = cmd.Wait()
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a killed backup has its name: %v", err)
	}
	for _, from := range []string{out, out + ".partial"} {
		if _, err := backup.Restore(t.Context(), from, filepath.Join(t.TempDir(), "home"), nil); !errors.Is(err, backup.ErrNoBackup) {
			t.Errorf("restore of what a killed backup left: %v", err)
		}
	}
	if _, err := backupOf(t, w.home, out, true); !errors.Is(err, backup.ErrUnfinish) {
		t.Errorf("backup beside what a killed one left: %v", err)
	}
	w.ok(os.RemoveAll(out + ".partial"))
	_, err = backupOf(t, w.home, out, true)
	w.ok(err)
}

// TestBackupFull: a disk without room leaves nothing.
func TestBackupFull(t *testing.T) {
	w := busy(t)
	w.stop()
	dir := t.TempDir()
	text, err := backupProcess(t, w.home, filepath.Join(dir, "backup"), backupLimit+"=1").CombinedOutput()
	if err == nil {
		t.Fatal("a backup larger than its disk succeeded")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v; it said %s", left, err, text)
	}
}
