package hardware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cordon-exchange/cordon/internal/host/child"
	"github.com/cordon-exchange/cordon/statement"
)

// Perimeter starts enclaves of one form.
type Perimeter struct {
	form, folder, cmdline string
	build                 statement.Digest
	kind                  string
	program               string // path of what starts an enclave
	listen                func(port uint32) (calls <-chan net.Conn, stop func(), err error)
}

// New checks that the machine offers a form and that the folder holds its image. build is what the hardware will measure, from 'cordon
// enclave measure': the host only repeats it, owners compare it with the hardware's evidence.
func New(form, folder string, build statement.Digest, m Machine) (*Perimeter, error) {
	p, err := perimeterOf(form)
	if err != nil {
		return nil, err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, err
	}
	if err := p.check(form, folder, m); err != nil {
		return nil, err
	}
	if !build.Valid() {
		return nil, ErrBuild
	}
	out := &Perimeter{form: form, folder: folder, build: build, kind: p.kind, listen: listenVsock}
	if out.program, err = m.LookPath(map[string]string{Gramine: gramineProgram, SNP: qemuProgram, TDX: qemuProgram, Nitro: nitroProgram}[form]); err != nil {
		return nil, err
	}
	if form == SNP || form == TDX {
		b, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err != nil {
			return nil, err
		}
		out.cmdline = strings.TrimSuffix(string(b), "\n")
	}
	return out, nil
}

// Form, Build and Kind are what contracts and policies list.
func (p *Perimeter) Form() string { return p.form }

// Build that the hardware will show.
func (p *Perimeter) Build() statement.Digest { return p.build }

// Kind of evidence.
func (p *Perimeter) Kind() string { return p.kind }

// Close does nothing: an image is read when an enclave starts.
func (p *Perimeter) Close() error { return nil }

// Enclave is one running enclave. Its methods may be called from any goroutine.
type Enclave struct {
	p    *Perimeter
	size Size
	conn net.Conn
	kill func()
	wait func() string
}

// Conn is the host's end of the channel.
func (e *Enclave) Conn() net.Conn { return e.conn }

// Bulk is nil: a machine has one port to its host.
func (*Enclave) Bulk() net.Conn { return nil }

// Build that the hardware will show.
func (e *Enclave) Build() statement.Digest { return e.p.build }

// Kind of evidence.
func (e *Enclave) Kind() string { return e.p.kind }

// Form is the operator's word.
func (e *Enclave) Form() statement.Perimeter { return formOf(e.p.form, e.size) }

// Kill ends the enclave.
func (e *Enclave) Kill() { e.kill() }

// Wait returns when the enclave has ended, and says how.
func (e *Enclave) Wait() string { return e.wait() }

// Start starts one enclave. ctx bounds its whole life.
func (p *Perimeter) Start(ctx context.Context, s Size) (*Enclave, error) {
	if p.form == Nitro {
		return p.startNitro(ctx, s)
	}
	conn, theirs, err := child.Channel()
	if err != nil {
		return nil, fmt.Errorf("hardware: channel: %w", err)
	}
	defer theirs.Close()
	c, err := child.Start(ctx, p.command(s, theirs), (*exec.Cmd).Start)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("hardware: %s: %w", filepath.Base(p.program), err)
	}
	return &Enclave{p: p, size: s, conn: conn, kill: c.Kill, wait: func() string { return c.Wait().String() }}, nil
}

// command describes the process that is, or holds, the enclave. It dies with the host.
func (p *Perimeter) command(s Size, channel *os.File) *exec.Cmd {
	args := guestArgs(p.form, p.folder, p.cmdline, s)
	if p.form == Gramine {
		args = gramineArgs()
	}
	cmd := exec.Command(p.program, args...)
	cmd.Dir, cmd.Env = p.folder, []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if p.form == Gramine {
		cmd.Stdin, cmd.Stdout = channel, channel
	} else {
		cmd.ExtraFiles = []*os.File{channel}
	}
	return cmd
}

// Times of a Nitro enclave's start, and of asking for its end.
const (
	bootTime = 2 * time.Minute
	endTime  = 30 * time.Second
)

// ErrSilent says that an enclave was started and did not call.
var ErrSilent = errors.New("hardware: the enclave does not call")

// startNitro starts an enclave and waits for its call. nitro-cli answers the enclave's word that it runs; the channel is ours.
func (p *Perimeter) startNitro(ctx context.Context, s Size) (*Enclave, error) {
	calls, stop, err := p.listen(ChannelPort)
	if err != nil {
		return nil, fmt.Errorf("hardware: listen on vsock: %w", err)
	}
	defer stop()
	out, err := exec.CommandContext(ctx, p.program, nitroArgs(p.folder, s)...).Output()
	if err != nil {
		return nil, fmt.Errorf("hardware: %s: %w", nitroProgram, err)
	}
	var started struct {
		EnclaveID string `json:"EnclaveID"`
	}
	if err := json.Unmarshal(out, &started); err != nil || started.EnclaveID == "" {
		return nil, fmt.Errorf("hardware: %s: no enclave in its answer", nitroProgram)
	}
	end := p.terminate(started.EnclaveID)
	t := time.NewTimer(bootTime)
	defer t.Stop()
	select {
	case conn := <-calls:
		return p.running(ctx, s, conn, end), nil
	case <-ctx.Done():
		end()
		return nil, ctx.Err()
	case <-t.C:
		end()
		return nil, ErrSilent
	}
}

// running is an enclave that ends with its context.
func (p *Perimeter) running(ctx context.Context, s Size, conn net.Conn, end func()) *Enclave {
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { end(); close(over) })
	kill := func() {
		if stop() {
			end()
			close(over)
		}
	}
	return &Enclave{p: p, size: s, conn: conn, kill: kill, wait: func() string { <-over; return "terminated" }}
}

// terminate ends an enclave that nitro-cli started.
func (p *Perimeter) terminate(id string) func() {
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		_ = exec.CommandContext(ctx, p.program, "terminate-enclave", "--enclave-id", id).Run() // gone already, or nothing can be done
	}
}

// ChannelPort is where the enclave calls (package guest has the same number).
const ChannelPort = 7403
