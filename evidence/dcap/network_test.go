package dcap

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Verification does not dial: it runs with a network that fails.
func TestNoNetwork(t *testing.T) {
	dialled := errors.New("dialled")
	fails := func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, dialled
	}
	transport, resolver := http.DefaultTransport, net.DefaultResolver
	t.Cleanup(func() { http.DefaultTransport, net.DefaultResolver = transport, resolver })
	http.DefaultTransport, net.DefaultResolver = &http.Transport{DialContext: fails}, &net.Resolver{PreferGo: true, Dial: fails}
	for _, x := range [][2]string{{"sgx", "automata-a/2025-08-30"}, {"tdx", "near-gas/2025-09-08"}, {"tdx", "v5-google/2026-02-04"}} {
		if _, err := open(t, x[0], x[1]).judge(usual()); err != nil {
			t.Errorf("%s: %v", x[1], err)
		}
	}
}

// Only the standard library, the memory and the names of the checks, and nothing that could dial, log or run a program.
func TestZoneImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); !slices.Equal(got, []string{"github.com/cordon-exchange/cordon/evidence/remembered", "github.com/cordon-exchange/cordon/evidence/stage", "github.com/cordon-exchange/cordon/evidence/dcap"}) {
		t.Errorf("depends on %v", got)
	}
	out, err = exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	if !slices.Contains(got, "crypto/x509") {
		t.Fatal("the list of imports can't be right")
	}
	for _, banned := range []string{"net", "net/http", "log", "log/slog", "os", "os/exec", "unsafe", "C"} {
		if slices.Contains(got, banned) {
			t.Errorf("imports %s", banned)
		}
	}
}
