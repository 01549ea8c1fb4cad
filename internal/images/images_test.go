package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/images/cpio"
	"github.com/cordon-exchange/cordon/internal/images/debian"
	"github.com/cordon-exchange/cordon/internal/images/eif"
	"github.com/cordon-exchange/cordon/internal/images/guest"
	"github.com/cordon-exchange/cordon/internal/images/uki"
	"github.com/cordon-exchange/cordon/internal/need"
)

// cache is where builds keep packages, so that tests download none twice.
const cache = "../../bin"

// built makes an image around a program, with what Debian's packages hold.
func built(t *testing.T, kind string, program []byte) (*About, map[string][]byte) {
	t.Helper()
	_, err := exec.LookPath("dpkg-deb")
	need.That(t, err == nil, "no dpkg-deb (Debian package dpkg)")
	about, files, err := Build(context.Background(), Options{Kind: kind, Enclave: program, Cache: cache, FormOnly: true})
	need.That(t, !errors.Is(err, debian.ErrPackage), "the pinned packages of Debian can't be had")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Data
	}
	return about, byName
}

// program of tests that look at contents only.
var program = []byte("\x7fELF program")

// want lists all files that an image of a kind may hold.
func want(kind string) map[string]string {
	files := map[string]string{
		"dev": "drwxr-xr-x", "dev/null": "Dcrw-rw-rw-", "modules": "dr-xr-xr-x", "proc": "dr-xr-xr-x", "sys": "dr-xr-xr-x", "init": "-r-xr-xr-x",
	}
	modules := map[string][]string{
		SNP:   {"00-configfs", "01-tsm", "02-sev-guest"},
		TDX:   {"00-configfs", "01-tsm", "02-tdx-guest"},
		Nitro: {"00-nsm", "01-virtio_mmio", "02-vsock", "03-vmw_vsock_virtio_transport_common", "04-vmw_vsock_virtio_transport"},
	}
	for _, m := range modules[kind] {
		files["modules/"+m+".ko.xz"] = "-r--r--r--"
	}
	return files
}

