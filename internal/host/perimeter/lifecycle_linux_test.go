package perimeter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/need"
)

func TestKill(t *testing.T) {
	t.Parallel()
	eachForm(t, func(t *testing.T, r Request) {
		s, _ := begin(t, Options{Request: r})
		s.Kill()
		if st := s.Wait(); st.Signal != syscall.SIGKILL {
			t.Errorf("ended by %v, want SIGKILL", st)
		}
		s.Kill() // harmless after the end
	})
}

func TestContextEndsEnclave(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e, err := Start(ctx, Options{Image: probeImage(t), Request: offered(t, NoUserNS), Limits: testLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Conn().Close()
	cancel()
	if st := e.Wait(); st.Signal != syscall.SIGKILL {
		t.Errorf("ended by %v, want SIGKILL", st)
	}
	if _, err := Start(ctx, Options{Image: probeImage(t), Request: offered(t, NoUserNS), Limits: testLimits()}); !errors.Is(err, context.Canceled) {
		t.Errorf("start under an ended context: %v", err)
	}
}

// TestEnclaveSeesHostsEndClose: no signal is needed when the host closes the channel in an orderly way.
func TestEnclaveSeesHostsEndClose(t *testing.T) {
	t.Parallel()
	e, err := Start(t.Context(), Options{Image: probeImage(t), Request: offered(t, NoUserNS), Limits: testLimits()})
	if err != nil {
		t.Fatal(err)
	}
	e.Conn().Close()
	if st := e.Wait(); st.Code != 3 {
		t.Errorf("ended by %v, want the test enclave's exit code 3", st)
	}
}

// TestEnclaveDiesWithHost kills a host with SIGKILL. Its enclave must follow at once.
func TestEnclaveDiesWithHost(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	start := time.Now()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait()
	for alive(h.report.Pid) {
		if time.Since(start) > 5*time.Second {
			t.Fatal("the enclave outlives its host")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// TestOrdinaryUser: a host that is not root starts the strongest form that it can.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("all other tests already run as an ordinary user")
	}
	h := startHost(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}})
	if f := h.report.Form; f.User != UserCaller {
		t.Errorf("form says user %q, want %q", f.User, UserCaller)
	}
	uid, err := statusField(h.report.Pid, "Uid")
	if err != nil || uid != "54321 54321 54321 54321" {
		t.Errorf("enclave runs as %q (%v)", uid, err)
	}
}

// TestGroupsDropped: what the host's user may read through its groups, the enclave may not.
func TestGroupsDropped(t *testing.T) {
	t.Parallel()
	if may, err := mayBecomeNobody(); err != nil || !may {
		need.That(t, false, "the caller can't change users")
	}
	h := startHost(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{4242}}})
	if groups, err := statusField(h.report.Pid, "Groups"); err != nil || groups != "" {
		t.Errorf("groups %q (%v)", groups, err)
	}
}

type host struct {
	cmd    *exec.Cmd
	report helperReport
}

// startHost runs a host in a process of its own, with an enclave that has sent its first bytes.
func startHost(t *testing.T, attr *syscall.SysProcAttr) host {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", helperCommand, "start")
	cmd.SysProcAttr, cmd.Dir = attr, "/"
	// Opened anew: the image's own descriptor is shared and its offset stands at the end.
	image, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", probeImage(t).file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	cmd.ExtraFiles = []*os.File{image}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	h := host{cmd: cmd}
	if err := json.NewDecoder(out).Decode(&h.report); err != nil {
		t.Fatal(err)
	}
	if h.report.Error != "" {
		t.Fatal(h.report.Error)
	}
	t.Cleanup(func() { _ = syscall.Kill(h.report.Keeper, syscall.SIGKILL) })
	return h
}

// TestSwappedProgram: what runs is what was measured, whatever happens to the file.
func TestSwappedProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "enclave")
	text := imageBytes(t, probeImage(t))
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	img, err := LoadImage(path)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	want := sha256.Sum256(text)
	if img.Measurement() != hex.EncodeToString(want[:]) {
		t.Error("the measurement is not the hash of the file")
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, _ := begin(t, Options{Image: img, Request: offered(t, NoUserNS)})
	if s.Measurement() != img.Measurement() {
		t.Error("the enclave's measurement is not its image's")
	}
	running, err := os.ReadFile(fmt.Sprintf("/proc/%d/exe", s.Pid()))
	if errors.Is(err, unix.EACCES) {
		t.Skip("only root may look at the running program")
	}
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(running) != want {
		t.Error("what runs is not what was measured")
	}
}

func imageBytes(t *testing.T, img *Image) []byte {
	t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(img.file, 0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSealedImage: not even the host itself can change the image any more.
func TestSealedImage(t *testing.T) {
	t.Parallel()
	img := probeImage(t)
	fd := int(img.file.Fd())
	tests := []struct {
		name string
		do   func() error
	}{
		{"write", func() error { _, err := unix.Pwrite(fd, []byte{0}, 0); return err }},
		{"grow", func() error { return unix.Ftruncate(fd, 1<<30) }},
		{"shrink", func() error { return unix.Ftruncate(fd, 0) }},
		{"map for writing", func() error {
			_, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			return err
		}},
		{"seal once more", func() error { _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, 0); return err }},
	}
	for _, tt := range tests {
		if err := tt.do(); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, want EPERM", tt.name, err)
		}
	}
}

func TestLoadImageRefuses(t *testing.T) {
	t.Parallel()
	static := imageBytes(t, probeImage(t))
	tests := []struct {
		name string
		text []byte
	}{
		{"nothing", nil},
		{"a script", []byte("#!/bin/sh\n")},
		{"half a header", static[:32]},
		{"a program with an interpreter", withInterpreter(static)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "enclave")
			if err := os.WriteFile(path, tt.text, 0o755); err != nil {
				t.Fatal(err)
			}
			if img, err := LoadImage(path); !errors.Is(err, ErrImage) || img != nil {
				t.Errorf("got %v, %v, want %v", img, err, ErrImage)
			}
		})
	}
	if _, err := LoadImage(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
}

// withInterpreter turns the first program header of a 64-bit little-endian program into PT_INTERP (3).
func withInterpreter(static []byte) []byte {
	text := bytes.Clone(static)
	const phoff = 64 // right after the ELF header, as linkers write it
	text[phoff] = 3
	return text
}
