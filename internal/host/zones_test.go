package host

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/cordon-exchange/cordon/"

// A host passes on what it cannot read: it must not even contain the code that could.
func TestZoneHostImportsNothingThatOpens(t *testing.T) {
	deps := dependencies(t, "./...")
	for _, banned := range []string{"seal", "message", "pme", "policy", "privacy", "result", "receipt", "internal/party", "internal/enclave"} {
		for _, d := range deps {
			if d == module+banned || strings.HasPrefix(d, module+banned+"/") {
				t.Errorf("internal/host imports %s", d)
			}
		}
	}
}

// dependencies of packages, without those of their tests.
func dependencies(t *testing.T, packages string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", packages).Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("only %d packages: the list can't be right", len(deps))
	}
	return deps
}
