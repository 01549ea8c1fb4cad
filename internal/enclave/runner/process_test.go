//go:build linux

package runner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	hostchannel "github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/statement"
)

// TestMain lets this test program be the first stage of a perimeter, as the cordon program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == perimeter.StageCommand {
		os.Exit(perimeter.StageMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// The real program, statically linked, behind the strongest perimeter of this machine and its own system call filter.
func TestJobInAProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the enclave")
	}
	form, err := perimeter.Strongest(context.Background())
	need.That(t, err == nil, fmt.Sprintf("no perimeter here: %v", err))
	image := enclaveImage(t)
	for range 3 {
		w := newWorldOf(t, statement.Digest("sha256:"+image.Measurement()), form.Request().String())
		h := newFakeHost(w)
		started := time.Now()
		s := h.runProcess(image, form.Request())
		whole := time.Since(started)
		if !s.Clean() || h.finish == nil || h.finish.State != channel.Done {
			t.Fatalf("enclave ended with %s, finish %+v", s, h.finish)
		}
		table, report := h.open(w.institute)
		if len(table.Rows) != 2 {
			t.Errorf("%d rows", len(table.Rows))
		}
		if report.Receipt.Perimeter.Seccomp == "" {
			t.Error("receipt names no filter")
		}
		t.Logf("whole job %s, cpu %s, %d MiB", whole.Round(time.Millisecond), s.CPU.Round(time.Millisecond), s.MaxRSS>>20)
		for _, st := range report.Receipt.Stages {
			t.Logf("  %-8s %6d us", st.Name, st.Micros)
		}
	}
}

// enclaveImage is the program of CORDON_ENCLAVE, or one built here.
func enclaveImage(t *testing.T) *perimeter.Image {
	t.Helper()
	path := os.Getenv("CORDON_ENCLAVE")
	if path == "" {
		path = filepath.Join(t.TempDir(), "cordon-enclave")
		build := exec.Command("go", "build", "-trimpath", "-tags", "netgo,osusergo",
			"-ldflags", `-linkmode external -extldflags "-static" -s -w -buildid=`, "-o", path, "github.com/cordon-exchange/cordon/cmd/cordon-enclave")
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	image := must[*perimeter.Image](t)(perimeter.LoadImage(path))
	t.Cleanup(func() { image.Close() })
	return image
}

func (h *fakeHost) runProcess(image *perimeter.Image, request perimeter.Request) perimeter.ExitState {
	t := h.w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	e := must[*perimeter.Enclave](t)(perimeter.Start(ctx, perimeter.Options{
		Image: image, Request: request, Limits: perimeter.Limits{MemoryBytes: uint64(h.limits.MemoryBytes)},
	}))
	if err := hostchannel.Serve(ctx, e.Conn(), h); err != nil {
		t.Error(err)
	}
	s := e.Wait()
	h.answering.Wait()
	return s
}
