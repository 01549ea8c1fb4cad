package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cordon-exchange/cordon/internal/kms"
	"github.com/cordon-exchange/cordon/internal/quiet"
)

func main() { os.Exit(run()) }

func run() int {
	// An interrupt at the terminal is the agent's business. The end of standard input is this process's end.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	if len(os.Args) != 1 {
		fmt.Fprintln(os.Stderr, "error: cordon-kms takes no arguments: an agent starts it (see 'cordon party init --help')")
		return 2
	}
	out, err := quiet.Begin()
	if err == nil {
		err = kms.Run(context.Background(), os.Stdin, out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}
