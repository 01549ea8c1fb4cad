package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	tinyDir  = "CORDON_EXCHANGE_TEST_TINY"
	noMounts = 77 // exit code of the child where it can't mount
)

// TestMain also is the process of TestRealDiskFull, in a mount namespace of its own, and those of TestKilledProcess and of the tests of backups.
func TestMain(m *testing.M) {
	if home := os.Getenv(peerHome); home != "" {
		fmt.Println(servePeer(context.Background(), home, os.Getenv(peerStore)))
		os.Exit(1)
	}
	if home := os.Getenv(backupChild); home != "" {
		if err := backupChildMain(home); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(tinyDir); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
			os.Exit(noMounts)
		}
		if err := fillHome(context.Background(), dir+"/home"); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestRealDiskFull fills a file system of one megabyte to its last byte.
func TestRealDiskFull(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), tinyDir+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	noRoom := errors.As(err, &exit) && exit.ExitCode() == noMounts || err != nil && exit == nil
	need.That(t, !noRoom, "this system lets no user mount a small file system; TestStorageFull covers the answers, the stores' own tests the rest")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func fillHome(ctx context.Context, dir string) error {
	h, err := exchange.OpenHome(ctx, dir)
	if err != nil {
		return err
	}
	kept, err := fillStore(ctx, h)
	if err != nil {
		return err
	}
	// The lake meets the same disk: what does not fit leaves nothing behind.
	if err := h.Lake.Put(ctx, "a/large", strings.NewReader(strings.Repeat("x", 2<<20))); !errors.Is(err, lake.ErrFull) {
		return fmt.Errorf("upload to a full disk: %w", err)
	}
	if _, err := h.Lake.Size(ctx, "a/large"); !errors.Is(err, lake.ErrNotFound) {
		return fmt.Errorf("after it: %w", err)
	}
	if err := h.Close(); err != nil {
		return fmt.Errorf("close on a full disk: %w", err)
	}
	return reopenLarger(ctx, dir, kept)
}

func tinyOffer(n int) store.Statement {
	return store.Statement{Digest: statement.Sum(fmt.Append(nil, n)), Kind: store.KindOffer, Complete: true, Envelope: bytes.Repeat([]byte{byte(n)}, 20000)}
}

// fillStore adds statements until there is no room, and returns how many were confirmed.
func fillStore(ctx context.Context, h *exchange.Home) (int, error) {
	for n := range 1000 {
		_, err := h.Store.AddStatement(ctx, tinyOffer(n), nil)
		if errors.Is(err, store.ErrFull) {
			return n, found(ctx, h, n)
		}
		if err != nil {
			return 0, fmt.Errorf("statement %d: %w", n, err)
		}
	}
	return 0, errors.New("the disk does not get full")
}

func found(ctx context.Context, h *exchange.Home, kept int) error {
	for n := range kept {
		st, err := h.Store.Statement(ctx, tinyOffer(n).Digest)
		if err != nil || !bytes.Equal(st.Envelope, tinyOffer(n).Envelope) {
			return fmt.Errorf("confirmed statement %d of %d: %w", n, kept, err)
		}
	}
	if _, err := h.Store.Statement(ctx, tinyOffer(kept).Digest); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("refused statement: %w", err)
	}
	return nil
}

// reopenLarger makes room and goes on.
func reopenLarger(ctx context.Context, dir string, kept int) error {
	if err := syscall.Mount("", strings.TrimSuffix(dir, "/home"), "", syscall.MS_REMOUNT, "size=8m"); err != nil {
		return err
	}
	h, err := exchange.OpenHome(ctx, dir)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := found(ctx, h, kept); err != nil {
		return err
	}
	if _, err := h.Store.AddStatement(ctx, tinyOffer(kept), nil); err != nil {
		return err
	}
	return h.Lake.Put(ctx, "a/large", strings.NewReader(strings.Repeat("x", 2<<20)))
}
