package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cordon-exchange/cordon/internal/quiet"
	"github.com/cordon-exchange/cordon/internal/token"
)

func main() { os.Exit(run()) }

func run() int {
	// An interrupt at the terminal is the agent's business. The end of standard input is this process's end.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	if len(os.Args) != 1 {
		fmt.Fprintln(os.Stderr, "error: cordon-pkcs11 takes no arguments: an agent starts it (see 'cordon party init --help')")
		return 2
	}
	out, err := quiet.Begin()
	if err == nil {
		err = token.Run(os.Stdin, out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}
