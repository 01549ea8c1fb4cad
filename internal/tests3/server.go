package tests3

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// Server keeps buckets as folders of Dir.
type Server struct {
	Dir  string
	addr string
	keys []string // of its environment
	cmd  *exec.Cmd
	log  bytes.Buffer
}

// Bucket that is there.
const Bucket = "lake"

// Start starts a server for one test, with an empty bucket, and sets the credentials of the test's environment.
func Start(t *testing.T) *Server {
	t.Helper()
	_, err := exec.LookPath("versitygw")
	need.That(t, err == nil, "versitygw is not installed: run make deps")
	t.Setenv("AWS_ACCESS_KEY_ID", "test"+rand.Text())
	t.Setenv("AWS_SECRET_ACCESS_KEY", rand.Text())
	s, err := newServer(t.TempDir(), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.Run(t)
	return s
}

// New starts a server with an empty bucket in a folder, for a program that is no test. Env says what its clients need.
func New(dir string) (s *Server, env []string, err error) {
	id, secret := "test"+rand.Text(), rand.Text()
	if s, err = newServer(dir, id, secret); err != nil {
		return nil, nil, err
	}
	return s, []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret}, s.Again()
}

func newServer(dir, id, secret string) (*Server, error) {
	s := &Server{Dir: dir, keys: []string{"ROOT_ACCESS_KEY_ID=" + id, "ROOT_SECRET_ACCESS_KEY=" + secret}}
	if err := os.MkdirAll(filepath.Join(dir, Bucket), 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.addr = l.Addr().String()
	return s, l.Close()
}

// URL of the bucket, with what is behind its name.
func (s *Server) URL(prefix string) string {
	return "s3://" + Bucket + prefix + "?endpoint=" + s.Endpoint()
}

// Endpoint of the server.
func (s *Server) Endpoint() string { return "http://" + s.addr }

// Run starts the server again, at the same address.
func (s *Server) Run(t *testing.T) {
	t.Helper()
	if err := s.Again(); err != nil {
		t.Fatal(err)
	}
}

// Again is Run for a program that is no test.
func (s *Server) Again() error {
	s.log.Reset()
	s.cmd = exec.Command("versitygw", "--quiet", "--keep-alive", "--port", s.addr, "posix", s.Dir)
	s.cmd.Env = append(os.Environ(), s.keys...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			s.Stop()
			return fmt.Errorf("versitygw does not listen: %w: %s", err, s.log.Bytes())
		}
	}
}

// Signal sends the server a signal, such as SIGSTOP: whoever calls then gets no answer.
func (s *Server) Signal(sig os.Signal) error {
	if s.cmd == nil {
		return os.ErrProcessDone
	}
	return s.cmd.Process.Signal(sig)
}

// Stop kills the server: nobody can reach it then.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}
