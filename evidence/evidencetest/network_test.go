package evidencetest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cordon-exchange/cordon/"

// TestNoNetwork: no verifier names a package that dials, logs, reads files or the environment, or calls C; and no code
// that fetches over HTTP is linked with one. Package net itself comes with crypto/x509, which parses addresses.
func TestNoNetwork(t *testing.T) {
	for _, pkg := range []string{"evidence/field", "evidence/stage", "evidence/snp", "evidence/nitro", "evidence/token", "evidence/tpm", "evidence/exhibit", "evidence/hosted", "evidence/kinds"} {
		own := list(t, "{{join .Imports \" \"}}", pkg)
		for _, banned := range []string{"net", "net/http", "log", "log/slog", "os", "os/exec", "syscall", "C", "unsafe", "flag"} {
			if slices.Contains(own, banned) {
				t.Errorf("%s imports %s", pkg, banned)
			}
		}
		deps := list(t, "{{join .Deps \" \"}}", pkg)
		if len(deps) == 0 && pkg != "evidence/stage" {
			t.Errorf("%s has no dependencies", pkg)
		}
		for _, banned := range []string{"net/http", "runtime/cgo", "flag", "os/exec"} {
			if slices.Contains(deps, banned) {
				t.Errorf("%s is linked with %s", pkg, banned)
			}
		}
	}
}

func list(t *testing.T, format, pkg string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", format, module+pkg)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(pkg, err)
	}
	return strings.Fields(string(out))
}
