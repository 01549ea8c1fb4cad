package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/measure"
	"github.com/cordon-exchange/cordon/measure/snp"
	"github.com/cordon-exchange/cordon/measure/tdx"
)

// NewEnclaveCommand groups what one does with enclaves before they run.
func NewEnclaveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "enclave", Short: "Measure enclaves before they run"}
	cmd.AddCommand(newEnclaveMeasureCommand())
	return cmd
}

type measureFlags struct {
	kind, kernel, initrd, cmdline, model, hostData string
	vcpus                                          int
	features, initrdOption                         string
	json                                           bool
}

func newEnclaveMeasureCommand() *cobra.Command {
	var f measureFlags
	cmd := &cobra.Command{
		Use:   "measure FILE",
		Short: "Compute what an enclave's evidence will show, and the build that policies list",
		Long: `Compute, from the files that an operator would start an enclave from, the values that
its evidence will show, and the build that policies and contracts list. Needs no
hardware, no agent and no network.

  --kind binary  FILE is cordon-enclave: its hash, as the process perimeter shows it
  --kind vm      FILE is cordon-enclave: PCR11 of a TPM in software
  --kind nitro   FILE is an image (EIF): PCR0, PCR1, PCR2
  --kind snp     FILE is OVMF firmware that measures what it boots; --kernel, --initrd,
                 --cmdline, --vcpus, --vcpu-model, --guest-features as given to QEMU
  --kind tdx     FILE is a kernel that QEMU boots; --initrd, --cmdline as given to QEMU,
                 --initrd-option after for older firmware, before for newer (see below):
                 RTMR1 and RTMR2; MRTD and RTMR0 are not computed
  --kind sgx     FILE is a SIGSTRUCT (.sig): read from it, not computed anew
  --kind uki     FILE is a unified kernel image: values that firmware and its stub measure

Firmware of edk2 names the root folder to the kernel by "initrd=initrd": behind the command
line in 2022.11 and 2025.02, before it in 2026.08. It counts in RTMR2.

What is printed for hardware was never run on hardware by this project; docs/hardware.md
says what the values were compared with.

Exit codes: 0 done, 2 usage, 3 a file is not there or not of its kind.`,
		Example: `  cordon enclave measure cordon-enclave
  cordon enclave measure --kind nitro cordon.eif --json
  cordon enclave measure --kind snp OVMF.amdsev.fd --kernel vmlinuz --initrd root.cpio \
    --cmdline "$(cat cmdline)" --vcpus 2 --vcpu-model EPYC-v4`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return enclaveMeasure(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "kind", measure.Binary, "what FILE is: binary, vm, nitro, snp, tdx, sgx or uki")
	flags.StringVar(&f.kernel, "kernel", "", "snp: the kernel (required)")
	flags.StringVar(&f.initrd, "initrd", "", "snp, tdx: the first root folder (required)")
	flags.StringVar(&f.cmdline, "cmdline", "", "snp, tdx: the command line (required)")
	flags.StringVar(&f.initrdOption, "initrd-option", "", "tdx: where the firmware puts initrd=initrd, before or after the command line (required)")
	flags.IntVar(&f.vcpus, "vcpus", 0, "snp: number of virtual processors (required)")
	flags.StringVar(&f.model, "vcpu-model", "", "snp: their model, one of "+strings.Join(snp.Models(), ", ")+" (required)")
	flags.StringVar(&f.features, "guest-features", "0x1", "snp: SEV_FEATURES; kernels that switch debug registers for guests set 0x21")
	flags.StringVar(&f.hostData, "host-data", strings.Repeat("0", 64), "snp: host data given to the launch, 32 bytes in hex")
	flags.BoolVar(&f.json, "json", false, "print as JSON")
	return cmd
}

func enclaveMeasure(cmd *cobra.Command, path string, f measureFlags) error {
	if err := f.onlyFor(cmd); err != nil {
		return err
	}
	file, err := readToMeasure(path)
	if err != nil {
		return err
	}
	r, err := f.measure(file)
	if err != nil {
		return measureFault(path, err)
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), r)
	}
	return printMeasured(cmd.OutOrStdout(), r)
}

// flagsOf a kind: those that must be given, and those that may.
func flagsOf(kind string) (required, optional []string) {
	switch kind {
	case measure.SNP:
		return []string{"kernel", "initrd", "cmdline", "vcpus", "vcpu-model"}, []string{"guest-features", "host-data"}
	case measure.TDX:
		return []string{"initrd", "cmdline", "initrd-option"}, nil
	}
	return nil, nil
}

