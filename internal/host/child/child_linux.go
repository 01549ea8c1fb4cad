package child

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Child is a started process with the one goroutine that waits for it. Its methods may be called from any goroutine.
type Child struct {
	pid   int
	proc  *os.Process
	ended chan struct{}
	state State // valid once ended is closed
}

// Start starts cmd on an OS thread that lives until the process has ended. The kernel sends the parent-death signal
// when the *thread* that forked ends, so it must be a thread that nothing else uses. When ctx ends, it is killed.
// start is (*exec.Cmd).Start, or what a test puts in its place.
func Start(ctx context.Context, cmd *exec.Cmd, start func(*exec.Cmd) error) (*Child, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &Child{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := start(cmd)
		if err == nil {
			c.proc, c.pid = cmd.Process, cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // the state below says how it ended
		c.state = stateOf(cmd.ProcessState)
		close(c.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.Kill)
	go func() {
		<-c.ended
		stop()
	}()
	return c, nil
}

// Pid of the process.
func (c *Child) Pid() int { return c.pid }

// Kill is safe after the end: the process handle knows that it is gone.
func (c *Child) Kill() { _ = c.proc.Kill() }

// Ended is closed once the process has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Wait blocks until the process has ended.
func (c *Child) Wait() State {
	<-c.ended
	return c.state
}

func stateOf(p *os.ProcessState) State {
	s := State{Code: p.ExitCode(), CPU: p.UserTime() + p.SystemTime()}
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		s.Signal = ws.Signal()
	}
	if ru, ok := p.SysUsage().(*syscall.Rusage); ok {
		s.MaxRSS = ru.Maxrss << 10
	}
	return s
}
