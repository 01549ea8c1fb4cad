package tests3

import (
	"bytes"
	"crypto/rand"
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
	s := &Server{Dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(s.Dir, Bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "test"+rand.Text())
	t.Setenv("AWS_SECRET_ACCESS_KEY", rand.Text())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.Run(t)
	return s
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
	s.log.Reset()
	s.cmd = exec.Command("versitygw", "--quiet", "--keep-alive", "--port", s.addr, "posix", s.Dir)
	s.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+os.Getenv("AWS_ACCESS_KEY_ID"), "ROOT_SECRET_ACCESS_KEY="+os.Getenv("AWS_SECRET_ACCESS_KEY"))
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("versitygw does not listen: %v: %s", err, s.log.Bytes())
		}
	}
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
