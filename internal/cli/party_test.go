//go:build !windows

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11/softhsm"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// TestPartyScripts runs the scripts of all verbs that talk to an agent, each
// with an exchange of its own: at $EXCHANGE.
func TestPartyScripts(t *testing.T) {
	var scripts []string
	for _, verb := range []string{"party", "dataset", "pool", "contract", "query", "result", "ledger", "account", "cordon", "policy", "evidence", "budget", "receipt", "enclave", "approve", "key", "template", "accreditation", "exchange"} {
		found, err := filepath.Glob("testdata/" + verb + "-*.txtar")
		if err != nil || len(found) == 0 {
			t.Fatalf("no script of %s: %v", verb, err)
		}
		scripts = append(scripts, found...)
	}
	testscript.Run(t, testscript.Params{Files: scripts, Setup: startExchange, Cmds: commands})
}

// TestTokenScripts runs those that need a token, each with its own: $STORE and $OTHER are keys in it, "token away" and "token back" take
// it and give it back.
func TestTokenScripts(t *testing.T) {
	var scripts []string
	for _, pattern := range []string{"testdata/token-*.txtar", "testdata/signing-token*.txtar"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no script of %s: %v", pattern, err)
		}
		scripts = append(scripts, found...)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) { runTokenScript(t, script) })
	}
}

func runTokenScript(t *testing.T, script string) {
	token := softhsm.New(t)
	t.Setenv("PATH", filepath.Dir(token.Helper)+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmds := maps.Clone(commands)
	cmds["token"] = func(ts *testscript.TestScript, neg bool, args []string) {
		switch args[0] {
		case "away":
			token.Unplug(t)
		case "back":
			token.Plug(t)
		case "pin":
			token.WritePIN(t, args[1])
		}
	}
	testscript.Run(t, testscript.Params{Files: []string{script}, Cmds: cmds, Setup: func(env *testscript.Env) error {
		env.Setenv("STORE", token.URI("cordon"))
		env.Setenv("OTHER", token.URI("other"))
		env.Setenv("TOKENPIN", softhsm.PIN)
		return startExchange(env)
	}})
}

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"cordon": runCordon, "exit": checkExit, "mode": checkMode, "agent": startAgent, "halt": stopAgent, "stopagent": stopAgent, "grab": grabField, "expand": expandFile,
	"await": awaitOutput, "damage": damageFile, "acknowledge": writeAcknowledged, "guest": writeGuest, "flip": flipByte,
}

func startExchange(env *testscript.Env) error {
	ctx, cancel := context.WithCancel(context.Background())
	h, err := exchange.OpenHome(ctx, filepath.Join(env.WorkDir, "exchange"))
	if err != nil {
		cancel()
		return err
	}
	srv, err := exchange.New(ctx, exchange.Options{Store: h.Store, Lake: h.Lake, Lease: time.Second, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), LogDir: h.LogDir})
	if err != nil {
		cancel()
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Run(ctx, l)
		_ = h.Close()
	}()
	env.Defer(func() { cancel(); <-done })
	env.Setenv("EXCHANGE", "http://"+l.Addr().String())
	env.Setenv("CORDON_HOME", "")
	env.Values[agents{}] = map[string]func(){}
	recorded, err := filepath.Abs("../../evidence/testdata")
	env.Setenv("RECORDED", recorded)
	return err
}

// runCordon runs the whole command line in this process. Words that begin with ./ are files of the script.
func runCordon(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	code := Run(ctx, absolute(ts, args), ts.Stdout(), ts.Stderr())
	ts.Setenv("exit", strconv.Itoa(code))
	if neg == (code == 0) {
		ts.Fatalf("exit code is %d", code)
	}
}

// awaitOutput runs a command again until it prints the text, for what agents do by themselves: await TEXT cordon ARGUMENTS...
func awaitOutput(ts *testscript.TestScript, _ bool, args []string) {
	const patience = 30 * time.Second
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var out bytes.Buffer
		if Run(context.Background(), absolute(ts, args[2:]), &out, io.Discard) == 0 && strings.Contains(out.String(), args[0]) {
			return
		}
	}
	ts.Fatalf("%q did not come within %s", args[0], patience)
}

func absolute(ts *testscript.TestScript, args []string) []string {
	out := slices.Clone(args)
	for i, a := range out {
		if strings.HasPrefix(a, "./") {
			out[i] = ts.MkAbs(a)
		}
	}
	return out
}

