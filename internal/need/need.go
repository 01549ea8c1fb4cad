package need

import (
	"os"
	"testing"
)

// All reports whether the machine is one that must offer everything.
func All() bool { return os.Getenv("CORDON_REQUIRE_ALL") == "1" }

// That skips the test unless ok holds, and fails it instead where everything must run. The reason says what is missing.
func That(t testing.TB, ok bool, reason string) {
	t.Helper()
	if ok {
		return
	}
	if All() {
		t.Fatalf("CORDON_REQUIRE_ALL=1, but: %s", reason)
	}
	t.Skip(reason)
}
