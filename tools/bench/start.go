package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

// The goals of starting.
const (
	goalHelp    = 30
	goalEnclave = 40
)

// starts of each program.
const starts = 40

// startRows measures programs from their start to their first sign of life.
func startRows(ctx context.Context, b *bench, r *figure.Report) error {
	r.Machine.Sample()
	help, err := b.help(ctx)
	if err != nil {
		return err
	}
	r.Add(figure.At("cordon, start to --help", figure.Millis, help, 0.5, figure.Goal{AtMost: goalHelp}).In("start", "to the end of the process"))
	r.Machine.Sample()
	enclave, form, err := b.enclaveStarts(ctx)
	if err != nil {
		return err
	}
	r.Add(figure.At("cordon-enclave, start to first request", figure.Millis, enclave, 0.5, figure.Goal{AtMost: goalEnclave}).
		In("start", "in its perimeter, %s; to the first bytes that the host gets", form))
	return nil
}

func (b *bench) help(ctx context.Context) (out []float64, err error) {
	program := filepath.Join(b.o.bin, "cordon")
	for i := -1; i < starts; i++ {
		began := time.Now()
		if text, err := exec.CommandContext(ctx, program, "--help").Output(); err != nil || len(text) == 0 {
			return nil, errors.Join(err, errors.New("cordon --help says nothing: run 'make build', or name the folder of the programs with -bin"))
		}
		if i >= 0 {
			out = append(out, milliseconds(time.Since(began)))
		}
	}
	return out, nil
}

// enclaveStarts asks enclavestart, a program as small as cordon: a perimeter's first stage is the program that starts it.
func (b *bench) enclaveStarts(ctx context.Context) (ms []float64, form string, err error) {
	program := filepath.Join(b.o.bin, "bench", "enclavestart")
	if _, err := os.Stat(program); err != nil {
		return nil, "", errors.New("enclavestart is not there: run 'make bench-deps'")
	}
	out, err := exec.CommandContext(ctx, program, filepath.Join(b.o.bin, "cordon-enclave"), strconv.Itoa(starts)).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, "", fmt.Errorf("enclavestart: %s", exit.Stderr)
	}
	if err != nil {
		return nil, "", err
	}
	var got struct {
		Form string    `json:"form"`
		MS   []float64 `json:"ms"`
	}
	err = json.Unmarshal(out, &got)
	return got.MS, got.Form, err
}
