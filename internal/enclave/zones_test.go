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

// Everything that is linked into the enclave is listed, what is outside of the standard library with what it is for, so that a change
// is seen in review. Update by hand, from: go list -deps ./cmd/cordon-enclave. Packages that the standard library keeps to itself
// are not listed: they come and go with versions of Go.
func TestZoneImportListIsReviewed(t *testing.T) {
	var got, std []string
	for _, d := range dependencies(t, "../../cmd/cordon-enclave") {
		first, _, _ := strings.Cut(d, "/")
		switch {
		case strings.Contains(first, "."):
			got = append(got, d)
		case first != "vendor" && d != "unsafe" && !slices.Contains(strings.Split(d, "/"), "internal"):
			std = append(std, d)
		}
	}
	compareLists(t, got, reviewed(t, "testdata/imports.txt", true))
	compareLists(t, std, reviewed(t, "testdata/imports-std.txt", false))
}

// reviewed reads a list: a package on each line and, where reasons is set, what it is for.
func reviewed(t *testing.T, path string, reasons bool) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		name, reason, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if reasons && reason == "" {
			t.Errorf("%s: nothing says what %s is for", path, name)
		}
		out = append(out, name)
	}
	if !slices.IsSorted(out) {
		t.Errorf("%s is not sorted", path)
	}
	return out
}

func compareLists(t *testing.T, got, want []string) {
	t.Helper()
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
	cmd := exec.Command("go", append([]string{"list", "-deps", "-tags", "netgo,osusergo"}, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOEXPERIMENT=runtimesecret") // as the enclave is built
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("only %d packages: the list can't be right", len(deps))
	}
	return deps
}
