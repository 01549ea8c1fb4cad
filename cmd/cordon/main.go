package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/cordon-exchange/cordon/internal/cli"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
)

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == perimeter.StageCommand {
		return perimeter.StageMain(os.Args[2:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}
