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

// process is one running server of the demo.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

// readyTimeout bounds how long a server may take to say that it is ready.
const readyTimeout = 30 * time.Second

// start runs a server and waits for its first line of output, a JSON object that
// it prints once it is ready.
func (d *demo) start(ctx context.Context, name string, ready any, bin string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(d.out, "logs", name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, args...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	d.mu.Lock()
	d.running = append(d.running, p)
	d.mu.Unlock()
	lines := make(chan string, 1)
	go func() {
		defer close(p.done)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case lines <- s.Text():
			default:
			}
			fmt.Fprintln(log, s.Text())
		}
		_ = cmd.Wait()
	}()
	select {
	case line := <-lines:
		if err := json.Unmarshal([]byte(line), ready); err != nil {
			return nil, fmt.Errorf("%s printed no ready line: %w", name, err)
		}
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended before it was ready:\n%s", name, tail(log.Name()))
	case <-time.After(readyTimeout):
		return nil, fmt.Errorf("%s was not ready after %s:\n%s", name, readyTimeout, tail(log.Name()))
	case <-ctx.Done():
		return nil, ctx.Err()
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
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close()
}

func (d *demo) stopAll() {
	var wg sync.WaitGroup
	for _, p := range d.running {
		wg.Add(1)
		go func() { defer wg.Done(); p.stop() }()
	}
	wg.Wait()
}

// failure is what a command said when it refused.
type failure struct {
	exit   int
	stderr string
}

func (f *failure) Error() string { return fmt.Sprintf("exit %d: %s", f.exit, f.stderr) }

// cordon runs one command as a person would and returns what it printed.
func (d *demo) cordon(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.cordonBin, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, &failure{exit.ExitCode(), strings.TrimSpace(stderr.String())}
	}
	return out, err
}

// cordonJSON runs a command with --json and decodes what it printed.
func (d *demo) cordonJSON(ctx context.Context, v any, args ...string) error {
	out, err := d.cordon(ctx, append(args, "--json")...)
	if err != nil {
		return fmt.Errorf("cordon %s: %w", strings.Join(args, " "), err)
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("cordon %s printed no JSON: %w", strings.Join(args, " "), err)
	}
	return nil
}
