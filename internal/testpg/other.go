//go:build !unix

package testpg

import (
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
)

// Database skips the test: the server is only started on Unix.
func Database(t testing.TB) string {
	t.Helper()
	need.That(t, false, "PostgreSQL is only started on Unix")
	return ""
}
