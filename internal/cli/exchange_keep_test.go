//go:build !windows

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/internal/tests3"
	"github.com/cordon-exchange/cordon/statement"
)

func exchangeCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := NewExchangeCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// madeHome is a home whose exchange was served once.
func madeHome(t *testing.T) string {
	t.Helper()
	home := filepath.Join(exchangeHome(t), "exchange")
	_, ended, cancel := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0")
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return home
}

func TestExchangeKeep(t *testing.T) {
	home := filepath.Join(exchangeHome(t), "exchange")
	_, ended, cancel := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0")
	dir := filepath.Join(t.TempDir(), "backup")
	out, err := exchangeCommand(t, "backup", "--home", home, "-o", dir, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Exchange, Manifest string }
	if err := json.Unmarshal([]byte(out), &report); err != nil || !strings.HasPrefix(report.Manifest, "sha256:") || !strings.HasPrefix(report.Exchange, "exchange1") {
		t.Errorf("report %q: %v", out, err)
	}
	if _, err := exchangeCommand(t, "fsck", "--home", home); fault.ExitCode(err) != int(fault.Input) {
		t.Errorf("fsck of an exchange that is served: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if out, err := exchangeCommand(t, "fsck", "--home", home); err != nil || out != "checked: 0 statements, 0 parties, 0 jobs, 0 items, 0 objects, 0 entries of the log: 0 faults\n" {
		t.Errorf("fsck: %q %v", out, err)
	}
	again := filepath.Join(t.TempDir(), "restored")
	out, err = exchangeCommand(t, "restore", dir, "--home", again)
	if err != nil || !strings.HasPrefix(out, "restored: "+report.Exchange) || !strings.HasSuffix(out, " 0 faults\n") {
		t.Errorf("restore: %q %v", out, err)
	}
	line, ended, cancel := serveExchange(t, "--home", again, "--listen", "127.0.0.1:0")
	if !strings.Contains(line, report.Exchange) {
		t.Errorf("ready line of the restored exchange: %q", line)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	out, err = exchangeCommand(t, "backup", "--home", home, "-o", filepath.Join(t.TempDir(), "text"), "--objects")
	if err != nil || !strings.Contains(out, "objects: 0 (0 B), copied") || !strings.Contains(out, "manifest: sha256:") {
		t.Errorf("backup: %q %v", out, err)
	}
}

func TestExchangeKeepRefuses(t *testing.T) {
	home := madeHome(t)
	none := filepath.Join(t.TempDir(), "none")
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(t.TempDir(), "good")
	if _, err := exchangeCommand(t, "backup", "--home", home, "-o", good); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.CopyFS(bad, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bad, "exchange.db"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code fault.Code
	}{
		"backup without a home":    {[]string{"backup", "-o", none}, fault.Usage},
		"backup without a place":   {[]string{"backup", "--home", home}, fault.Usage},
		"backup of nothing":        {[]string{"backup", "--home", none, "-o", none + "2"}, fault.Input},
		"backup over something":    {[]string{"backup", "--home", home, "-o", full}, fault.Input},
		"restore without a home":   {[]string{"restore", good}, fault.Usage},
		"restore of nothing":       {[]string{"restore", none, "--home", none + "2"}, fault.Input},
		"restore over something":   {[]string{"restore", good, "--home", home}, fault.Input},
		"restore of what changed":  {[]string{"restore", bad, "--home", none}, fault.Untrusted},
		"fsck without a home":      {[]string{"fsck"}, fault.Usage},
		"fsck of nothing":          {[]string{"fsck", "--home", none}, fault.Input},
		"fsck, lake of no form":    {[]string{"fsck", "--home", home, "--lake", "ftp://x"}, fault.Usage},
		"fsck, lake over the wire": {[]string{"fsck", "--home", home, "--lake", "s3://b?endpoint=http://s3.example"}, fault.Usage},
	} {
		_, err := exchangeCommand(t, c.args...)
		if fault.ExitCode(err) != int(c.code) || fault.Hint(err) == "" {
			t.Errorf("%s: %v, exit code %d", name, err, fault.ExitCode(err))
		}
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("a home was made where there was none")
	}
}

// TestExchangeKeepOverPostgreSQL: a database is checked while it is served; copies are for its own programs, which the refusal names.
func TestExchangeKeepOverPostgreSQL(t *testing.T) {
	db, home := testpg.Database(t), filepath.Join(exchangeHome(t), "home")
	if _, err := exchangeCommand(t, "fsck", "--store", db); fault.ExitCode(err) != int(fault.Input) {
		t.Errorf("fsck of an empty database: %v", err)
	}
	_, ended, cancel := serveExchange(t, "--store", db, "--home", home, "--listen", "127.0.0.1:0")
	for _, args := range [][]string{{"--store", db}, {"--store", db, "--home", home}, {"--store", db, "--home", home, "--objects=false"}} {
		out, err := exchangeCommand(t, append([]string{"fsck"}, args...)...)
		if err != nil || out != "checked: 0 statements, 0 parties, 0 jobs, 0 items, 0 objects, 0 entries of the log: 0 faults\n" {
			t.Errorf("fsck %v: %q %v", args[1:], out, err)
		}
	}
	for verb, args := range map[string][]string{
		"pg_dump":    {"backup", "--store", db, "-o", filepath.Join(t.TempDir(), "none")},
		"pg_restore": {"restore", home, "--store", db},
	} {
		_, err := exchangeCommand(t, args...)
		if fault.ExitCode(err) != int(fault.Usage) || !strings.HasPrefix(fault.Hint(err), verb+" ") {
			t.Errorf("%v: %v, hint %q", args[0], err, fault.Hint(err))
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for url, code := range map[string]fault.Code{"postgres://u:secret@127.0.0.1/db": fault.Usage, "postgres://u@127.0.0.1:1/db": fault.Unavailable} {
		if _, err := exchangeCommand(t, "fsck", "--store", url); fault.ExitCode(err) != int(code) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestExchangeFsckFaults: faults are lines, and the exit code says that there are some.
func TestExchangeFsckFaults(t *testing.T) {
	home := madeHome(t)
	st, err := sqlite.Open(context.Background(), filepath.Join(home, "store"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.AddStatement(t.Context(), store.Statement{Digest: statement.Sum(nil), Kind: store.KindOffer, Complete: true, Envelope: []byte("x")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := exchangeCommand(t, "fsck", "--home", home)
	want := "offer " + string(statement.Sum(nil)) + ": its envelope is malformed\n"
	if fault.ExitCode(err) != int(fault.Untrusted) || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, ": 1 faults\n") {
		t.Errorf("%q, %v", out, err)
	}
	out, err = exchangeCommand(t, "fsck", "--home", home, "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if fault.ExitCode(err) != int(fault.Untrusted) || len(lines) != 2 {
		t.Fatalf("%q, %v", out, err)
	}
	var f struct{ Kind, About, Text string }
	var sum struct{ Statements, Faults int }
	if err := json.Unmarshal([]byte(lines[0]), &f); err != nil || f.Kind != "offer" || f.Text == "" {
		t.Errorf("%q %v", lines[0], err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &sum); err != nil || sum.Statements != 1 || sum.Faults != 1 {
		t.Errorf("%q %v", lines[1], err)
	}
}

// TestExchangeLake serves from a bucket, keeps its credentials to itself, and says what is wrong with one.
func TestExchangeLake(t *testing.T) {
	s := tests3.Start(t)
	home := filepath.Join(exchangeHome(t), "exchange")
	line, ended, cancel := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0", "--lake", s.URL("/some/prefix"))
	if !strings.HasPrefix(line, "exchange ready") {
		t.Fatalf("%q, %v", line, <-ended)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := exchangeCommand(t, "backup", "--home", home, "-o", dir, "--objects", "--lake", s.URL("/some/prefix")); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "lake")); err == nil {
		t.Error("a folder for the lake was made beside the bucket")
	}
	if out, err := exchangeCommand(t, "restore", dir, "--home", filepath.Join(t.TempDir(), "again"), "--lake", s.URL("")); err != nil {
		t.Errorf("%q %v", out, err)
	}
	for name, c := range map[string]struct {
		lake string
		code fault.Code
	}{
		"no such bucket": {strings.Replace(s.URL(""), "s3://lake", "s3://pond", 1), fault.Unavailable},
		"nobody there":   {"s3://lake?endpoint=http://127.0.0.1:1", fault.Unavailable},
		"no form":        {"s3://lake?secret=x", fault.Usage},
	} {
		_, ended, _ := serveExchange(t, "--home", home, "--listen", "127.0.0.1:0", "--lake", c.lake)
		err := <-ended
		if fault.ExitCode(err) != int(c.code) || fault.Hint(err) == "" || strings.Contains(err.Error(), os.Getenv("AWS_SECRET_ACCESS_KEY")) {
			t.Errorf("%s: %v, exit code %d", name, err, fault.ExitCode(err))
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, ended, _ = serveExchange(t, "--home", home, "--listen", "127.0.0.1:0", "--lake", s.URL(""))
	if err := <-ended; fault.ExitCode(err) != int(fault.Unavailable) {
		t.Errorf("no credentials: %v", err)
	}
}
