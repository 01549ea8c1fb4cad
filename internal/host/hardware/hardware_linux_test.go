package hardware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

var build = statement.Sum([]byte("build"))

// having is a machine that has everything but some paths and programs.
func having(folder string, without ...string) Machine {
	lacks := func(name string) bool {
		for _, w := range without {
			if name == w {
				return true
			}
		}
		return false
	}
	return Machine{
		Exists: func(path string) bool { return !lacks(path) && !lacks(strings.TrimPrefix(path, folder+"/")) },
		LookPath: func(program string) (string, error) {
			if lacks(program) {
				return "", os.ErrNotExist
			}
			return filepath.Join(folder, program), nil
		},
	}
}

// Everything that is missing is named, and nothing else.
func TestMissing(t *testing.T) {
	for form, needs := range map[string][]string{
		Gramine: {"/dev/sgx_enclave", "/dev/sgx_provision", gramineProgram},
		SNP:     {"/dev/sev", "/dev/kvm", qemuProgram},
		TDX:     {"/sys/module/kvm_intel/parameters/tdx", "/dev/kvm", qemuProgram},
		Nitro:   {"/dev/nitro_enclaves", "/dev/vsock", nitroProgram},
	} {
		for _, n := range needs {
			_, err := New(form, "/image", build, having("/image", n))
			var missing *MissingError
			if !errors.As(err, &missing) || len(missing.What) != 1 || !strings.HasPrefix(missing.What[0], n) || missing.Hint() == "" {
				t.Errorf("%s without %s: %v", form, n, err)
			}
		}
		_, err := New(form, "/image", build, having("/image", needs...))
		var missing *MissingError
		if !errors.As(err, &missing) || len(missing.What) != len(needs) {
			t.Errorf("%s without anything: %v", form, err)
		}
		p, err := perimeterOf(form)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range p.files {
			if _, err := New(form, "/image", build, having("/image", f)); !errors.As(err, &missing) || len(missing.What) != 1 || missing.What[0] != "/image/"+f {
				t.Errorf("%s without %s: %v", form, f, err)
			}
		}
		if _, err := New(form, "/image", "", having("/image")); !errors.Is(err, ErrBuild) {
			t.Errorf("%s without a build: %v", form, err)
		}
	}
	if _, err := New("moon", "/image", build, having("/image")); !errors.Is(err, ErrForm) {
		t.Errorf("got %v", err)
	}
}

