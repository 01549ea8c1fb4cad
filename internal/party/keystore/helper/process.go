package helper

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// callTime bounds one call: a token that is asked for a touch, or a network behind a module, may take seconds.
const callTime = 20 * time.Second

// process is a running helper. It serves one call at a time.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

func start(path string) (*process, error) {
	cmd := exec.Command(path) // not bound to a context: it lives for many calls. What it logs could name secrets, and goes nowhere.
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, in: in, out: out}, nil
}

// call sends a request and waits for its reply. After an error the process is of no use any more.
func (p *process) call(ctx context.Context, q wire.Request) (wire.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer stop()
	var r wire.Reply
	err := wire.Write(p.in, q)
	if err == nil {
		err = wire.Read(p.out, &r)
	}
	if err == nil {
		return r, nil
	}
	if ctx.Err() != nil {
		return wire.Reply{}, errors.New("the helper did not answer in time")
	}
	return wire.Reply{}, errors.New("the helper ended")
}

// end closes its input, which ends it, and waits a moment before it is killed.
func (p *process) end() {
	_ = p.in.Close()
	t := time.AfterFunc(time.Second, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	_ = p.cmd.Wait() // how it ended says nothing
}