// onlyFor refuses flags of another kind: they would be passed over, and the value be one of something else.
func (f measureFlags) onlyFor(cmd *cobra.Command) error {
	required, optional := flagsOf(f.kind)
	for _, name := range []string{"kernel", "initrd", "cmdline", "vcpus", "vcpu-model", "guest-features", "host-data", "initrd-option"} {
		if cmd.Flags().Changed(name) && !slices.Contains(append(required, optional...), name) {
			return fault.New(fault.Usage, "--"+name+" is not for --kind "+f.kind, "see 'cordon enclave measure --help'", nil)
		}
	}
	for _, name := range required {
		if !cmd.Flags().Changed(name) {
			return fault.New(fault.Usage, "--kind "+f.kind+" needs --"+name, "give it as QEMU will be given it: everything counts", nil)
		}
	}
	return nil
}

func (f measureFlags) measure(file []byte) (*measure.Result, error) {
	switch f.kind {
	case measure.Binary:
		return measure.OfBinary(file), nil
	case measure.VM:
		return measure.OfVM(file), nil
	case measure.Nitro:
		return measure.OfNitro(file)
	case measure.SGX:
		return measure.OfSGX(file)
	case measure.UKI:
		return measure.OfUKI(file)
	case measure.SNP:
		return f.measureSNP(file)
	case measure.TDX:
		return f.measureTDX(file)
	}
	return nil, fault.New(fault.Usage, fmt.Sprintf("--kind %q is none", f.kind), "one of binary, vm, nitro, snp, tdx, sgx, uki", nil)
}

func (f measureFlags) measureTDX(kernel []byte) (*measure.Result, error) {
	b := tdx.Boot{Kernel: kernel, Cmdline: f.cmdline}
	switch f.initrdOption {
	case "after":
		b.Firmware = tdx.WordBehind
	case "before":
		b.Firmware = tdx.WordBefore
	default:
		return nil, fault.New(fault.Usage, "--initrd-option is before or after", "see 'cordon enclave measure --help'", nil)
	}
	var err error
	if b.Initrd, err = readToMeasure(f.initrd); err != nil {
		return nil, err
	}
	return measure.OfTDX(b)
}

func (f measureFlags) measureSNP(file []byte) (*measure.Result, error) {
	firmware, err := snp.ReadFirmware(file)
	if err != nil {
		return nil, err
	}
	l := snp.Launch{Firmware: firmware, VCPUs: f.vcpus}
	kernel, err := readToMeasure(f.kernel)
	if err != nil {
		return nil, err
	}
	initrd, err := readToMeasure(f.initrd)
	if err != nil {
		return nil, err
	}
	if l.Boot, err = snp.BootOf(kernel, initrd, f.cmdline); err != nil {
		return nil, err
	}
	if l.Signature, err = snp.Signature(f.model); err != nil {
		return nil, fault.New(fault.Usage, err.Error(), "", nil)
	}
	if l.Features, err = strconv.ParseUint(f.features, 0, 64); err != nil {
		return nil, fault.New(fault.Usage, "--guest-features is not a number", "such as 0x1", nil)
	}
	data, err := hex.DecodeString(f.hostData)
	if err != nil {
		return nil, fault.New(fault.Usage, "--host-data is not hex", "32 bytes are 64 digits", nil)
	}
	return measure.OfSNP(l, data)
}

// maxMeasured bounds a file that is measured.
const maxMeasured = 2 << 30

func readToMeasure(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxMeasured) {
		err = errors.New("not a regular file, or too large")
	}
	if err == nil {
		var b []byte
		if b, err = os.ReadFile(path); err == nil {
			return b, nil
		}
	}
	return nil, fault.New(fault.Input, "can't read "+path, "", err)
}

func measureFault(path string, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, snp.ErrNoHashes):
		return fault.New(fault.Input, "can't measure "+path, "take a build of OvmfPkg/AmdSev, as Debian's ovmf-amdsev: others boot what nobody measured", err)
	case errors.Is(err, snp.ErrVCPU), errors.Is(err, measure.ErrHostData):
		return fault.New(fault.Usage, err.Error(), "see 'cordon enclave measure --help'", nil)
	}
	return fault.New(fault.Input, "can't measure "+path, "is --kind what the file is?", err)
}

func printMeasured(w io.Writer, r *measure.Result) error {
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, v := range r.Values {
		fmt.Fprintf(t, "%s\t%s\n", v.Name, v.Hex)
	}
	if r.Build != "" {
		fmt.Fprintf(t, "build\t%s\n", r.Build)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(t, "note\t%s\n", n)
	}
	return t.Flush()
}
