package machine

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/images/debian"
	"github.com/cordon-exchange/cordon/internal/images/vm"
	"github.com/cordon-exchange/cordon/internal/need"
)

// image makes an image with a program that is none: the kernel starts, and ends at it.
func image(t *testing.T) *Image {
	t.Helper()
	folder := t.TempDir()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	cache = filepath.Join(cache, "cordon")
	kernel, err := vm.Kernel(t.Context(), cache)
	need.That(t, !errors.Is(err, debian.ErrPackage), "the kernel's package can't be had from Debian's archive")
	if err != nil {
		t.Fatal(err)
	}
	initramfs, err := vm.Initramfs([]byte("#!/nothing\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{vm.KernelFile: kernel, vm.InitramfsFile: initramfs} {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	i, err := LoadImage(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func tools(t *testing.T) *Tools {
	t.Helper()
	found, err := FindTools(t.Context())
	need.That(t, err == nil, "QEMU and swtpm")
	return found
}

// A machine whose program ends, ends; nothing of it stays.
func TestMachineEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	e, err := Start(t.Context(), Options{Image: image(t), Tools: tools(t), MemoryBytes: 1 << 30, Processors: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Conn().Close()
	ended := make(chan string, 1)
	go func() { ended <- e.Wait() }()
	if _, err := io.Copy(io.Discard, e.Conn()); err != nil {
		t.Logf("channel: %v", err) // reset, as its other end is killed
	}
	select {
	case how := <-ended:
		t.Log(how)
	case <-time.After(2 * time.Minute):
		t.Fatal("the machine goes on without its program")
	}
	left(t)
}

// One that is killed by its context is gone, with its TPM and the TPM's state.
func TestMachineIsKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	e, err := Start(ctx, Options{Image: image(t), Tools: tools(t), MemoryBytes: 1 << 30, Processors: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Conn().Close()
	left(t)
	cancel()
	e.Wait()
	e.Kill() // also after the end
	left(t)
	if e.tpm.Wait(); exec.Command("kill", "-0", strconv.Itoa(e.tpm.Pid())).Run() == nil {
		t.Error("the TPM is still there")
	}
}

// left says how many files there are in the folder for temporary ones: machines have none.
func left(t *testing.T) {
	t.Helper()
	all, err := os.ReadDir(os.TempDir())
	if err != nil || len(all) != 0 {
		t.Errorf("left behind: %v, %v", all, err)
	}
}
