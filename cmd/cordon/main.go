package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/cordon-exchange/cordon/internal/cli"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
)

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == perimeter.StageCommand {
		return perimeter.StageMain(os.Args[2:])
	}
	defer runtime.KeepAlive(ballast())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// ballast is memory that is never touched, so that it takes an address and no page. The garbage collector, which waits until
// the heap has doubled, does not run for the few megabytes that most commands and a quiet server need.
func ballast() []byte { return make([]byte, 32<<20) }
