package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one running server.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

// readyTimeout bounds how long a server may take to say that it is ready, and
// stopTimeout how long it may take to end.
const (
	readyTimeout = 30 * time.Second
	stopTimeout  = 5 * time.Second
)

// start runs a server and waits for its first line of output, a JSON object that
// it prints once it is ready.
func (w *world) start(ctx context.Context, name string, ready any, args ...string) error {
	log, err := os.OpenFile(filepath.Join(w.dir, name+".log"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(w.cordonBin, args...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	w.running = append(w.running, p)
	lines := make(chan string, 1)
	go func() {
		defer close(p.done)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case lines <- s.Text():
			default:
			}
		}
		_ = cmd.Wait()
	}()
	timeout := time.NewTimer(readyTimeout)
	defer timeout.Stop()
	select {
	case line := <-lines:
		if err := json.Unmarshal([]byte(line), ready); err != nil {
			return fmt.Errorf("%s printed no ready line: %w", name, err)
		}
		return nil
	case <-p.done:
		return fmt.Errorf("%s ended before it was ready:\n%s", name, tail(log.Name()))
	case <-timeout.C:
		return fmt.Errorf("%s was not ready after %s:\n%s", name, readyTimeout, tail(log.Name()))
	case <-ctx.Done():
		return ctx.Err()
	}
}

func tail(path string) string {
	b, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// stop asks the server to end, then makes it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close()
}

func (w *world) stopAll() {
	var all sync.WaitGroup
	for _, p := range w.running {
		all.Go(p.stop)
	}
	all.Wait()
}

// cordon runs one command as a person would and returns what it printed.
func (w *world) cordon(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, w.cordonBin, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("cordon %s: exit %d: %s", strings.Join(args[:2], " "), exit.ExitCode(), strings.TrimSpace(stderr.String()))
	}
	return out, err
}

// cordonJSON runs a command with --json and decodes what it printed.
func (w *world) cordonJSON(ctx context.Context, v any, args ...string) error {
	out, err := w.cordon(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("cordon %s printed no JSON: %w", strings.Join(args[:2], " "), err)
	}
	return nil
}
