//go:build !windows

package folder

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
)

const fileLimit = 64 << 10

// fillDisk writes a file that has room and one that has not.
func fillDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: fileLimit, Max: fileLimit}); err != nil {
		return err
	}
	l, err := Open(dir)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Put(context.Background(), "a/small", strings.NewReader("small")); err != nil {
		return err
	}
	err = l.Put(context.Background(), "a/large", strings.NewReader(strings.Repeat("x", 2*fileLimit)))
	if !errors.Is(err, lake.ErrFull) {
		return fmt.Errorf("past the limit: %w", err)
	}
	if _, err := l.Size(context.Background(), "a/large"); !errors.Is(err, lake.ErrNotFound) {
		return fmt.Errorf("after the limit: %w", err)
	}
	return nil
}
