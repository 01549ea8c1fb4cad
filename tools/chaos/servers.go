package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/internal/tests3"
)

// victim is what can be killed, and comes back by its supervisor.
type victim interface {
	name() string
	// kill sends SIGKILL; false where nothing runs that is ready.
	kill() bool
	// stop ends it, and its supervision.
	stop()
}

// restartPause is how long a supervisor waits, as RestartSec of deploy/systemd says.
const restartPause = 2 * time.Second

// readyTime bounds how long a process may take until it says that it is ready, once what it needs is there.
const readyTime = 60 * time.Second

// server is a process under a supervisor that starts it again whenever it ends.
type server struct {
	called string
	argv   []string
	env    []string
	log    string // file
	note   func(format string, args ...any)

	mu      sync.Mutex
	cmd     *exec.Cmd
	ready   bool
	killed  bool // by us: its end is expected
	held    bool // not started again
	line    []byte
	begins  int
	since   time.Time // of being away
	longest time.Duration
	changed chan struct{} // closed when ready changes

	end  context.CancelFunc
	over chan struct{}
}

func (s *server) name() string { return s.called }

// start supervises until stop, and returns when the process was ready once.
func (s *server) start(ctx context.Context) error {
	run, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end, s.over, s.changed, s.since = end, make(chan struct{}), make(chan struct{}), time.Now()
	go func() {
		defer close(s.over)
		s.supervise(run)
	}()
	return s.waitReady(ctx, readyTime)
}

func (s *server) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.once(ctx)
		s.mu.Lock()
		wasReady, killed := s.ready, s.killed
		s.set(false)
		s.killed = false
		s.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		var exit *exec.ExitError
		// Code 7 before it was ready: what it stands on was away, as for a supervisor after a boot.
		if !killed && (wasReady || !errors.As(err, &exit) || exit.ExitCode() != 7) {
			s.note("%s ended by itself: %v", s.called, err)
		}
		sleep(ctx, restartPause)
		for s.isHeld() && ctx.Err() == nil {
			sleep(ctx, 50*time.Millisecond)
		}
	}
}

func (s *server) isHeld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// down kills it for good.
func (s *server) down() {
	s.mu.Lock()
	s.held = true
	s.mu.Unlock()
	s.kill()
}

// signal sends the process a signal, such as SIGSTOP.
func (s *server) signal(sig syscall.Signal) error {
	pid := s.pid()
	if pid == 0 {
		return os.ErrProcessDone
	}
	return syscall.Kill(pid, sig)
}

// set says whether it is ready. s.mu is held.
func (s *server) set(ready bool) {
	if s.ready == ready {
		return
	}
	s.ready = ready
	close(s.changed)
	s.changed = make(chan struct{})
	if ready {
		s.begins++
		s.longest = max(s.longest, time.Since(s.since))
	} else {
		s.since = time.Now()
	}
}

// once runs the process to its end.
func (s *server) once(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.mu.Lock()
	err = cmd.Start()
	s.cmd = cmd
	s.mu.Unlock()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { terminate(cmd) })()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(log, lines.Text())
		s.mu.Lock()
		if !s.ready {
			s.line = append([]byte{}, lines.Bytes()...)
			s.set(true)
		}
		s.mu.Unlock()
	}
	return cmd.Wait()
}

// terminate asks a process to end, and makes it after a while. Whoever waits for it reaps it.
func terminate(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() }) // of a process that was waited for this does nothing
}

// waitReady waits until the process is ready.
func (s *server) waitReady(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		s.mu.Lock()
		ready, changed := s.ready, s.changed
		s.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %s:\n%s", s.called, within, tail(s.log))
		}
	}
}

// said decodes the line that it printed when it was ready.
func (s *server) said(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Unmarshal(s.line, v)
}

func (s *server) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		return 0
	}
	return s.cmd.Process.Pid
}

func (s *server) kill() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready || s.killed {
		return false
	}
	s.killed = true
	return s.cmd.Process.Kill() == nil
}

func (s *server) stop() {
	if s.end == nil {
		return
	}
	s.end()
	<-s.over
}

func tail(path string) string {
	b, _ := os.ReadFile(path) // what is not there says nothing
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// backend is a server that the exchange stands on, PostgreSQL or S3.
type backend struct {
	called string
	end    func() error // as SIGKILL does
	begin  func() error
	last   func()
	note   func(format string, args ...any)

	mu     sync.Mutex
	up     bool
	closed bool
	work   sync.WaitGroup
}

func (b *backend) name() string { return b.called }

// kill ends it, and has it started again like any other.
func (b *backend) kill() bool { return b.away(restartPause) }

// away ends it for so long.
func (b *backend) away(pause time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.up || b.closed {
		return false
	}
	if err := b.end(); err != nil {
		b.note("%s could not be killed: %v", b.called, err)
		return false
	}
	b.up = false
	b.work.Go(func() {
		time.Sleep(pause)
		b.again()
	})
	return true
}

// again starts it, as often as it takes: a killed PostgreSQL is not free before its last process has noticed.
func (b *backend) again() {
	var err error
	for range 10 {
		if err = b.begin(); err == nil {
			b.mu.Lock()
			b.up = true
			b.mu.Unlock()
			return
		}
		time.Sleep(restartPause)
	}
	b.note("%s does not start again: %v", b.called, err)
}

func (b *backend) stop() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.work.Wait()
	b.last()
}

func newPostgres(env []string, note func(string, ...any)) (*backend, *testpg.Server, string, error) {
	s, err := testpg.New(env...)
	if err != nil {
		return nil, nil, "", err
	}
	link, err := s.Make()
	if err != nil {
		s.Remove()
		return nil, nil, "", err
	}
	return &backend{called: "postgresql", end: s.Kill, begin: s.Run, last: s.Remove, note: note, up: true}, s, link, nil
}

func newS3(dir string, note func(string, ...any)) (*backend, *tests3.Server, []string, error) {
	s, env, err := tests3.New(filepath.Join(dir, "s3"))
	if err != nil {
		return nil, nil, nil, err
	}
	kill := func() error { s.Stop(); return nil }
	return &backend{called: "s3", end: kill, begin: s.Again, last: s.Stop, note: note, up: true}, s, env, nil
}

// enclaves are the enclave processes of a host: none, or some.
type enclaves struct {
	host *server
}

func (e *enclaves) name() string { return "enclave of " + e.host.called }

// kill ends the first process of an enclave that it finds.
func (e *enclaves) kill() bool {
	pid := e.host.pid()
	if pid == 0 {
		return false
	}
	for _, p := range descendants(pid) {
		if syscall.Kill(p, syscall.SIGKILL) == nil {
			return true
		}
	}
	return false
}

func (e *enclaves) stop() {}

// descendants of a process, by /proc.
func descendants(of int) []int {
	parents := map[int]int{}
	list, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		var pid, parent int
		var state string
		text := string(b)
		at := strings.LastIndex(text, ")")
		if _, err := fmt.Sscanf(text, "%d", &pid); err != nil || at < 0 {
			continue
		}
		if _, err := fmt.Sscanf(text[at+1:], " %s %d", &state, &parent); err == nil {
			parents[pid] = parent
		}
	}
	var out []int
	for pid := range parents {
		for p, n := parents[pid], 0; p > 1 && n < 16; p, n = parents[p], n+1 {
			if p == of {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}
