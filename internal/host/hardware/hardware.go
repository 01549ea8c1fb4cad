package hardware

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// Forms of these perimeters, as contracts and policies list them.
const (
	Gramine = "gramine"
	SNP     = "snp"
	TDX     = "tdx"
	Nitro   = "nitro"
)

// Forms lists them.
func Forms() []string { return []string{Gramine, SNP, TDX, Nitro} }

// NeverRun stands in help, in the ready line and in the facts of every receipt.
const NeverRun = "never run on hardware by its authors"

// Errors a caller may tell apart.
var (
	// ErrForm says that a name is none of Forms.
	ErrForm = errors.New("hardware: no such perimeter")
	// ErrBuild says that nobody said what the hardware will measure.
	ErrBuild = errors.New("hardware: the build is not given")
	// ErrUnsupported is returned by everything that starts something on systems other than Linux.
	ErrUnsupported = errors.New("hardware: this perimeter needs linux")
)

// MissingError says what this machine or an image's folder lacks for the perimeter: everything, not the first thing alone.
type MissingError struct {
	Form string
	What []string
	Cure string
}

func (e *MissingError) Error() string {
	return "hardware: the perimeter " + e.Form + " needs " + strings.Join(e.What, ", ")
}

// Hint names the cure.
func (e *MissingError) Hint() string { return e.Cure }

// Machine answers what is there. Tests put another in its place.
type Machine struct {
	Exists   func(path string) bool
	LookPath func(program string) (string, error)
}

// This is the machine that the program runs on.
func This() Machine {
	return Machine{
		Exists:   func(path string) bool { _, err := os.Stat(path); return err == nil },
		LookPath: exec.LookPath,
	}
}

// need is something that must be there.
type need struct{ path, program, what string }

// perimeter is what there is to know of a form.
type perimeter struct {
	kind  string   // of evidence
	needs []need   // of the machine
	files []string // of the image's folder
	cure  string
}

const (
	qemuProgram    = "qemu-system-x86_64"
	gramineProgram = "gramine-sgx"
	nitroProgram   = "nitro-cli"
)

func perimeterOf(form string) (perimeter, error) {
	kvm := need{path: "/dev/kvm", what: "/dev/kvm"}
	qemu := need{program: qemuProgram, what: qemuProgram + " (Debian package qemu-system-x86)"}
	guest := []string{"vmlinuz", "root.cpio", "cmdline", "firmware.fd"}
	p, ok := map[string]perimeter{
		Gramine: {evidence.SGX, []need{
			{path: "/dev/sgx_enclave", what: "/dev/sgx_enclave (SGX with flexible launch control, Linux 5.11)"},
			{path: "/dev/sgx_provision", what: "/dev/sgx_provision (to have quotes made)"},
			{program: gramineProgram, what: gramineProgram + " (of Gramine; inside, /dev/attestation is Gramine's)"},
		}, []string{"cordon-enclave", "cordon-enclave.manifest.sgx", "cordon-enclave.sig"}, "run it on a machine with SGX and Gramine"},
		SNP: {evidence.SNP, []need{
			{path: "/dev/sev", what: "/dev/sev (an EPYC host with SEV-SNP on; its guest has /dev/sev-guest and /sys/kernel/config/tsm)"}, kvm, qemu,
		}, guest, "run it on a host with SEV-SNP"},
		TDX: {evidence.TDX, []need{
			{path: "/sys/module/kvm_intel/parameters/tdx", what: "/sys/module/kvm_intel/parameters/tdx (a Xeon host with TDX on; its guest has /sys/kernel/config/tsm)"}, kvm, qemu,
		}, guest, "run it on a host with TDX"},
		Nitro: {evidence.Nitro, []need{
			{path: "/dev/nitro_enclaves", what: "/dev/nitro_enclaves (an EC2 instance with enclaves enabled)"},
			{path: "/dev/vsock", what: "/dev/vsock"},
			{program: nitroProgram, what: nitroProgram + " (aws-nitro-enclaves-cli)"},
		}, []string{"cordon.eif"}, "run it on an EC2 instance that was started with enclaves enabled"},
	}[form]
	if !ok {
		return perimeter{}, fmt.Errorf("%w: %q, want one of %v", ErrForm, form, Forms())
	}
	return p, nil
}

