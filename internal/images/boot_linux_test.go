package images

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/images/uki"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/measure/tdx"
)

// probe builds the program that takes the enclave's place.
func probe(t *testing.T) []byte {
	t.Helper()
	need.That(t, runtime.GOARCH == "amd64", "images are for x86-64")
	path := filepath.Join(t.TempDir(), "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// boot starts a machine in software and returns what its first process wrote to the serial line.
func boot(t *testing.T, args ...string) []string {
	t.Helper()
	qemu, err := exec.LookPath("qemu-system-x86_64")
	need.That(t, err == nil, "no qemu-system-x86_64 (Debian package qemu-system-x86)")
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu, append([]string{
		"-M", "q35,accel=tcg", "-cpu", "max", "-m", "1024", "-display", "none", "-nodefaults", "-nic", "none", "-no-reboot", "-serial", "stdio",
	}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if _, said, ok := strings.Cut(line, "probe: "); ok {
			lines = append(lines, strings.TrimSpace(said))
		}
	}
	if len(lines) == 0 || lines[len(lines)-1] != "end" {
		t.Fatalf("the machine did not come up: %s", out)
	}
	return lines
}

// checkGuest compares what the machine's first process saw with what the image may hold.
func checkGuest(t *testing.T, kind string, lines []string) {
	t.Helper()
	left := want(kind)
	modules := 0
	for _, line := range lines {
		words := strings.Fields(line)
		switch words[0] {
		case "arguments":
			if line != "arguments /init "+kind {
				t.Errorf("%s", line)
			}
		case "module":
			modules++
			// Drivers of hardware that is not there say so; what they need of the kernel and of each other is.
			if code := words[2]; code != "0" && code != "19" {
				t.Errorf("%s", line)
			}
		case "file":
			name := strings.TrimPrefix(words[1], "/")
			if name == "" || name == "root" {
				continue // the kernel's own
			}
			if name == "dev" || name == "proc" || name == "sys" {
				delete(left, name) // mounted over
				continue
			}
			if left[name] != words[2] {
				t.Errorf("%s: want %q", line, left[name])
			}
			delete(left, name)
		}
	}
	delete(left, "dev/null") // devtmpfs lies over it
	if len(left) != 0 {
		t.Errorf("the machine does not have %v", left)
	}
	if modules != 3 {
		t.Errorf("%d modules", modules)
	}
}

// TestDirectBoot starts what a host of SEV-SNP would start, on a machine that has none.
func TestDirectBoot(t *testing.T) {
	_, files := built(t, SNP, probe(t))
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := boot(t, "-kernel", filepath.Join(dir, "vmlinuz"), "-initrd", filepath.Join(dir, "root.cpio"), "-append", string(files["cmdline"]))
	checkGuest(t, SNP, lines)
}

// firmware returns the arguments that start a machine from UEFI firmware with a TPM in software. Firmware keeps its variables in
// the folder.
func firmware(t *testing.T, dir string) []string {
	t.Helper()
	const code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	_, err := os.Stat(code)
	need.That(t, err == nil, "no OVMF (Debian package ovmf)")
	vars, err := os.ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vars"), vars, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"-drive", "if=pflash,format=raw,readonly=on,file=" + code, "-drive", "if=pflash,format=raw,file=" + filepath.Join(dir, "vars"),
		"-chardev", "socket,id=tpm,path=" + startTPM(t), "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm",
	}
}

// registers of the machine's TPM, as its first process read them.
func registers(lines []string) map[string]string {
	out := map[string]string{}
	for _, line := range lines {
		if words := strings.Fields(line); words[0] == "register" {
			out[words[1]] = words[2]
		}
	}
	return out
}

// TestFirmwareBoot has firmware boot what QEMU is given, as it does under SEV-SNP and TDX, and compares what the kernel's stub
// measured with what is computed for RTMR 2, in the other hash. Debian 12's firmware is of the older kind.
func TestFirmwareBoot(t *testing.T) {
	_, files := built(t, TDX, probe(t))
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := boot(t, append(firmware(t, dir),
		"-kernel", filepath.Join(dir, "vmlinuz"), "-initrd", filepath.Join(dir, "root.cpio"), "-append", string(files["cmdline"]))...)
	checkGuest(t, TDX, lines)
	options, err := tdx.Boot{Initrd: files["root.cpio"], Cmdline: string(files["cmdline"]), Firmware: tdx.WordBehind}.Options()
	if err != nil {
		t.Fatal(err)
	}
	nine := extended(hashOf(string(options)), hashOf(string(files["root.cpio"])))
	// Register 4 is not compared: QEMU before 10.1 changes the kernel's header for guests that are not confidential.
	if got := registers(lines)["9"]; got != nine {
		t.Errorf("register 9 is %s, computed was %s", got, nine)
	}
}

func hashOf(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// extended is a register of zeros, extended by hashes.
func extended(hashes ...[]byte) string {
	r := make([]byte, sha256.Size)
	for _, h := range hashes {
		r = hashOf(string(append(r, h...)))
	}
	return hex.EncodeToString(r)
}

// TestUnifiedBoot starts the unified image from a disk, and compares what firmware and stub measured with what was computed.
func TestUnifiedBoot(t *testing.T) {
	about, files := built(t, TDX, probe(t))
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "esp/EFI/BOOT"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "esp/EFI/BOOT/BOOTX64.EFI"), files["cordon.efi"], 0o600); err != nil {
		t.Fatal(err)
	}
	lines := boot(t, append(firmware(t, dir), "-drive", "format=raw,file=fat:rw:"+filepath.Join(dir, "esp"))...)
	checkGuest(t, TDX, lines)
	got, computed := registers(lines), ""
	for _, v := range about.Measured.Values {
		if v.Name == "PCR11 sha256" {
			computed = v.Hex
		}
	}
	if computed == "" || got["11"] != computed {
		t.Errorf("register 11 is %s, computed was %s", got["11"], computed)
	}
	// Firmware starts the image and measures it; the stub starts the kernel in it, which firmware measures as well.
	four := [][]byte{hashOf("Calling EFI Application from Boot Option"), hashOf("\x00\x00\x00\x00")}
	for _, name := range []string{"cordon.efi", "vmlinuz"} {
		sum, err := uki.Authenticode(files[name], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		four = append(four, sum)
	}
	if want := extended(four...); got["4"] != want {
		t.Errorf("register 4 is %s, computed was %s", got["4"], want)
	}
	for _, n := range []string{"12", "13"} {
		if got[n] != strings.Repeat("0", 64) {
			t.Errorf("register %s is %s", n, got[n])
		}
	}
}

// startTPM starts a TPM in software and returns the socket of it.
func startTPM(t *testing.T) string {
	t.Helper()
	swtpm, err := exec.LookPath("swtpm")
	need.That(t, err == nil, "no swtpm (Debian package swtpm)")
	dir, err := os.MkdirTemp("", "tpm") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(swtpm, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--ctrl", "type=unixio,path="+socket, "--terminate")
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	for range 1000 {
		if _, err := os.Stat(socket); err == nil {
			return socket
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(fmt.Errorf("swtpm did not start"))
	return ""
}
