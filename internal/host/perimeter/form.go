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

// Limits on one enclave's resources. Zero values other than MemoryBytes are filled in, and the Form shows with what.
type Limits struct {
	// MemoryBytes is required. It bounds private memory (RLIMIT_DATA) and the size of each memory file
	// (RLIMIT_FSIZE). A single mapping can overshoot the former (the kernel doesn't count a mapping that replaces
	// a reserved one), AddressBytes can not be overshot.
	MemoryBytes uint64 `json:"memory_bytes"`
	// AddressBytes bounds the address space (RLIMIT_AS); 0 means MemoryBytes and what the runtime and the
	// allocators reserve without using it.
	AddressBytes uint64 `json:"address_bytes"`
	// Files is the number of open descriptors; 0 means DefaultFiles.
	Files uint64 `json:"files"`
	// Threads bounds threads and processes together, counted in the enclave's own user namespace; 0 means
	// DefaultThreads. Without a user namespace the kernel would count the caller's other processes too, so
	// it is not set there and reads 0 in the Form. The kernel exempts root, which matters where User is "caller".
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
	// MaxMemoryBytes keeps sums in range.
	MaxMemoryBytes = 1 << 46
	// reservedBytes and reservedPerCPU are address space without data: measured at 2.5 GiB on 2 processors, of
	// which 1.7 GiB at start (program, Go's tables), the rest allocator arenas, which grow with the threads.
	reservedBytes  = 5 << 29
	reservedPerCPU = 128 << 20
)
