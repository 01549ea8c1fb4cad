//go:build !windows

package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
)

func answer(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestExchangeFigures: they are at an address of their own, and not at the one that parties call.
func TestExchangeFigures(t *testing.T) {
	home := filepath.Join(exchangeHome(t), "exchange")
	line, ended, cancel := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--json")
	var ready struct{ URL, Metrics string }
	if err := json.Unmarshal([]byte(line), &ready); err != nil || ready.Metrics == "" {
		t.Fatalf("%q %v", line, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := answer(t, ready.URL+path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := answer(t, ready.URL+"/metrics"); status != http.StatusNotFound {
		t.Errorf("figures at the parties' address: %d", status)
	}
	status, body := answer(t, ready.Metrics)
	if status != http.StatusOK || !strings.Contains(body, `cordon_requests_total{route="GET /readyz",status="200"} 1`) || !strings.Contains(body, "cordon_polls_open 0") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := answer(t, strings.TrimSuffix(ready.Metrics, "/metrics")+"/v1/exchange"); status != http.StatusNotFound {
		t.Errorf("the exchange at the operator's address: %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(ready.Metrics); err == nil {
		t.Error("figures outlive the exchange")
	}
	for name, c := range map[string]struct {
		args []string
		code fault.Code
	}{
		"bad address":           {[]string{"--metrics", "999.0.0.1:1"}, fault.Unavailable},
		"no URL":                {[]string{"--otlp", "localhost:4317"}, fault.Usage},
		"credentials in an URL": {[]string{"--otlp", "http://user:pass@localhost:4318"}, fault.Usage},
	} {
		_, ended, _ := serveExchange(t, append([]string{"--home", home, "--listen", "127.0.0.1:0"}, c.args...)...)
		if err := <-ended; fault.ExitCode(err) != int(c.code) || fault.Hint(err) == "" || strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: %v, exit code %d", name, err, fault.ExitCode(err))
		}
	}
}
