package perimeter

// Form says exactly which protections are in force around one enclave. The host fills it in from what the first
// stage reports to have done; it goes into evidence and receipts.
//
// Form is the host's word. What the enclave found from within is lockdown.Observed.
type Form struct {
	// Name and Swap repeat the request: which form, and whether swap was accepted ("none" or "allowed").
	Name Name   `json:"name"`
	Swap string `json:"swap"`
	// Kernel is the release of the running kernel.
	Kernel string `json:"kernel"`
	// Namespaces that the enclave has for itself, sorted.
	Namespaces []string `json:"namespaces"`
	// Root is "empty" (a read-only tmpfs with nothing but proc) or "host" (hidden by Landlock only).
	Root string `json:"root"`
	// Proc is "own-namespace" (a new proc), "own-entry" (only this process's entry is there) or
	// "own-entry-by-landlock" (other entries exist, Landlock refuses them).
	Proc string `json:"proc"`
	// LandlockABI is what the kernel offers, Landlock what is denied by it, sorted.
	LandlockABI int      `json:"landlock_abi"`
	Landlock    []string `json:"landlock"`
	// User is "unprivileged" (a user id of its own kind, no files) or "caller" (the id that started the host).
	User string `json:"user"`
	// Capabilities is always "none", NoNewPrivs always true, CoreBytes always 0: a stage that can't do it fails.
	Capabilities string `json:"capabilities"`
	NoNewPrivs   bool   `json:"no_new_privs"`
	CoreBytes    uint64 `json:"core_bytes"`
	// Limits in force.
	Limits Limits `json:"limits"`
}

// Request that leads to this form.
func (f Form) Request() Request {
	return Request{Name: f.Name, AllowSwap: f.Swap == SwapAllowed}
}

// Values of Form.Swap.
const (
	SwapNone    = "none"
	SwapAllowed = "allowed"
)

// Values of Form.Root, Form.Proc, Form.User and Form.Capabilities.
const (
	RootEmpty         = "empty"
	RootHost          = "host"
	ProcOwnNamespace  = "own-namespace"
	ProcOwnEntry      = "own-entry"
	ProcOwnByLandlock = "own-entry-by-landlock"
	UserUnprivileged  = "unprivileged"
	UserCaller        = "caller"
	CapabilitiesNone  = "none"
)

// Values in Form.Landlock: what the kernel denies by Landlock.
const (
	LandlockFS             = "fs"
	LandlockTCP            = "net-tcp"
	LandlockAbstractSocket = "scope-abstract-unix"
	LandlockSignal         = "scope-signal"
)

// Limits on one enclave's resources.
type Limits struct {
	// MemoryBytes is required. It bounds private memory (RLIMIT_DATA) and the size of each memory file
	// (RLIMIT_FSIZE); address space (RLIMIT_AS) gets VirtualOverhead on top, which holds no data.
	MemoryBytes uint64 `json:"memory_bytes"`
	// Files is the number of open descriptors; 0 means DefaultFiles.
	Files uint64 `json:"files"`
	// Threads bounds threads and processes together, counted in the enclave's own user namespace; 0 means
	// DefaultThreads. Without a user namespace the kernel would count the caller's other processes too, so
	// it is not set there and reads 0 in the Form.
	Threads uint64 `json:"threads"`
	// CPUSeconds is a bound on processor time; 0 means none.
	CPUSeconds uint64 `json:"cpu_seconds"`
}

// Defaults and bounds of Limits.
const (
	DefaultFiles   = 1024
	DefaultThreads = 256
	// MinMemoryBytes is the least that the Go runtime and the engine start with.
	MinMemoryBytes = 256 << 20
	// VirtualOverhead is address space that the runtime and the allocators reserve without using it.
	VirtualOverhead = 8 << 30
	// MaxMemoryBytes keeps the sum with VirtualOverhead in range.
	MaxMemoryBytes = 1 << 46
)
