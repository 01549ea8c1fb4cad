package lockdown

import (
	"errors"
	"strings"
)

// ChannelFD is the descriptor through which the enclave speaks: a connected Unix stream socket.
const ChannelFD = 3

// BulkFD is, where the perimeter is a process, a second one to the same host, through which ciphertext comes.
const BulkFD = 4

// AttesterFD is, where the perimeter is a machine, the first of what evidence comes from: one open device, or the files of TSMEntries
// requests in configfs, TSMFiles each.
const (
	AttesterFD = 4
	TSMEntries = 2
	TSMFiles   = 5
)

// Claims that a host can make about the perimeter, as the enclave's only argument, strongest first. Any of them can
// end in "+swap". Package perimeter has the same names; docs/spec/perimeter-process.md defines them.
const (
	claimProcess   = "process"
	claimSharedPID = "process-shared-pid"
	claimNoUserNS  = "process-no-userns"
	swapSuffix     = "+swap"

	// A machine of its own, whose only process the enclave is; docs/spec/perimeter-vm.md.
	claimVM    = "vm"
	claimSNP   = "snp"
	claimTDX   = "tdx"
	claimNitro = "nitro"
)

// IsMachine reports whether a claim is of a perimeter that is a machine.
func IsMachine(text string) bool {
	c, err := parseClaim(text)
	return err == nil && c.machine
}

// ErrPerimeter is wrapped by every error about the perimeter: the enclave must exit.
var ErrPerimeter = errors.New("lockdown: the perimeter does not hold")

// CheckError names the check that failed. It carries nothing of what was found.
type CheckError struct{ Check string }

func (e *CheckError) Error() string { return ErrPerimeter.Error() + ": " + e.Check }

func (e *CheckError) Unwrap() error { return ErrPerimeter }

func failed(check string) error { return &CheckError{Check: check} }

// Observed is what the enclave found around itself, for the receipt. It is the enclave's own observation, where
// perimeter.Form is the host's word.
type Observed struct {
	// Claim is what the host said; every field below agrees with it.
	Claim string `json:"claim"`
	// UserNamespace, NetworkNamespace and PIDNamespace are its own. In a machine the latter two say that it is the first process, and
	// that there is no network device.
	UserNamespace    bool `json:"user_namespace"`
	NetworkNamespace bool `json:"network_namespace"`
	PIDNamespace     bool `json:"pid_namespace"`
	// EmptyRoot: the root is a read-only tmpfs. RootDenied: listing the root is refused (Landlock).
	EmptyRoot  bool `json:"empty_root"`
	RootDenied bool `json:"root_denied"`
	// SwapBytes on the machine.
	SwapBytes uint64 `json:"swap_bytes"`
	// NoNewPrivs, NoCapabilities, NotDumpable and NoCore are true, or Prepare fails.
	NoNewPrivs     bool `json:"no_new_privs"`
	NoCapabilities bool `json:"no_capabilities"`
	NotDumpable    bool `json:"not_dumpable"`
	NoCore         bool `json:"no_core"`
	// MemoryBytes is the limit on private memory.
	MemoryBytes uint64 `json:"memory_bytes"`
}

// claim is a parsed claim.
type claim struct {
	text       string
	namespaces bool
	ownPID     bool
	swap       bool
	machine    bool // of its own: no namespaces, and what vouches for it at hand
	attester   int  // descriptors of that
	bulk       int  // second streams: one, or none
}

func parseClaim(text string) (claim, error) {
	name, swap := strings.CutSuffix(text, swapSuffix)
	c := claim{text: text, swap: swap, bulk: 1}
	switch text {
	case claimVM, claimNitro:
		return claim{text: text, ownPID: true, machine: true, attester: 1}, nil
	case claimSNP, claimTDX:
		return claim{text: text, ownPID: true, machine: true, attester: TSMEntries * TSMFiles}, nil
	}
	switch name {
	case claimProcess:
		c.namespaces, c.ownPID = true, true
	case claimSharedPID:
		c.namespaces = true
	case claimNoUserNS:
	default:
		return claim{}, failed("unknown claim")
	}
	return c, nil
}
