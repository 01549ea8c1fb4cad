package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/enclave/attest"
	"github.com/cordon-exchange/cordon/internal/enclave/guest"
	"github.com/cordon-exchange/cordon/internal/enclave/keymem"
	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
	"github.com/cordon-exchange/cordon/internal/enclave/runner"
	"github.com/cordon-exchange/cordon/internal/enclave/served"
	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/statement"
)

// Exit codes. The host learns how a job ended from the channel; these are for those who start the program by hand.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitPerimeter
)

func main() { os.Exit(run(time.Now())) }

func run(started time.Time) int {
	if guest.Booted(os.Args) {
		_ = guest.Stage(os.Args) // on success it does not return; there is nobody to tell why it did
		return exitPerimeter
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "cordon-enclave: runs one sealed job; started by 'cordon host serve', never by hand")
		return exitUsage
	}
	if os.Args[1] == gramine {
		return inGramine(started)
	}
	if served.Check() != nil {
		return exitPerimeter
	}
	seen, err := lockdown.Prepare(os.Args[1])
	if err != nil {
		return exitPerimeter
	}
	conn, bulk, err := streams(seen.Claim)
	if err != nil {
		return exitPerimeter
	}
	attester, verifiers, err := vouching(seen.Claim)
	if err != nil {
		return exitPerimeter
	}
	keys := keymem.New()
	defer keys.Close()
	filter, _, err := lockdown.SeccompFor(seen.Claim)
	if err != nil {
		return exitPerimeter
	}
	defer runtime.KeepAlive(ballast())
	err = runner.Run(context.Background(), runner.Options{
		Conn:      conn,
		Bulk:      bulk,
		Attester:  attester,
		Verifiers: verifiers,
		Form:      seen.Claim,
		Seccomp:   statement.Digest("sha256:" + filter),
		Keys:      keys,
		Self: []statement.Property{
			{Name: runner.SelfKeyMemory, Value: keys.Form()},
			{Name: runner.SelfSecretMode, Value: secretmode.Mode},
		},
		Started: started,
	})
	if err != nil {
		return exitFailed
	}
	return exitDone
}

// gramine is the perimeter's name.
const gramine = "gramine"

// inGramine runs the job as an SGX enclave under Gramine, which is all that is around it: there is no kernel whose protections could be
// looked for, and the manifest, which is measured, decided about files, environment and memory. Without Gramine's attester it refuses.
// Never run on hardware.
func inGramine(started time.Time) int {
	a, err := attest.Gramine(attest.GramineFolder)
	if err != nil {
		return exitPerimeter
	}
	a, told := attest.Told(evidence.SGX, a)
	err = runner.Run(context.Background(), runner.Options{
		Conn: guest.Stdio(os.Stdin, os.Stdout), Attester: a, Verifiers: evidence.Verifiers{evidence.SGX: told}, Form: gramine, Started: started,
	})
	if err != nil {
		return exitFailed
	}
	return exitDone
}

// streams are the channel and, where the perimeter is a process, the second stream for ciphertext.
func streams(claim string) (conn, bulk net.Conn, err error) {
	if lockdown.IsMachine(claim) {
		conn, err = guest.Channel(lockdown.ChannelFD)
		return conn, nil, err
	}
	if conn, err = socket(lockdown.ChannelFD); err == nil {
		bulk, err = socket(lockdown.BulkFD)
	}
	return conn, bulk, err
}

func socket(fd uintptr) (net.Conn, error) {
	f := os.NewFile(fd, "channel")
	defer f.Close()
	return net.FileConn(f)
}

// vouching is who vouches for the enclave behind this perimeter: its machine, or nobody but the host.
func vouching(claim string) (attest.Attester, evidence.Verifiers, error) {
	if !lockdown.IsMachine(claim) {
		return nil, evidence.Verifiers{simulated.Kind: simulated.Verify}, nil
	}
	kind, a, err := guest.Attester(claim)
	if err != nil {
		return nil, nil, err
	}
	a, told := attest.Told(kind, a)
	return a, evidence.Verifiers{kind: told}, nil
}

// ballast is memory that is never touched, so that it takes an address and no page. The garbage collector, which waits until
// the heap has doubled, does not run in a small job.
func ballast() []byte { return make([]byte, 16<<20) }
