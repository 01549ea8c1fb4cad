// Package enclave_test holds what must be true of all packages of the enclave.
package enclave_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cordon-exchange/cordon/"

// The enclave speaks to its host through the channel alone; code of other zones would be code that nobody measured it for.
func TestZoneEnclaveImportsNoOther(t *testing.T) {
	deps := dependencies(t, "./...", "../../cmd/cordon-enclave")
	for _, banned := range []string{"internal/party", "internal/exchange", "internal/host", "internal/cli"} {
		for _, d := range deps {
			if strings.HasPrefix(d+"/", module+banned+"/") {
				t.Errorf("the enclave imports %s", d)
			}
		}
	}
}

// Everything outside of the standard library that is linked into the enclave is listed, so that a change of the list is seen
// in review. Update: go list -deps ./cmd/cordon-enclave.
func TestZoneImportListIsReviewed(t *testing.T) {
	var got []string
	for _, d := range dependencies(t, "../../cmd/cordon-enclave") {
		first, _, _ := strings.Cut(d, "/")
		if strings.Contains(first, ".") {
			got = append(got, d)
		}
	}
	slices.Sort(got)
	b, err := os.ReadFile("testdata/imports.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(b))
	for _, d := range got {
		if !slices.Contains(want, d) {
			t.Errorf("new in the enclave: %s", d)
		}
	}
	for _, d := range want {
		if !slices.Contains(got, d) {
			t.Errorf("no longer in the enclave: %s", d)
		}
	}
}

// dependencies of packages, without those of their tests.
func dependencies(t *testing.T, packages ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-deps"}, packages...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("only %d packages: the list can't be right", len(deps))
	}
	return deps
}
