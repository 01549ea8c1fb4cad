package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/cordon-exchange/cordon/internal/cli"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
)

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == perimeter.StageCommand {
		return perimeter.StageMain(os.Args[2:])
	}
	defer runtime.KeepAlive(unhurried())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// unhurried has the garbage collector wait until the heap has 32 MiB, which most commands and a quiet server never reach. Once it has run it
// waits until the heap has doubled, as ever, beside a ballast of that size: memory that is never touched, so that it takes an address and no
// page. With the ballast from the start it would run at once, for a millisecond of every command.
func unhurried() any {
	const least, usual = 32 << 20, 100
	debug.SetGCPercent(usual * least / (4 << 20)) // the least heap at which it runs is 4 MiB at 100 %
	ballast := new([]byte)
	runtime.AddCleanup(new(*byte), func(ballast *[]byte) {
		*ballast = make([]byte, least)
		debug.SetGCPercent(usual)
	}, ballast)
	return ballast
}
