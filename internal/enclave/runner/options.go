package runner

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/enclave/attest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Options of a run. Conn, Verifiers and Form are required.
type Options struct {
	// Conn is the channel to the host.
	Conn net.Conn
	// Bulk is a second stream to the host, for ciphertext. Default: it comes through the channel.
	Bulk net.Conn
	// Verifiers of the evidence that the host may present about this enclave.
	Verifiers evidence.Verifiers
	// Attester asks the machine that the enclave is, or runs in, to vouch for it. Default: nobody but the host does.
	Attester attest.Attester
	// Form of the perimeter, as the enclave found it from within. Evidence that claims another is refused.
	Form string
	// Seccomp is the hash of the system call filter in force. Empty where there is none, as in tests in one process.
	Seccomp statement.Digest
	// Keys is memory for keys. Default: the heap.
	Keys seal.Memory
	// Self is what the enclave found of itself and did to itself, for the receipt: sorted by name.
	Self []statement.Property
	// Started is when the enclave began. Default: now.
	Started time.Time
	// Now is the clock. Default: time.Now, which is the host's.
	Now func() time.Time
	// PeakMemory tells how much memory was resident at most. Default: from /proc/self/status.
	PeakMemory func() (int64, error)
}

// Names of what an enclave says of itself in receipts (docs/spec/perimeter-process.md, section 8).
const (
	SelfKeyMemory  = "key-memory"  // the form of package keymem
	SelfSecretMode = "secret-mode" // the mode of package secretmode
)

var errOptions = errors.New("runner: options incomplete")

func (o Options) valid() (Options, error) {
	if o.Conn == nil || len(o.Verifiers) == 0 || o.Form == "" {
		return o, errOptions
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Started.IsZero() {
		o.Started = o.Now()
	}
	if o.PeakMemory == nil {
		o.PeakMemory = peakMemory
	}
	return o, nil
}

// peakMemory reads the process's high-water mark. The system call filter allows no getrusage, and does allow this.
func peakMemory() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	return highWater(string(b))
}

var errStatus = errors.New("runner: no high-water mark")

func highWater(status string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 43)
		if err != nil || kib < 0 {
			return 0, errStatus
		}
		return kib << 10, nil
	}
	return 0, errStatus
}
