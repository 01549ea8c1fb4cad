//go:build unix

package testpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-exchange/cordon/internal/need"
)

// Server is a PostgreSQL server. It ends with the process, however that ends, and its folder goes with it.
type Server struct {
	dir    string
	bin    string
	as     *syscall.SysProcAttr
	env    []string // of the server's environment, beside this process's own
	number atomic.Int64

	mu   sync.Mutex
	life io.WriteCloser // closed: the server ends
	done chan error     // of the program that runs it
}

var common = sync.OnceValues(func() (*Server, error) { return New() })

// Database makes an empty database on the server that all tests of the process share, and returns its URL.
func Database(t testing.TB) string {
	t.Helper()
	installed(t)
	s, err := common()
	if err != nil {
		t.Fatal(err)
	}
	return s.Database(t)
}

// Start starts a server that one test has for itself, to stop it.
func Start(t testing.TB) *Server {
	t.Helper()
	installed(t)
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Remove)
	return s
}

func installed(t testing.TB) {
	t.Helper()
	_, err := programs()
	need.That(t, err == nil, "PostgreSQL 15 or later is not installed (Debian: postgresql-15)")
}

// programs returns the folder of initdb and postgres, the newest that is there.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 && version(found[0]) >= 15 {
		return filepath.Dir(found[0]), nil
	}
	p, err := exec.LookPath("initdb")
	if err != nil {
		return "", err
	}
	return filepath.Dir(p), nil
}

func version(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// New starts a server for a program that is no test, with that in its environment. It ends with Remove, or with the process.
func New(env ...string) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") // short: a socket's path has 107 bytes
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, as: &syscall.SysProcAttr{Setpgid: true}, env: env}
	if err := s.init(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Run(); err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}

// init makes the cluster, as a user who is not root: PostgreSQL refuses root.
func (s *Server) init() error {
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			u, err = user.Lookup("nobody")
		}
		if err != nil {
			return err
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(s.dir, int(uid), int(gid))); err != nil {
			return err
		}
		s.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "-D", filepath.Join(s.dir, "data"), "-U", "cordon", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	cmd.Dir, cmd.SysProcAttr = s.dir, s.as
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// guard runs the server until its standard input ends, which it does with the process that started it. SIGQUIT ends it as a crash would.
const guard = `"$0" "$@" & pid=$!
read -r word
kill -QUIT $pid; wait $pid
[ "$word" = keep ] || rm -rf "$PWD"`

// Run starts the server, and returns when it answers.
func (s *Server) Run() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", guard, filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir,
		"-c", "listen_addresses=", "-c", "max_connections=200", "-c", "shared_buffers=32MB", "-c", "deadlock_timeout=200ms", "-c", "fsync=on")
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = s.dir, s.as, log, log
	cmd.Env = append(os.Environ(), s.env...)
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.life, s.done = life, make(chan error, 1)
	go func() { s.done <- cmd.Wait() }()
	return s.answers()
}

func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case end := <-s.done:
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("postgres: %w: %s", errors.Join(err, end), text)
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Crash ends the server as a crash would. Run starts it again.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.end("keep\n"); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server's first process by SIGKILL; the others end by themselves once they notice. Run starts it again, which may fail
// until they have.
func (s *Server) Kill() error {
	pid, err := s.postmaster()
	if err != nil {
		return err
	}
	return errors.Join(syscall.Kill(pid, syscall.SIGKILL), s.end("keep\n"))
}

// postmaster is the first process of the server that runs.
func (s *Server) postmaster() (int, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strconv.Atoi(line)
}

// Signal sends all processes of the server a signal, such as SIGSTOP: whoever is connected then gets no answer.
func (s *Server) Signal(sig syscall.Signal) error {
	pid, err := s.postmaster()
	if err != nil {
		return err
	}
	all, err := children(pid)
	for _, p := range append([]int{pid}, all...) {
		if gone := syscall.Kill(p, sig); gone != nil && !errors.Is(gone, syscall.ESRCH) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// children of a process, by /proc.
func children(of int) ([]int, error) {
	var out []int
	list, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		text := string(b)
		fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
		if len(fields) < 2 || fields[1] != strconv.Itoa(of) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil {
			out = append(out, pid)
		}
	}
	return out, err
}

// Remove ends the server and removes what it has.
func (s *Server) Remove() {
	_ = s.end("") // there is nothing that could still be done
	_ = os.RemoveAll(s.dir)
}

func (s *Server) end(word string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		return nil
	}
	_, err := io.WriteString(s.life, word)
	err = errors.Join(err, s.life.Close())
	s.life = nil
	<-s.done // its exit code is that of the last command of the guard
	return err
}

// Database makes an empty database, and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	link, err := s.Make()
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// Make is Database for a program that is no test.
func (s *Server) Make() (string, error) {
	name := fmt.Sprintf("test%d", s.number.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "CREATE DATABASE "+name)
	return s.url(name), err
}

func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("cordon"), Path: "/" + database, RawQuery: "host=" + url.QueryEscape(s.dir)}
	return u.String()
}
