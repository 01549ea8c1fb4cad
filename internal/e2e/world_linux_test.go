package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 20 * time.Second

// world is a folder with everything that the processes of one test write.
type world struct {
	*testing.T
	*programs
	out      string
	exchange string // URL
	commands int

	mu      sync.Mutex
	running []*process
}

type process struct {
	name  string
	owner string // whose agent it is, if an owner's
	cmd   *exec.Cmd
	done  chan struct{}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, programs: built(t), out: t.TempDir()}
	for _, dir := range []string{"logs", "homes", "premises", "receipts", "tmp"} {
		w.must(os.MkdirAll(filepath.Join(w.out, dir), 0o700))
	}
	t.Cleanup(w.stopAll)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.out}, parts...)...)
}
func (w *world) home(party string) string { return w.path("homes", party) }
func (w *world) passphrase(party string) string {
	return w.path("premises", party+".passphrase")
}

// env keeps temporary files in the world's folder, where they are looked at.
func (w *world) env() []string { return append(os.Environ(), "TMPDIR="+w.path("tmp")) }

// start runs a server until the end of the test, or until it is stopped. All that it prints goes to its log.
func (w *world) start(name string, ready any, args ...string) *process {
	w.Helper()
	log, err := os.OpenFile(w.path("logs", name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	w.must(err)
	defer log.Close()
	cmd := exec.Command(w.cordon, args...)
	return w.run(name, cmd, log, ready)
}

func (w *world) run(name string, cmd *exec.Cmd, log *os.File, ready any) *process {
	w.Helper()
	cmd.Env = append(w.env(), cmd.Env...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	w.must(err)
	w.must(cmd.Start())
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	w.mu.Lock()
	w.running = append(w.running, p)
	w.mu.Unlock()
	lines := make(chan string, 1)
	go p.follow(bufio.NewScanner(out), log.Name(), lines)
	select {
	case line := <-lines:
		w.must(json.Unmarshal([]byte(line), ready))
	case <-p.done:
		w.Fatalf("%s ended before it was ready: %s", name, w.read("logs", name+".log"))
	case <-time.After(patience):
		w.Fatalf("%s is not ready: %s", name, w.read("logs", name+".log"))
	}
	return p
}

func (p *process) follow(s *bufio.Scanner, log string, first chan<- string) {
	defer close(p.done)
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		defer f.Close()
	}
	for s.Scan() {
		fmt.Fprintln(f, s.Text())
		select {
		case first <- s.Text():
		default:
		}
	}
	_ = p.cmd.Wait()
}

func (w *world) read(parts ...string) string {
	b, err := os.ReadFile(w.path(parts...))
	w.must(err)
	return string(b)
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (w *world) stopAll() {
	var all sync.WaitGroup
	for _, p := range w.running {
		all.Go(p.stop)
	}
	all.Wait()
}

func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.cordon, args...)
	cmd.Env = w.env()
	return cmd
}

// failure is a command that did not end well.
type failure struct {
	exit   int
	stderr string
}

func (f *failure) Error() string { return fmt.Sprintf("exit %d: %s", f.exit, f.stderr) }

// cordonRun runs one command. What it prints is kept with the logs.
func (w *world) cordonRun(args ...string) ([]byte, error) {
	w.mu.Lock()
	w.commands++
	log := w.path("logs", fmt.Sprintf("command-%03d", w.commands))
	w.mu.Unlock()
	cmd := w.command(args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if werr := os.WriteFile(log, append(out.Bytes(), stderr.Bytes()...), 0o600); werr != nil {
		return nil, werr
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.Bytes(), &failure{exit.ExitCode(), strings.TrimSpace(stderr.String())}
	}
	return out.Bytes(), err
}

// json runs a command and decodes what it prints.
func (w *world) json(v any, args ...string) error {
	out, err := w.cordonRun(append(args, "--json")...)
	if err != nil {
		return fmt.Errorf("cordon %s: %w", strings.Join(args[:2], " "), err)
	}
	return json.Unmarshal(out, v)
}

// wantExit checks a command that must fail: its exit code, its error and its hint, as text or as JSON.
func (w *world) wantExit(err error, code int, text, hint string) {
	w.Helper()
	if wrong := wrongExit(err, code, text, hint); wrong != nil {
		w.Fatal(wrong)
	}
}

func wrongExit(err error, code int, text, hint string) error {
	var f *failure
	if !errors.As(err, &f) {
		return fmt.Errorf("got %v, want exit %d", err, code)
	}
	last := f.stderr[strings.LastIndex(f.stderr, "\n")+1:]
	var said struct {
		Error, Hint string
		Exit        int
	}
	if json.Unmarshal([]byte(last), &said) != nil {
		_, said.Error, _ = strings.Cut("\n"+f.stderr, "\nerror: ")
		said.Error, said.Hint, _ = strings.Cut(said.Error, "\nhint: ")
		said.Exit = f.exit
	}
	if f.exit != code || said.Exit != code || !strings.Contains(said.Error, text) || said.Hint == "" || !strings.Contains(said.Hint, hint) {
		return fmt.Errorf("got %w, want exit %d with %q and hint %q", f, code, text, hint)
	}
	return nil
}

func (w *world) startExchange() *process {
	w.Helper()
	var ready struct{ URL string }
	p := w.start("exchange", &ready, "exchange", "serve", "--home", w.path("exchange"), "--listen", "127.0.0.1:0", "--json")
	w.exchange = ready.URL
	return p
}

// initParty makes a party's keys and returns its fingerprint.
func (w *world) initParty(name, home string) string {
	w.Helper()
	var made struct{ Fingerprint string }
	w.must(w.json(&made, "party", "init", "--home", home, "--name", name, "--generate-passphrase", w.passphrase(name)))
	return made.Fingerprint
}

func (w *world) serve(name, home, exchange string) *process {
	w.Helper()
	var ready struct{ Ready bool }
	return w.start("agent-"+name, &ready, "party", "serve", "--home", home, "--exchange", exchange,
		"--passphrase-file", w.passphrase(name), "--join-pools", "strikes", "--json")
}

func (w *world) until(what string, f func() bool) {
	w.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("not within %s: %s", patience, what)
		}
	}
}