// inside reads an image's files back from what would be started, not from what was put in.
func inside(t *testing.T, kind string, files map[string][]byte) []cpio.File {
	t.Helper()
	var root []byte
	switch kind {
	case SNP:
		root = files["root.cpio"]
	case TDX:
		m, err := uki.Read(files["cordon.efi"])
		if err != nil {
			t.Fatal(err)
		}
		root = m.Initrd
	case Nitro:
		m, err := eif.Read(files["cordon.eif"])
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Ramdisks) != 2 {
			t.Fatalf("%d ramdisks", len(m.Ramdisks))
		}
		root = append(bytes.Clone(m.Ramdisks[0]), m.Ramdisks[1]...)
	}
	// Two archives, one behind the other.
	end := bytes.Index(root, []byte("TRAILER!!!"))
	end += bytes.Index(root[end:], []byte("070701"))
	var all []cpio.File
	for _, part := range [][]byte{root[:end], root[end:]} {
		list, err := cpio.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

// TestContents: an image holds the program, the listed modules and empty folders: no shell, no other program, and nothing that
// somebody but root could write.
func TestContents(t *testing.T) {
	for _, kind := range []string{SNP, TDX, Nitro} {
		t.Run(kind, func(t *testing.T) {
			about, files := built(t, kind, program)
			left := want(kind)
			for _, f := range inside(t, kind, files) {
				if left[f.Name] != f.Mode.String() {
					t.Errorf("%s %s: want %q", f.Mode, f.Name, left[f.Name])
				}
				delete(left, f.Name)
				if strings.HasPrefix(f.Name, "modules/") && !bytes.HasPrefix(f.Data, []byte("\xfd7zXZ\x00")) {
					t.Errorf("%s is no module", f.Name)
				}
				if f.Name == "init" && !bytes.Equal(f.Data, program) {
					t.Error("init is not the program")
				}
				if f.Mode.IsRegular() && f.Name != "init" && len(f.Data) > 1<<20 {
					t.Errorf("%s has %d bytes", f.Name, len(f.Data))
				}
			}
			if len(left) != 0 {
				t.Errorf("missing: %v", left)
			}
			if about.Hardware != "never run on hardware" || len(about.Files) != len(want(kind)) {
				t.Errorf("description: %+v", about)
			}
			for name, b := range files {
				if len(b)-len(program) > 16<<20 {
					t.Errorf("%s: %d bytes beside the program", name, len(b)-len(program))
				}
			}
		})
	}
}

// TestSameBytes: built twice, in other folders, an image has the same bytes.
func TestSameBytes(t *testing.T) {
	for _, kind := range []string{SNP, TDX, Nitro, SGX} {
		t.Run(kind, func(t *testing.T) {
			a, first := built(t, kind, program)
			b, second := built(t, kind, program)
			one, two := t.TempDir(), t.TempDir()
			for folder, about := range map[string]*About{one: a, two: b} {
				var files []File
				from := first
				if folder == two {
					from = second
				}
				for name, data := range from {
					files = append(files, File{name, data})
				}
				if err := Write(folder, about, files); err != nil {
					t.Fatal(err)
				}
			}
			names, err := os.ReadDir(one)
			if err != nil || len(names) < 2 {
				t.Fatal("no files")
			}
			for _, n := range names {
				x, errX := os.ReadFile(filepath.Join(one, n.Name()))
				y, errY := os.ReadFile(filepath.Join(two, n.Name()))
				if errX != nil || errY != nil || !bytes.Equal(x, y) {
					t.Errorf("%s differs", n.Name())
				}
			}
		})
	}
}

// TestKernelThatLacksSomething: Debian's kernel does not see the devices of a Nitro enclave, and no image that would not come up
// is built without being asked for by name.
func TestKernelThatLacksSomething(t *testing.T) {
	about, _ := built(t, Nitro, program)
	if len(about.Lacking) != 1 || about.Lacking[0] != "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=y" {
		t.Errorf("lacking: %v", about.Lacking)
	}
	if _, files, err := Build(context.Background(), Options{Kind: Nitro, Enclave: program, Cache: cache}); !errors.Is(err, guest.ErrOptions) || files != nil {
		t.Errorf("got %v", err)
	}
	for _, kind := range []string{SNP, TDX} {
		if about, _ := built(t, kind, program); len(about.Lacking) != 0 {
			t.Errorf("%s lacks %v", kind, about.Lacking)
		}
	}
}

func TestRefused(t *testing.T) {
	if _, _, err := Build(context.Background(), Options{Kind: "moon", Enclave: program, Cache: cache}); !errors.Is(err, ErrKind) {
		t.Errorf("got %v", err)
	}
	about, _ := built(t, SNP, program)
	if about.Measured != nil {
		t.Error("a guest of SEV-SNP has no measurement before its firmware is known")
	}
	for _, kind := range []string{SNP, TDX, Nitro, SGX} {
		if _, files, err := Build(context.Background(), Options{Kind: kind, Cache: cache}); !errors.Is(err, ErrProgram) || files != nil {
			t.Errorf("%s without a program: %v", kind, err)
		}
	}
}

// TestOwnKernel: a kernel that sees a Nitro enclave's devices, with most of them built in, makes an image that lacks nothing.
func TestOwnKernel(t *testing.T) {
	r, err := guest.Find(Nitro)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Kind: Nitro, Enclave: program, Tree: dir}
	if _, _, err := Build(context.Background(), o); !errors.Is(err, ErrTree) {
		t.Errorf("an empty folder: %v", err)
	}
	put("boot/vmlinuz-6.12-own", "a kernel")
	if _, _, err := Build(context.Background(), o); !errors.Is(err, guest.ErrKernel) {
		t.Errorf("no configuration: %v", err)
	}
	config := strings.Join(r.Options, "\n") + "\nCONFIG_NSM=m\n"
	for _, m := range r.Modules[1:] {
		config += m.Option + "=y\n"
	}
	put("boot/config-6.12-own", config)
	if _, _, err := Build(context.Background(), o); !errors.Is(err, guest.ErrKernel) {
		t.Errorf("no module: %v", err)
	}
	put("lib/modules/6.12-own/kernel/drivers/misc/nsm.ko", "a module")
	about, files, err := Build(context.Background(), o)
	if err != nil || len(about.Lacking) != 0 || about.Kernel != "6.12-own" {
		t.Fatalf("%+v, %v", about, err)
	}
	m, err := eif.Read(files[0].Data)
	if err != nil || string(m.Kernel) != "a kernel" {
		t.Fatalf("%v", err)
	}
	var names []string
	for _, f := range about.Files {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "dev dev/null modules modules/00-nsm.ko proc sys init" {
		t.Errorf("files: %s", got)
	}
	put("boot/vmlinuz-6.13-own", "another")
	if _, _, err := Build(context.Background(), o); !errors.Is(err, ErrTree) {
		t.Errorf("two kernels: %v", err)
	}
}

// TestProgramAlone is behind register 2 of a Nitro enclave: another program changes it, and not register 1.
func TestProgramAlone(t *testing.T) {
	a, _ := built(t, Nitro, program)
	b, _ := built(t, Nitro, append(bytes.Clone(program), 'x'))
	for i, same := range []bool{false, true, false} {
		if (a.Measured.Values[i] == b.Measured.Values[i]) != same {
			t.Errorf("%s: another program changes it: %v", a.Measured.Values[i].Name, !same)
		}
	}
	sum := sha256.Sum256(program)
	if string(a.Program) != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("program %s", a.Program)
	}
}
