package exchange_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cordon-exchange/cordon/"

// TestZones holds the exchange away from all code that opens keys or values. The
// client runs in the zones of party and host, so it must not bring the server with it.
func TestZones(t *testing.T) {
	opens := []string{"seal", "pme", "policy", "privacy", "result", "message", "evidence", "receipt", "internal/party", "internal/host", "internal/enclave"}
	for pkg, banned := range map[string][]string{
		"internal/exchange/...":    opens,
		"internal/exchange/client": append([]string{"internal/exchange/store", "internal/exchange/lake"}, opens...),
		"internal/exchange/wire":   append([]string{"internal/exchange/store", "internal/exchange/lake", "internal/exchange/client"}, opens...),
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 20 {
			t.Fatalf("%s has only %d dependencies", pkg, len(deps))
		}
		for _, d := range deps {
			for _, b := range banned {
				if in(d, module+b) {
					t.Errorf("%s imports %s", pkg, d)
				}
			}
		}
		if pkg != "internal/exchange/..." && slices.Contains(deps, module+"internal/exchange") {
			t.Errorf("%s imports the server", pkg)
		}
	}
}

// in reports whether a package is one or lies below it.
func in(pkg, tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") }
