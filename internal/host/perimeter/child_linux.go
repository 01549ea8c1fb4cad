package perimeter

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// child is a started process with the one goroutine that waits for it.
type child struct {
	pid   int
	proc  *os.Process
	ended chan struct{}
	state ExitState // valid once ended is closed
}

// startChild starts cmd on an OS thread that lives until the process has ended. The kernel sends the parent-death
// signal when the *thread* that forked ends, so it must be a thread that nothing else uses.
func startChild(ctx context.Context, cmd *exec.Cmd, start func(*exec.Cmd) error) (*child, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &child{ended: make(chan struct{})}
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
		c.state = exitState(cmd.ProcessState)
		close(c.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.kill)
	go func() {
		<-c.ended
		stop()
	}()
	return c, nil
}

// kill is safe after the end: the process handle knows that it is gone.
func (c *child) kill() { _ = c.proc.Kill() }

func (c *child) wait() ExitState {
	<-c.ended
	return c.state
}

func exitState(p *os.ProcessState) ExitState {
	s := ExitState{Code: p.ExitCode(), CPU: p.UserTime() + p.SystemTime()}
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		s.Signal = ws.Signal()
	}
	if ru, ok := p.SysUsage().(*syscall.Rusage); ok {
		s.MaxRSS = ru.Maxrss << 10
	}
	return s
}
