package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// spent is the processor time of the exchange's processes and of the commands so far, in milliseconds, by name. A host's has its enclaves' apart, as far
// as they have ended.
type spent map[string]float64

// tick is the unit of times in /proc: Linux tells programs of a hundredth of a second whatever it counts in.
const tick = 10 * time.Millisecond

func (w *world) spent() (spent, error) {
	s := spent{}
	for _, p := range w.running {
		own, children, err := timesOf(p.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		name := p.name
		if slices.Contains(owners(), name) {
			name = "brokers"
		}
		s[name] += own
		if p.name == "host" {
			s["enclave"] += children
		}
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return nil, err
	}
	s["command"] = milliseconds(time.Duration(u.Utime.Nano() + u.Stime.Nano()))
	return s, nil
}

// timesOf reads what a process used, and what those used that it waited for.
func timesOf(pid int) (own, children float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	return times(b)
}

// times are fields 14 to 17 of a process's stat: the second field is a name, and may hold anything but its last parenthesis.
func times(stat []byte) (own, children float64, err error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return 0, 0, fmt.Errorf("stat of a process has %d fields", len(fields))
	}
	var v [4]float64
	for i := range v {
		n, err := strconv.ParseInt(fields[11+i], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		v[i] = milliseconds(time.Duration(n) * tick)
	}
	return v[0] + v[1], v[2] + v[3], nil
}

// each is what one of n jobs used since before, in the order of names: what a job costs whatever else the machine does.
func (s spent) each(before spent, n int) string {
	var parts []string
	total := 0.0
	for _, name := range []string{"enclave", "brokers", "exchange", analyst, "host", "command"} {
		ms := (s[name] - before[name]) / float64(n)
		total += ms
		parts = append(parts, fmt.Sprintf("%s %.0f", name, ms))
	}
	return fmt.Sprintf("processor time %.0f ms: %s", total, strings.Join(parts, ", "))
}

// spentBy measures what f's n jobs used, each.
func (w *world) spentBy(ctx context.Context, n int, f func(context.Context) error) (string, error) {
	before, err := w.spent()
	if err != nil {
		return "", err
	}
	if err := f(ctx); err != nil {
		return "", err
	}
	after, err := w.spent()
	if err != nil {
		return "", err
	}
	return after.each(before, n), nil
}
