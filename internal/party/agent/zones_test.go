package agent

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/cordon-exchange/cordon/"

// TestZones holds the party away from the servers of exchange and host and from
// the enclave's code, and its binary free of cgo.
func TestZones(t *testing.T) {
	for pkg, banned := range map[string][]string{
		"internal/party/...": {
			// Not banned is privacy: the compiler that owners and enclave share checks with it what noise a release takes.
			"internal/exchange/store", "internal/exchange/lake", "internal/host", "internal/enclave", "github.com/duckdb", "runtime/cgo",
		},
		"cmd/cordon": {"internal/enclave/engine", "internal/enclave/runner", "github.com/duckdb", "runtime/cgo"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", module+pkg)
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 50 {
			t.Fatalf("%s has only %d dependencies", pkg, len(deps))
		}
		for _, d := range deps {
			d = strings.TrimPrefix(d, module)
			for _, b := range banned {
				if d == "privacy/dp/account" {
					continue // a party keeps the account; it adds no noise and sees no values
				}
				if d == b || strings.HasPrefix(d, b+"/") {
					t.Errorf("%s imports %s", pkg, d)
				}
			}
			if d == "internal/exchange" && pkg != "cmd/cordon" {
				t.Errorf("%s imports the server of the exchange", pkg)
			}
		}
	}
}
