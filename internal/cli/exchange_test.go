//go:build !windows

package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/testpg"
)

// serveExchange starts the command and returns its ready line and what it ends with.
func serveExchange(t *testing.T, args ...string) (ready string, ended chan error, cancel func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, w := io.Pipe()
	cmd := NewExchangeCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{"serve"}, args...))
	cmd.SetOut(w)
	cmd.SetErr(io.Discard)
	ended = make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		_ = w.CloseWithError(io.EOF)
		ended <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return line, ended, cancel
}

func TestExchangeServe(t *testing.T) {
	home := filepath.Join(exchangeHome(t), "exchange")
	line, ended, _ := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0", "--json")
	var ready struct{ Event, URL, ID string }
	if err := json.Unmarshal([]byte(line), &ready); err != nil || ready.Event != "ready" {
		t.Fatalf("ready line %q: %v", line, err)
	}
	resp, err := http.Get(ready.URL + "/v1/exchange")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(b, []byte(ready.ID)) {
		t.Fatalf("%d %s %v", resp.StatusCode, b, err)
	}
	again, secondEnd, _ := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0")
	if err := <-secondEnd; again != "" || fault.ExitCode(err) != int(fault.Input) || fault.Hint(err) == "" {
		t.Errorf("second exchange in one home: %q, %v", again, err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("does not stop on SIGTERM")
	}
	text, ended, cancel := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0")
	if !strings.HasPrefix(text, "exchange ready at http://127.0.0.1:") || !strings.Contains(text, ready.ID) {
		t.Errorf("ready line %q", text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestExchangesOverOneDatabase: both have one id, and neither keeps the other out.
func TestExchangesOverOneDatabase(t *testing.T) {
	link, home := testpg.Database(t), exchangeHome(t)
	var ids []string
	for range 2 {
		line, _, _ := serveExchange(t, "--home", home, "--store", link, "--listen", "127.0.0.1:0", "--json")
		var ready struct{ ID string }
		if err := json.Unmarshal([]byte(line), &ready); err != nil {
			t.Fatalf("ready line %q: %v", line, err)
		}
		ids = append(ids, ready.ID)
	}
	if ids[0] != ids[1] || ids[0] == "" {
		t.Errorf("ids %q", ids)
	}
}

// exchangeHome is a folder that is removed at the end, again where that fails: what Tessera does behind an exchange's end can't be waited
// for, and a file of it may come late.
func exchangeHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "exchange-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if err = os.RemoveAll(home); err == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Error(err)
	})
	return home
}

func TestExchangeServeRefuses(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code fault.Code
	}{
		"no home":     {nil, fault.Usage},
		"short lease": {[]string{"--home", home, "--lease", "10ms"}, fault.Usage},
		"home a file": {[]string{"--home", file}, fault.LocalStorage},
		"no database": {[]string{"--home", home, "--store", "postgres://u@127.0.0.1:1/x"}, fault.Unavailable},
		"password":    {[]string{"--home", home, "--store", "postgres://u:secret@127.0.0.1:1/x"}, fault.Usage},
		"other store": {[]string{"--home", home, "--store", "mysql://u@127.0.0.1:1/x"}, fault.Usage},
		"bad address": {[]string{"--home", filepath.Join(home, "a"), "--listen", "999.0.0.1:1"}, fault.Unavailable},
	} {
		_, ended, _ := serveExchange(t, c.args...)
		if err := <-ended; fault.ExitCode(err) != int(c.code) || fault.Hint(err) == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, exit code %d", name, err, fault.ExitCode(err))
		}
	}
}
