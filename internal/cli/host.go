package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/host"
	"github.com/cordon-exchange/cordon/internal/host/cache"
	"github.com/cordon-exchange/cordon/internal/host/hardware"
	"github.com/cordon-exchange/cordon/internal/host/machine"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/statement"
)

// NewHostCommand groups what an operator of enclaves does.
func NewHostCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "host", Short: "Run enclaves for an exchange"}
	cmd.AddCommand(newHostServeCommand())
	return cmd
}

type hostFlags struct {
	home, exchange, enclave, image, build, perimeter, passphraseFile string
	jobs                                                             int
	idle                                                             map[string]int
	cache, cacheSize                                                 string
	json                                                             bool
}

func newHostServeCommand() *cobra.Command {
	var f hostFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take jobs and start one enclave for each",
		Long: `Take jobs from an exchange and start one enclave for each. The operator is a party
with a home of its own (cordon party init): contracts name it, and its key signs what
it says about the enclave.

The perimeter is asked for by name. Where the machine lacks something for it, host
serve refuses and names the cure; it never falls back.

  process, process-shared-pid, process-no-userns
           a sandboxed process; "+swap" behind it accepts a machine with swap. Evidence is
           SIMULATED: it proves nothing against the operator itself. "strongest" takes the
           strongest of these that the machine offers, and says which.
  vm       a virtual machine under QEMU whose only process is the enclave, with a TPM that
           this host runs: evidence is SOFTWARE-ROOTED, which proves no more.
           --image names the folder that 'make vm-image' filled.
  gramine, snp, tdx, nitro
           confidential hardware: an SGX enclave under Gramine, a guest under SEV-SNP or TDX,
           a Nitro enclave. Never run on hardware by its authors. --image names the folder of
           the image, --build what 'cordon enclave measure' says of it.

It does as many jobs at once as there are processors (--jobs), and takes one only where
the memory limits of all of them, by their classes, fit into the machine's memory; a job
alone is always taken.

--idle small=1,standard=2 keeps enclaves waiting that were started before a job came, so
that a job of that class need not wait for one to start. Such an enclave is empty: no
statement and no key has reached it. It gets one job, under its class's limits, and is
gone then; another takes its place when that job has ended, or a second after it began.
One that waited for 10 minutes, or ended, is replaced. A job that finds none waiting gets
an enclave that is started for it, as without --idle.

Exit codes: 0 stopped, 2 usage, 3 no home or no enclave program there, 4 exchange does not
authenticate us, 5 wrong passphrase, 6 exchange does not accept us, 7 the exchange or what
the perimeter needs is unavailable.`,
		Example: `  cordon host serve --home ~/operator --exchange http://127.0.0.1:7400 \
    --enclave ./cordon-enclave --perimeter process
  cordon host serve --home ~/operator --exchange http://127.0.0.1:7400 \
    --enclave ./cordon-enclave --perimeter strongest --jobs 2 --idle small=1
  cordon host serve --home ~/operator --exchange http://127.0.0.1:7400 \
    --image ./bin/vm --perimeter vm`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return hostServe(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.home, "home", "", "the operator's home folder (required)")
	flags.StringVar(&f.exchange, "exchange", "", exchangeUsage)
	flags.StringVar(&f.enclave, "enclave", "", "the cordon-enclave program (required by processes)")
	flags.StringVar(&f.image, "image", "", "folder with the image (required by vm, gramine, snp, tdx and nitro)")
	flags.StringVar(&f.build, "build", "", "build that the hardware will show (required by gramine, snp, tdx and nitro)")
	flags.StringVar(&f.perimeter, "perimeter", string(perimeter.Process), "form of the perimeter: process, vm, … or strongest")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "file with the passphrase of the operator's keyring; default: ask")
	flags.IntVar(&f.jobs, "jobs", 0, "jobs at once; default: as many as processors")
	flags.StringToIntVar(&f.idle, "idle", nil, "enclaves that wait for a job, by its class, such as small=1,standard=2")
	flags.StringVar(&f.cache, "cache", "", "folder for ciphertext that was fetched, of this host alone; default: cache in the home")
	flags.StringVar(&f.cacheSize, "cache-size", "8GiB", "bytes that may lie there, with MiB, GiB or TiB behind the number; 0: keep nothing")
	flags.BoolVar(&f.json, "json", false, "print the ready line as JSON")
	for _, name := range []string{"home", "exchange"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

func hostServe(cmd *cobra.Command, f hostFlags) error {
	ctx := cmd.Context()
	if !cmd.Flags().Changed("jobs") {
		f.jobs = runtime.NumCPU()
	}
	if f.jobs < 1 || f.jobs > 1024 {
		return fault.New(fault.Usage, "--jobs is out of range", "give a number from 1 to 1024", nil)
	}
	room, err := byteSize(f.cacheSize)
	if err != nil {
		return err
	}
	classes := host.DefaultClasses()
	if err := idleFault(f.idle, classes); err != nil {
		return err
	}
	served, err := perimeterOf(ctx, f, classes[0])
	if err != nil {
		return perimeterFault(err)
	}
	defer served.Close()
	ring, introduction, err := operator(f)
	if err != nil {
		return err
	}
	exchange, err := client.New(client.Options{URL: f.exchange, Signer: ring.Signer()})
	if err != nil {
		return err
	}
	defer exchange.Close()
	if _, err := exchange.PostStatement(ctx, introduction); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	kept := openCache(f, room, log)
	if kept != nil {
		defer kept.Close()
	}
	if err := hostReady(cmd, f, ring.Fingerprint(), served, kept); err != nil {
		return err
	}
	memory, err := host.MachineMemory()
	if err != nil {
		return err
	}
	return host.Run(ctx, host.Options{
		Exchange: exchange, Perimeter: served, Operator: ring.Signer(), Classes: classes, Jobs: f.jobs, Idle: f.idle, MemoryBytes: memory,
		Cache: kept, Log: log,
	})
}

// mostWaiting bounds the idle enclaves of one class.
const mostWaiting = 1024

func idleFault(idle map[string]int, classes []host.Class) error {
	var names []string
	for _, c := range classes {
		names = append(names, c.Name)
	}
	for name, n := range idle {
		if !slices.Contains(names, name) || n < 0 || n > mostWaiting {
			return fault.New(fault.Usage, fmt.Sprintf("--idle %s=%d can't be", name, n),
				fmt.Sprintf("give a class (%s) and a number up to %d", strings.Join(names, ", "), mostWaiting), nil)
		}
	}
	return nil
}

// openCache opens the folder for ciphertext; nil where nothing is to be kept, or can be: then everything is streamed.
func openCache(f hostFlags, room int64, log *slog.Logger) *cache.Cache {
	if room == 0 {
		return nil
	}
	dir := f.cache
	if dir == "" {
		dir = filepath.Join(f.home, "cache")
	}
	c, err := cache.Open(cache.Options{Dir: dir, Bytes: room, Log: log})
	if err != nil {
		log.Warn("no ciphertext is kept: every job fetches its own", "folder", dir, "error", err)
		return nil
	}
	return c
}

// byteSize reads a number of bytes with a unit.
func byteSize(s string) (int64, error) {
	digits, shift := s, 0
	for unit, n := range map[string]int{"MiB": 20, "GiB": 30, "TiB": 40} {
		if d, ok := strings.CutSuffix(s, unit); ok {
			digits, shift = d, n
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<60>>shift || shift == 0 && n != 0 && n < 1<<20 {
		return 0, fault.New(fault.Usage, fmt.Sprintf("--cache-size is no size: %q", s), "give a number with MiB, GiB or TiB behind it, or 0", nil)
	}
	return n << shift, nil
}

// perimeterOf makes the perimeter ready that was asked for by name.
func perimeterOf(ctx context.Context, f hostFlags, largest host.Class) (host.Served, error) {
	switch {
	case f.perimeter == machine.Form && f.image == "":
		return nil, fault.New(fault.Usage, "no image of a virtual machine", "make one with 'make vm-image' and name its folder with --image", nil)
	case f.perimeter == machine.Form:
		return host.NewMachines(ctx, f.image)
	case slices.Contains(hardware.Forms(), f.perimeter):
		return host.NewHardware(f.perimeter, f.image, statement.Digest(f.build))
	case !isProcessForm(f.perimeter):
		return nil, fault.New(fault.Usage, fmt.Sprintf("no such perimeter: %q", f.perimeter), "give process, process-shared-pid or process-no-userns (with +swap where that is acceptable), strongest, vm, gramine, snp, tdx or nitro", nil)
	case f.enclave == "":
		return nil, fault.New(fault.Usage, "no enclave program", "build one with 'make build' and name it with --enclave", nil)
	}
	return host.NewProcesses(ctx, f.enclave, f.perimeter, largest)
}

func isProcessForm(name string) bool {
	_, err := perimeter.ParseRequest(name)
	return err == nil || name == host.Strongest
}

// operator unlocks the operator's keyring, and introduces it as a party like any other.
func operator(f hostFlags) (*keyring.Keyring, *statement.Envelope, error) {
	dir, config, err := openHome(f.home)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.ReadFile(dir.Keyring())
	if err != nil {
		return nil, nil, fault.New(fault.Input, "can't read the operator's keyring", "make one with 'cordon party init --home DIR --name NAME'", err)
	}
	pass, err := hostPassphrase(f.passphraseFile)
	if err != nil {
		return nil, nil, err
	}
	ring, err := keyring.Decrypt(file, pass)
	if err != nil {
		return nil, nil, err
	}
	if statement.CertificateOf(ring.Signer()) != nil {
		// Simulated evidence names its operator by the key that signs it.
		return nil, nil, fault.New(fault.Usage, "an operator of hosts signs with its root key, and this party's root key is offline", "make another party for the host: 'cordon party init' without --offline-root", nil)
	}
	e, err := statement.Sign(statement.Party{
		Name: ring.Name(), Key: ring.Root().String(), Box: ring.Box().Public(), CreatedMS: config.CreatedMS,
	}, ring.Signer())
	return ring, e, err
}

func hostPassphrase(path string) (keyring.Passphrase, error) {
	if path != "" {
		return keyring.ReadPassphrase(path)
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return keyring.Passphrase{}, fault.New(fault.Usage, "no passphrase", "name a file with --passphrase-file, or start from a terminal", nil)
	}
	fmt.Fprint(os.Stderr, "passphrase of the operator's keyring: ")
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return keyring.Passphrase{}, err
	}
	return keyring.NewPassphrase(b)
}

// perimeterFault keeps the hint that names the cure.
func perimeterFault(err error) error {
	var missing interface {
		error
		Hint() string
	}
	switch {
	case fault.ExitCode(err) == int(fault.Usage):
		return err
	case errors.As(err, &missing):
		return fault.New(fault.Unavailable, "this machine does not offer the perimeter asked for", missing.Hint(), err)
	case errors.Is(err, hardware.ErrBuild):
		return fault.New(fault.Usage, "no build", "measure the image with 'cordon enclave measure', and give its build with --build", err)
	case errors.Is(err, perimeter.ErrUnsupported), errors.Is(err, machine.ErrUnsupported), errors.Is(err, hardware.ErrUnsupported):
		return fault.New(fault.Unavailable, "enclaves can't be started here", "run the host on Linux", err)
	case errors.Is(err, machine.ErrImage):
		return fault.New(fault.Input, "not the image of a virtual machine", "make one with 'make vm-image' and name its folder with --image", err)
	case errors.Is(err, perimeter.ErrImage), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return fault.New(fault.Input, "not an enclave program", "build one with 'make build' and name it with --enclave", err)
	case slices.Contains([]error{context.Canceled, context.DeadlineExceeded}, err):
		return err
	}
	return fault.New(fault.Usage, "the perimeter can't be used", "see 'cordon host serve --help' for its forms", err)
}

func hostReady(cmd *cobra.Command, f hostFlags, operator statement.Fingerprint, p host.Served, kept *cache.Cache) error {
	folder := kept.Dir()
	if f.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
			Operator statement.Fingerprint `json:"operator"`
			Build    statement.Digest      `json:"build"`
			Form     string                `json:"form"`
			Evidence string                `json:"evidence"`
			Idle     map[string]int        `json:"idle"`
			Cache    string                `json:"cache"` // folder; empty where nothing is kept
		}{operator, p.Build(), p.Form(), p.Kind(), nonzero(f.idle), folder})
	}
	var idle strings.Builder
	for _, name := range slices.Sorted(maps.Keys(nonzero(f.idle))) {
		fmt.Fprintf(&idle, "  idle       %d of class %s\n", f.idle[name], name)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "host ready\n  operator   %s\n  enclave    %s\n  perimeter  %s, evidence %s\n%s  cache      %s\n",
		operator, p.Build(), p.Form(), rootOf(p.Kind()), &idle, cmp.Or(folder, "none"))
	return err
}

// nonzero are the classes that have idle enclaves.
func nonzero(idle map[string]int) map[string]int {
	out := map[string]int{}
	for name, n := range idle {
		if n > 0 {
			out[name] = n
		}
	}
	return out
}

// rootOf says what evidence of a kind rests on.
func rootOf(kind string) string {
	switch {
	case kind == statement.KindSimulated:
		return "SIMULATED"
	case statement.SoftwareRooted(kind):
		return kind + ", SOFTWARE-ROOTED"
	}
	return kind
}
