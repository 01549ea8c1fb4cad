package cache

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/need"
)

// fillCommand makes the test program a host that fills a cache until it is killed.
const fillCommand = "__fill"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == fillCommand {
		fill(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// fill reads objects one after the other, slowly enough to be killed in the middle of one.
func fill(dir string) {
	c, err := Open(Options{Dir: dir, Bytes: 1 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	l := &lake{size: size}
	for i := range 1000 {
		r, err := c.Read(context.Background(), Object{Path: fmt.Sprintf("o/%d", i), Size: size, N: size, From: l.open})
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(io.Discard, r)
		r.Close()
		fmt.Println("read")
		time.Sleep(time.Millisecond)
	}
}

// TestKilled: a host that is killed at any time leaves a folder that the next one reads right from.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 8 {
		cmd := exec.Command(program, fillCommand, dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 3 + round {
			if !lines.Scan() || lines.Text() != "read" {
				t.Fatalf("said %q", lines.Text())
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		l, c := &lake{size: size}, open(t, dir, 1<<30)
		for i := range 10 {
			if err := read(c, l, fmt.Sprintf("o/%d", i), 0, size); err != nil {
				t.Fatal(err)
			}
		}
		if l.asked > 8*size {
			t.Errorf("%d bytes asked for: nothing was kept", l.asked)
		}
		c.Close()
	}
}

// TestFullDisk: what the disk has no room for is streamed, and what is on it stays good.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k")
	need.That(t, err == nil, fmt.Sprintf("no tmpfs can be mounted here: %v", err))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	l, c := &lake{size: size}, open(t, dir, 1<<30) // 641 KiB
	for range 3 {
		mustRead(t, c, l, 0, size)
		mustRead(t, c, l, 1, size-1)
		mustRead(t, c, l, 2, size-2)
	}
	if c.held > 512<<10 {
		t.Errorf("%d bytes held", c.held)
	}
	if err := read(c, l, "o/another", 0, size); err != nil {
		t.Fatal(err)
	}
	c.Close()
}
