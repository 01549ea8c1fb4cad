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
	"github.com/cordon-exchange/cordon/internal/enclave/keymem"
	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
	"github.com/cordon-exchange/cordon/internal/enclave/runner"
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
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "cordon-enclave: runs one sealed job; started by 'cordon host serve', never by hand")
		return exitUsage
	}
	seen, err := lockdown.Prepare(os.Args[1])
	if err != nil {
		return exitPerimeter
	}
	conn, err := channel()
	if err != nil {
		return exitPerimeter
	}
	keys := keymem.New()
	defer keys.Close()
	filter, _, err := lockdown.Seccomp()
	if err != nil {
		return exitPerimeter
	}
	defer runtime.KeepAlive(ballast())
	err = runner.Run(context.Background(), runner.Options{
		Conn:      conn,
		Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify},
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

func channel() (net.Conn, error) {
	f := os.NewFile(lockdown.ChannelFD, "channel")
	defer f.Close()
	return net.FileConn(f)
}

// ballast is memory that is never touched, so that it takes an address and no page. The garbage collector, which waits until
// the heap has doubled, does not run in a small job.
func ballast() []byte { return make([]byte, 16<<20) }
