package perimeter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/host/child"
)

var errNoImage = errors.New("perimeter: no enclave image given")

// Enclave is one running enclave process. Its methods may be called from any goroutine.
type Enclave struct {
	conn, bulk  net.Conn
	measurement string
	form        Form
	proc        *child.Child
}

// Start launches one enclave process inside the perimeter that was asked for, and returns once the measured program
// is running. ctx bounds the enclave's whole life: when it ends, the enclave is killed. The caller closes Conn and Bulk.
func Start(ctx context.Context, o Options) (*Enclave, error) {
	o, err := o.valid()
	if err != nil {
		return nil, err
	}
	if o.Image == nil {
		return nil, errNoImage
	}
	l, err := launch(ctx, o, false)
	if err != nil {
		return nil, err
	}
	return &Enclave{conn: l.conn, bulk: l.bulk, measurement: o.Image.Measurement(), form: l.form, proc: l.proc}, nil
}

// Conn is the host's end of the channel.
func (e *Enclave) Conn() net.Conn { return e.conn }

// Bulk is the host's end of the second stream, for ciphertext.
func (e *Enclave) Bulk() net.Conn { return e.bulk }

// Measurement is the SHA-256, in hex, of the program that is running.
func (e *Enclave) Measurement() string { return e.measurement }

// Form says which protections are in force.
func (e *Enclave) Form() Form { return e.form }

// Pid of the enclave as the host sees it.
func (e *Enclave) Pid() int { return e.proc.Pid() }

// Kill ends the enclave at once. It is safe to call at any time, also after the end.
func (e *Enclave) Kill() { e.proc.Kill() }

// Wait blocks until the enclave has ended.
func (e *Enclave) Wait() ExitState { return e.proc.Wait() }

// launched is a first stage that has reported success.
type launched struct {
	conn, bulk net.Conn
	form       Form
	proc       *child.Child
}

// launch runs the first stage; with probe it ends there instead of becoming the enclave.
func launch(ctx context.Context, o Options, probe bool) (*launched, error) {
	abi, err := o.facts.check(o.Request)
	if err != nil {
		return nil, err
	}
	user, err := userMapping()
	if err != nil {
		return nil, err
	}
	config, err := newStageConfig(o, abi, user.drop, probe)
	if err != nil {
		return nil, err
	}
	pipes, err := newPipes()
	if err != nil {
		return nil, err
	}
	defer pipes.closeChildEnds()
	cmd := stageCommand(o, config, user, pipes)
	proc, err := child.Start(ctx, cmd, o.facts.start)
	if err != nil {
		pipes.closeHostEnds()
		return nil, startError(o.Request, err)
	}
	// Only our copies; otherwise the report would never end.
	pipes.closeChildEnds()
	done, err := readReport(pipes.report)
	if err != nil {
		proc.Kill()
		proc.Wait()
		pipes.closeHostEnds()
		return nil, errors.Join(ctx.Err(), err)
	}
	pipes.report.Close()
	form, err := formOf(o, abi, done)
	if err != nil {
		return nil, err
	}
	return &launched{conn: pipes.conn, bulk: pipes.bulk, form: form, proc: proc}, nil
}

func newStageConfig(o Options, abi int, dropUser, probe bool) (string, error) {
	outer, err := currentNamespaces()
	if err != nil {
		return "", fmt.Errorf("perimeter: read own namespaces: %w", err)
	}
	text, err := json.Marshal(stageConfig{
		Name: o.Request.Name, Claim: o.Request.String(), Limits: o.Limits,
		ABI: abi, DropUser: dropUser, Outer: outer, Probe: probe,
	})
	return string(text), err
}

// formOf joins what was asked for with what the stage reports to be in force.
func formOf(o Options, abi int, done stageDone) (Form, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Form{}, fmt.Errorf("perimeter: uname: %w", err)
	}
	swap := SwapNone
	if o.Request.AllowSwap {
		swap = SwapAllowed
	}
	return Form{
		Name: o.Request.Name, Swap: swap, Kernel: unix.ByteSliceToString(u.Release[:]),
		Namespaces: done.Namespaces, Root: done.Root, Proc: done.Proc,
		LandlockABI: abi, Landlock: done.Landlock, User: done.User,
		Capabilities: CapabilitiesNone, NoNewPrivs: true, CoreBytes: 0, Limits: o.Limits,
	}, nil
}

// stageCommand describes the first stage: the host's own program, in new namespaces, with an empty environment.
func stageCommand(o Options, config string, user mapping, p *pipes) *exec.Cmd {
	cmd := &exec.Cmd{
		Path: o.StageExe,
		Args: []string{"cordon", StageCommand, config},
		Env:  []string{},
		// Stdin, Stdout and Stderr stay nil, which means the null device.
		ExtraFiles: []*os.File{p.childConn, p.childBulk, p.childReport},
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:    true,
			Pdeathsig: syscall.SIGKILL,
		},
	}
	if o.Image != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, o.Image.file)
	}
	if o.Request.Name == NoUserNS {
		return cmd
	}
	for _, k := range namespaceKinds() {
		if k.wanted(o.Request.Name) {
			cmd.SysProcAttr.Cloneflags |= k.flag
		}
	}
	cmd.SysProcAttr.UidMappings = user.uids
	cmd.SysProcAttr.GidMappings = user.gids
	cmd.SysProcAttr.GidMappingsEnableSetgroups = user.drop
	return cmd
}

// pipes are the connections to a first stage: the channel, the stream for ciphertext, and the report.
type pipes struct {
	conn, bulk                        net.Conn
	report                            *os.File
	childConn, childBulk, childReport *os.File
}

func newPipes() (*pipes, error) {
	conn, theirs, err := child.Channel()
	if err != nil {
		return nil, fmt.Errorf("perimeter: channel: %w", err)
	}
	bulk, theirBulk, err := child.Bulk()
	if err != nil {
		conn.Close()
		theirs.Close()
		return nil, fmt.Errorf("perimeter: channel: %w", err)
	}
	p := &pipes{conn: conn, bulk: bulk, childConn: theirs, childBulk: theirBulk}
	if p.report, p.childReport, err = os.Pipe(); err != nil {
		p.closeChildEnds()
		p.closeHostEnds()
		return nil, fmt.Errorf("perimeter: report: %w", err)
	}
	return p, nil
}

// closeChildEnds may be called more than once.
func (p *pipes) closeChildEnds() {
	p.childConn.Close()
	p.childBulk.Close()
	p.childReport.Close()
}

func (p *pipes) closeHostEnds() {
	p.conn.Close()
	p.bulk.Close()
	p.report.Close()
}