// check says everything that is missing.
func (p perimeter) check(form, folder string, m Machine) error {
	var missing []string
	for _, n := range p.needs {
		if n.path != "" && !m.Exists(n.path) {
			missing = append(missing, n.what)
		}
		if n.program == "" {
			continue
		}
		if _, err := m.LookPath(n.program); err != nil {
			missing = append(missing, n.what)
		}
	}
	if len(missing) > 0 {
		return &MissingError{Form: form, What: missing, Cure: p.cure + "; docs/hardware.md says how it is set up"}
	}
	for _, f := range p.files {
		if !m.Exists(folder + "/" + f) {
			missing = append(missing, folder+"/"+f)
		}
	}
	if len(missing) > 0 {
		return &MissingError{Form: form, What: missing, Cure: "name the folder of the image for " + form + " with --image"}
	}
	return nil
}

// Size of an enclave.
type Size struct {
	MemoryBytes int64
	Processors  int
}

// guestOverhead is what kernel and program take of a guest's memory.
const guestOverhead = 320 << 20

func (s Size) guestMiB() int64 { return (s.MemoryBytes + guestOverhead) >> 20 }

// channelFD is where QEMU finds the channel.
const channelFD = 3

// guestArgs are QEMU's for a guest under SEV-SNP or TDX: firmware and everything that it starts are measured, so all of it is what
// 'cordon enclave measure' is told. The number of processors counts as well.
func guestArgs(form, folder, cmdline string, s Size) []string {
	protect := map[string][]string{
		SNP: {"-cpu", "EPYC-v4", "-object", "sev-snp-guest,id=protect,cbitpos=51,reduced-phys-bits=1,kernel-hashes=on,policy=0x30000"},
		TDX: {"-cpu", "host", "-object", `{"qom-type":"tdx-guest","id":"protect","quote-generation-socket":{"type":"vsock","cid":"2","port":"4050"}}`},
	}[form]
	memory := strconv.FormatInt(s.guestMiB(), 10) + "M"
	return slices.Concat([]string{
		"-name", "cordon-enclave", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "none", "-nic", "none",
		"-accel", "kvm", "-smp", strconv.Itoa(s.Processors), "-m", memory,
		"-object", "memory-backend-memfd,id=ram,share=true,size=" + memory,
		"-machine", "q35,kernel-irqchip=split,confidential-guest-support=protect,memory-backend=ram",
	}, protect, []string{
		"-bios", folder + "/firmware.fd", "-kernel", folder + "/vmlinuz", "-initrd", folder + "/root.cpio", "-append", cmdline,
		"-device", "virtio-serial-pci,max_ports=2", "-chardev", "socket,id=channel,fd=" + strconv.Itoa(channelFD),
		"-device", "virtserialport,chardev=channel,nr=1",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	})
}

// nitroArgs start an enclave; debugging, under which nothing is measured, is never asked for.
func nitroArgs(folder string, s Size) []string {
	return []string{
		"run-enclave", "--eif-path", folder + "/cordon.eif", "--cpu-count", strconv.Itoa(s.Processors),
		"--memory", strconv.FormatInt(s.guestMiB(), 10),
	}
}

// gramineArgs start the program whose manifest was signed. Its channel is its standard input and output.
func gramineArgs() []string { return []string{"cordon-enclave"} }

// form is the operator's word about an enclave, for evidence and receipts.
func formOf(form string, s Size) statement.Perimeter {
	return statement.Perimeter{Form: form, Details: []statement.Property{
		{Name: "memory-bytes", Value: strconv.FormatInt(s.MemoryBytes, 10)},
		{Name: "note", Value: NeverRun},
		{Name: "processors", Value: strconv.Itoa(s.Processors)},
	}}
}