// What a machine without such hardware says: this one, as far as it has none.
func TestThisMachine(t *testing.T) {
	for _, form := range Forms() {
		var missing *MissingError
		if _, err := New(form, t.TempDir(), build, This()); !errors.As(err, &missing) || missing.Form != form {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// TestCommandLines: golden texts of what would be started. Update: CORDON_UPDATE=1.
func TestCommandLines(t *testing.T) {
	s := Size{MemoryBytes: 1 << 30, Processors: 2}
	var b strings.Builder
	for _, form := range []string{SNP, TDX} {
		fmt.Fprintf(&b, "%s %s\n", qemuProgram, strings.Join(guestArgs(form, "/image", "quiet panic=-1 "+form, s), "\n  "))
	}
	fmt.Fprintf(&b, "%s %s\n%s %s\n", nitroProgram, strings.Join(nitroArgs("/image", s), "\n  "), gramineProgram, strings.Join(gramineArgs(), " "))
	const path = "testdata/commands.txt"
	if os.Getenv("CORDON_UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != b.String() {
		t.Errorf("got\n%s%v", b.String(), err)
	}
	for _, never := range []string{"debug-mode", "policy=0xb0000", "-netdev", "-drive"} {
		if strings.Contains(b.String(), never) {
			t.Errorf("asks for %s", never)
		}
	}
}

// double writes a program that stands in for one of the vendors'.
func double(t *testing.T, folder, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// speaks says whether what is written to a connection comes back.
func speaks(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("a word")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 6)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "a word" {
		t.Fatalf("%q, %v", b, err)
	}
}

// Under Gramine the channel is the program's standard input and output; it is started in the image's folder, and killed with its job.
func TestGramineIsStarted(t *testing.T) {
	folder := t.TempDir()
	double(t, folder, gramineProgram, `[ "$1" = cordon-enclave ] && [ "$#" = 1 ] && pwd > ran && exec cat`)
	p, err := New(Gramine, folder, build, having(folder))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e, err := p.Start(ctx, Size{MemoryBytes: 1 << 30, Processors: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Conn().Close()
	speaks(t, e.Conn())
	f := e.Form()
	f.Kind, f.Simulated = e.Kind(), false
	if e.Kind() != evidence.SGX || e.Build() != build || f.Form != Gramine || !f.Valid() {
		t.Errorf("kind %s, build %s, form %+v", e.Kind(), e.Build(), f)
	}
	if _, err := os.Stat(filepath.Join(folder, "ran")); err != nil {
		t.Error(err)
	}
	cancel()
	if how := e.Wait(); !strings.Contains(how, "killed") {
		t.Errorf("ended by %s", how)
	}
	e.Kill() // also after the end
}

// A guest has the channel as descriptor 3 of QEMU.
func TestGuestIsStarted(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "cmdline"), []byte("quiet snp\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	double(t, folder, qemuProgram, `for a; do [ "$a" = "quiet snp" ] && exec cat <&3 >&3; done`)
	p, err := New(SNP, folder, build, having(folder))
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Start(t.Context(), Size{MemoryBytes: 1 << 30, Processors: 2})
	if err != nil {
		t.Fatal(err)
	}
	speaks(t, e.Conn())
	e.Conn().Close()
	if how := e.Wait(); how != "exit code 0" {
		t.Errorf("ended by %s", how)
	}
}

func TestNitroIsStarted(t *testing.T) {
	folder := t.TempDir()
	double(t, folder, nitroProgram, `echo "$@" >> `+filepath.Join(folder, "asked")+`; [ "$1" = terminate-enclave ] || echo '{"EnclaveID": "i-1", "EnclaveCID": 16}'`)
	p, err := New(Nitro, folder, build, having(folder))
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(far, far) }()
	calls := make(chan net.Conn, 1)
	calls <- near
	stopped := false
	p.listen = func(port uint32) (<-chan net.Conn, func(), error) {
		if port != ChannelPort {
			t.Errorf("listens on %d", port)
		}
		return calls, func() { stopped = true }, nil
	}
	e, err := p.Start(t.Context(), Size{MemoryBytes: 1 << 30, Processors: 2})
	if err != nil || !stopped {
		t.Fatal(err, stopped)
	}
	speaks(t, e.Conn())
	e.Kill()
	e.Kill()
	if how := e.Wait(); how != "terminated" {
		t.Errorf("ended by %s", how)
	}
	asked, err := os.ReadFile(filepath.Join(folder, "asked"))
	want := "run-enclave --eif-path " + folder + "/cordon.eif --cpu-count 2 --memory 1344\nterminate-enclave --enclave-id i-1\n"
	if err != nil || string(asked) != want {
		t.Errorf("asked %q, %v", asked, err)
	}
}

func TestNitroRefused(t *testing.T) {
	for name, script := range map[string]string{"it fails": "exit 1", "it says nothing": "true", "it says something else": "echo '{}'"} {
		folder := t.TempDir()
		double(t, folder, nitroProgram, script)
		p, err := New(Nitro, folder, build, having(folder))
		if err != nil {
			t.Fatal(err)
		}
		p.listen = func(uint32) (<-chan net.Conn, func(), error) { return nil, func() {}, nil }
		if _, err := p.Start(t.Context(), Size{MemoryBytes: 1 << 30, Processors: 1}); err == nil {
			t.Errorf("%s: started", name)
		}
	}
}
