package machine

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/internal/host/child"
	"github.com/cordon-exchange/cordon/internal/images/vm"
	"github.com/cordon-exchange/cordon/internal/privileges"
	"github.com/cordon-exchange/cordon/statement"
)

// Enclave is one running machine. Its methods may be called from any goroutine.
type Enclave struct {
	o    Options
	conn net.Conn
	qemu *child.Child
	tpm  *child.Child
	over chan struct{} // closed once both are gone
}

// Start starts a machine and its TPM. It returns once both programs run; the channel opens when the machine has booted. ctx bounds the
// machine's whole life: when it ends, the machine is killed. The caller closes Conn.
func Start(ctx context.Context, o Options) (_ *Enclave, err error) {
	if !o.valid() {
		return nil, errOptions
	}
	state, err := memory("tpm-state")
	if err != nil {
		return nil, err
	}
	defer state.Close()
	control, tpmControl, err := child.Pair()
	if err != nil {
		return nil, fmt.Errorf("machine: control of the TPM: %w", err)
	}
	defer control.Close()
	defer tpmControl.Close()
	conn, theirs, err := child.Channel()
	if err != nil {
		return nil, fmt.Errorf("machine: channel: %w", err)
	}
	defer theirs.Close()
	e := &Enclave{o: o, conn: conn, over: make(chan struct{})}
	defer func() {
		if err != nil {
			e.abandon()
			conn.Close()
		}
	}()
	if e.tpm, err = child.Start(ctx, o.tpmCommand(tpmControl, state), (*exec.Cmd).Start); err != nil {
		return nil, fmt.Errorf("machine: %s: %w", swtpmProgram, err)
	}
	if e.qemu, err = child.Start(ctx, o.qemuCommand(control, theirs), (*exec.Cmd).Start); err != nil {
		return nil, fmt.Errorf("machine: %s: %w", qemuProgram, err)
	}
	go e.clean()
	return e, nil
}

// abandon ends what a Start that failed had begun.
func (e *Enclave) abandon() {
	for _, c := range []*child.Child{e.qemu, e.tpm} {
		if c != nil {
			c.Kill()
			c.Wait()
		}
	}
}

// clean ends the TPM with its machine, or the machine with its TPM.
func (e *Enclave) clean() {
	select {
	case <-e.qemu.Ended():
	case <-e.tpm.Ended():
	}
	e.abandon()
	close(e.over)
}

// Descriptors of a child's own files, in the order of ExtraFiles.
const firstExtra = 3

// tpmCommand describes the TPM: its state is memory, and goes with it.
func (o Options) tpmCommand(control, state *os.File) *exec.Cmd {
	cmd := exec.Command(o.Tools.TPM, "socket", "--tpm2",
		"--tpmstate", "backend-uri=file:///proc/self/fd/"+strconv.Itoa(firstExtra+1),
		"--ctrl", "type=unixio,clientfd="+strconv.Itoa(firstExtra),
		"--terminate",
		"--seccomp", "action=kill",
		"--log", "level=0",
	)
	return o.alone(cmd, control, state)
}

// qemuCommand describes the machine: a processor, memory, the TPM, the channel, and no device else: no disk, no network, no console.
func (o Options) qemuCommand(control, channel *os.File) *exec.Cmd {
	fd := func(i int) string { return strconv.Itoa(firstExtra + i) }
	cmd := exec.Command(o.Tools.QEMU,
		"-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot",
		"-machine", "q35,accel="+o.Tools.Accel,
		"-cpu", map[string]string{AccelKVM: "host", AccelTCG: "max"}[o.Tools.Accel],
		"-smp", strconv.Itoa(o.Processors),
		"-m", "size="+strconv.FormatInt(o.MemoryBytes>>20, 10)+"M",
		"-kernel", "/proc/self/fd/"+fd(2), "-initrd", "/proc/self/fd/"+fd(3), "-append", vm.CommandLine,
		"-chardev", "socket,id=tpm,fd="+fd(0), "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm",
		"-device", "virtio-serial-pci,max_ports=2",
		"-chardev", "socket,id=channel,fd="+fd(1), "-device", "virtserialport,chardev=channel,nr=1",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	)
	return o.alone(cmd, control, channel, o.Image.kernel, o.Image.initramfs)
}

// alone gives a child nothing of this process but those files. It ends with this process.
func (o Options) alone(cmd *exec.Cmd, files ...*os.File) *exec.Cmd {
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.ExtraFiles = files
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: privileges.Nobody, Gid: privileges.Nobody, Groups: o.Tools.groups}
	}
	return cmd
}

// Conn is the host's end of the channel.
func (e *Enclave) Conn() net.Conn { return e.conn }

// Bulk is nil: a machine has one port to its host.
func (*Enclave) Bulk() net.Conn { return nil }

// Build is the measurement that the machine's own TPM will show.
func (e *Enclave) Build() statement.Digest { return e.o.Image.Build() }

// Kind of the evidence: a TPM that this host runs.
func (e *Enclave) Kind() string { return hosted.TPMSoftware }

// Kill ends the machine at once. It is safe to call after the end.
func (e *Enclave) Kill() { e.qemu.Kill() }

// Wait blocks until the machine has ended, and says how.
func (e *Enclave) Wait() string {
	<-e.over
	return e.qemu.Wait().String()
}

// Form says what the machine is, as facts for evidence and receipts. It is the operator's word.
func (e *Enclave) Form() statement.Perimeter {
	about := e.o.Image.about
	facts := map[string]string{
		"accel":        e.o.Tools.Accel,
		"command-line": vm.CommandLine,
		"devices":      "tpm-crb virtio-serial",
		"image":        string(about.Image),
		"kernel":       about.Kernel,
		"memory-bytes": strconv.FormatInt(e.o.MemoryBytes, 10),
		"processors":   strconv.Itoa(e.o.Processors),
		"program":      string(about.Program),
		"qemu":         e.o.Tools.Version,
		"tpm":          "software, run by the host",
	}
	out := statement.Perimeter{Form: Form, Details: []statement.Property{}}
	for name, value := range facts {
		out.Details = append(out.Details, statement.Property{Name: name, Value: value})
	}
	slices.SortFunc(out.Details, func(a, b statement.Property) int { return strings.Compare(a.Name, b.Name) })
	return out
}
