package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/cordon-exchange/cordon/internal/host"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
)

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == perimeter.StageCommand {
		return perimeter.StageMain(os.Args[2:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

// measured is what is printed.
type measured struct {
	Form string    `json:"form"`
	MS   []float64 `json:"ms"`
}

func measure(ctx context.Context, args []string, w io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: enclavestart PROGRAM TIMES")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 1 {
		return errors.New("usage: enclavestart PROGRAM TIMES")
	}
	class := host.DefaultClasses()[0]
	p, err := host.NewProcesses(ctx, args[0], host.Strongest, class)
	if err != nil {
		return err
	}
	defer p.Close()
	out := measured{Form: p.Form()}
	for i := -1; i < n; i++ {
		took, err := firstRequest(ctx, p, class)
		if err != nil {
			return err
		}
		if i >= 0 { // the first finds cold file caches
			out.MS = append(out.MS, float64(took.Microseconds())/1000)
		}
	}
	return json.NewEncoder(w).Encode(out)
}

// patience bounds how long an enclave may be silent.
const patience = 10 * time.Second

// firstRequest starts an enclave and waits until it asks for something.
func firstRequest(ctx context.Context, p *host.Processes, class host.Class) (time.Duration, error) {
	began := time.Now()
	e, err := p.Start(ctx, class)
	if err != nil {
		return 0, err
	}
	conn := e.Conn()
	_ = conn.SetReadDeadline(began.Add(patience))
	_, err = io.ReadFull(conn, make([]byte, 1))
	took := time.Since(began)
	e.Kill()
	_ = conn.Close()
	ended := e.Wait()
	if err != nil {
		return 0, fmt.Errorf("the enclave asked for nothing, and ended: %s", ended)
	}
	return took, nil
}