// startAgent makes a party and serves it until the script ends: agent NAME [flags of party serve]
func startAgent(ts *testscript.TestScript, neg bool, args []string) {
	home, pass := ts.MkAbs(args[0]), ts.MkAbs(args[0]+".pass")
	if _, err := os.Stat(home); err != nil {
		runCordon(ts, false, []string{"party", "init", "--home", home, "--name", args[0], "--generate-passphrase", pass})
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, ready, ended := &readySignal{seen: make(chan struct{})}, make(chan int, 1), make(chan struct{})
	log := &bytes.Buffer{}
	serve := append([]string{"party", "serve", "--home", home, "--passphrase-file", pass, "--exchange", ts.Getenv("EXCHANGE"), "--json"}, args[1:]...)
	go func() {
		code := Run(ctx, serve, out, log)
		ready <- code
		close(ended)
	}()
	stop := sync.OnceFunc(func() { cancel(); <-ended })
	ts.Value(agents{}).(map[string]func())[args[0]] = stop
	ts.Defer(stop)
	select {
	case <-out.seen:
	case code := <-ready:
		ts.Fatalf("agent of %s ended with %d: %s", args[0], code, log)
	case <-time.After(30 * time.Second):
		ts.Fatalf("agent of %s is not ready: %s", args[0], log)
	}
}

// agents is the key under which a script has the agents that run.
type agents struct{}

// stopAgent stops an agent as SIGTERM does: halt NAME
func stopAgent(ts *testscript.TestScript, neg bool, args []string) {
	ts.Value(agents{}).(map[string]func())[args[0]]()
}

type readySignal struct {
	once sync.Once
	seen chan struct{}
}

func (r *readySignal) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(`"ready":true`)) {
		r.once.Do(func() { close(r.seen) })
	}
	return len(p), nil
}

// grabField puts a field of the JSON on standard output into a variable: grab VAR field.0.field
func grabField(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for _, step := range strings.Split(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				ts.Fatalf("no element %s", step)
			}
			v = x[i]
		}
	}
	s, ok := v.(string)
	if !ok {
		ts.Fatalf("%s is %v", args[1], v)
	}
	ts.Setenv(args[0], s)
}

// expandFile replaces $VARIABLES in a file of the script.
func expandFile(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// damageFile changes one byte in the middle of a file.
func damageFile(ts *testscript.TestScript, neg bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// writeAcknowledged writes a receipt bundle in which a party signed for its ledger as it is now: acknowledge HOME FILE
func writeAcknowledged(ts *testscript.TestScript, neg bool, args []string) {
	dir, ring, err := unlock(ts.MkAbs(args[0]), ts.MkAbs(args[0]+".pass"))
	ts.Check(err)
	_, head, err := ledger.VerifyFile(dir.Ledger(), ring.Fingerprint())
	ts.Check(err)
	d := statement.Sum(nil)
	ack, err := statement.Sign(statement.Ack{Owner: ring.Fingerprint(), Job: d, Receipt: d, Release: d, ReleasedMS: 1, ClosedMS: 1, Head: head}, ring.Signer())
	ts.Check(err)
	b, err := receipt.Decode(vectors.Bundle())
	ts.Check(err)
	b.Acks = append(b.Acks, *ack)
	src, err := b.Encode()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), src, 0o600))
}

// TestHelp: every command says what it does, has an example if it can be run, and documents its exit codes.
func TestHelp(t *testing.T) {
	for _, cmd := range leaves(NewRootCommand()) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" || !strings.Contains(cmd.Long+cmd.Parent().Long, "xit codes:") {
			t.Errorf("%s: help lacks a text, an example or the exit codes", cmd.CommandPath())
		}
		if cmd.Flags().Lookup("json") == nil && cmd.Parent().Name() != "parquet" {
			t.Errorf("%s has no --json", cmd.CommandPath())
		}
	}
}

func leaves(cmd *cobra.Command) []*cobra.Command {
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	var out []*cobra.Command
	for _, sub := range cmd.Commands() {
		out = append(out, leaves(sub)...)
	}
	return out
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"party", "nonsense"}, {"party", "init"}, {"party", "init", "--nonsense"}, {"dataset", "publish"}, {"dataset", "publish", "a", "b"},
		{"query", "run"}, {"query", "run", "--home", t.TempDir(), "SELECT 1"}, {"result", "open", "x"}, {"contract", "grant", "x"}, {"pool", "propose", "x"},
		{"contract", "propose"}, {"receipt", "show", "x"}, {"party", "serve", "--home", t.TempDir()}, {"contract", "propose", "--until", "tomorrow"},
		{"query", "explain", " "}, {"query", "explain", "x", "--contract", "y"}, {"query", "explain", "x", "--pin", "y"}, {"query", "explain", "x", "--param", "y"},
		{"policy", "check"}, {"policy", "explain"}, {"policy", "new"}, {"policy", "new", "--preset", "patients", "--build", "X"}, {"policy", "schema", "x"},
	} {
		var out, errs bytes.Buffer
		if code := Run(t.Context(), args, &out, &errs); code != 2 || !strings.HasPrefix(errs.String(), "error: ") || !strings.Contains(errs.String(), "\nhint: ") {
			t.Errorf("%v: exit %d, %s", args, code, &errs)
		}
		if out.Len() > 0 && !strings.Contains(fmt.Sprint(args), "party nonsense") {
			t.Errorf("%v wrote to standard output: %s", args, &out)
		}
	}
}
