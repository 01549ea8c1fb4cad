package host

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
	"github.com/cordon-exchange/cordon/statement"
)

// Perimeter starts enclaves.
type Perimeter interface {
	// Start starts one enclave for a job of that class. ctx bounds its whole life.
	Start(ctx context.Context, c Class) (Enclave, error)
}

// Served is a Perimeter that is ready: what a host says about it when it starts.
type Served interface {
	Perimeter
	Form() string            // name of the form in force, as contracts and policies list it
	Build() statement.Digest // what contracts and policies list for the program that every enclave runs
	Kind() string            // of evidence
	Close() error
}

// Enclave is one running enclave. Its methods may be called from any goroutine.
type Enclave interface {
	// Conn is the host's end of the channel. Whoever serves it closes it.
	Conn() net.Conn
	// Bulk is the host's end of a second stream, for ciphertext; nil where the perimeter has one alone. Whoever serves it closes it.
	Bulk() net.Conn
	// Build is the measurement of the program that runs.
	Build() statement.Digest
	// Kind of the evidence that is given for it: simulated where only the operator vouches.
	Kind() string
	// Form says which protections are in force.
	Form() statement.Perimeter
	// Kill ends the enclave at once. It is safe to call after the end.
	Kill()
	// Wait returns when the enclave has ended, and says how: for the log.
	Wait() string
}

// Processes is a Perimeter of sandboxed processes on this machine.
type Processes struct {
	image   *perimeter.Image
	request perimeter.Request
}

// Strongest is the text that asks NewProcesses for the strongest form that the machine offers.
const Strongest = "strongest"

// NewProcesses measures the enclave program and checks that the machine offers the form that was asked for by name: any other
// is never fallen back to. The error names what is missing, and the cure.
func NewProcesses(ctx context.Context, program, form string, largest Class) (*Processes, error) {
	request, err := requested(ctx, form)
	if err != nil {
		return nil, err
	}
	limits := perimeter.Limits{MemoryBytes: uint64(largest.MemoryBytes)}
	if _, err := perimeter.Check(ctx, perimeter.Options{Request: request, Limits: limits}); err != nil {
		return nil, err
	}
	image, err := perimeter.LoadImage(program)
	if err != nil {
		return nil, err
	}
	return &Processes{image: image, request: request}, nil
}

func requested(ctx context.Context, form string) (perimeter.Request, error) {
	if form != Strongest {
		return perimeter.ParseRequest(form)
	}
	f, err := perimeter.Strongest(ctx)
	return f.Request(), err
}

// Form is the name of the form in force, as contracts and policies list it.
func (p *Processes) Form() string { return p.request.String() }

// Build is the measurement of the program that every enclave runs.
func (p *Processes) Build() statement.Digest {
	return statement.Digest("sha256:" + p.image.Measurement())
}

// Kind of evidence that is given for a process: the operator's word.
func (*Processes) Kind() string { return simulated.Kind }

// Close gives the program's memory back.
func (p *Processes) Close() error { return p.image.Close() }

// Start starts one process.
func (p *Processes) Start(ctx context.Context, c Class) (Enclave, error) {
	e, err := perimeter.Start(ctx, perimeter.Options{
		Image: p.image, Request: p.request, Limits: perimeter.Limits{MemoryBytes: uint64(c.MemoryBytes)},
	})
	if err != nil {
		return nil, err
	}
	return process{e}, nil
}

type process struct{ *perimeter.Enclave }

func (p process) Build() statement.Digest { return statement.Digest("sha256:" + p.Measurement()) }

// Kind of a process's evidence: the operator's word.
func (process) Kind() string { return simulated.Kind }

func (p process) Wait() string { return p.Enclave.Wait().String() }

// Form spells perimeter.Form out as facts for evidence and receipts.
func (p process) Form() statement.Perimeter {
	f := p.Enclave.Form()
	facts := map[string]string{
		"capabilities": f.Capabilities,
		"core-bytes":   strconv.FormatUint(f.CoreBytes, 10),
		"kernel":       f.Kernel,
		"landlock":     strings.Join(f.Landlock, " "),
		"landlock-abi": strconv.Itoa(f.LandlockABI),
		"memory-bytes": strconv.FormatUint(f.Limits.MemoryBytes, 10),
		"namespaces":   strings.Join(f.Namespaces, " "),
		"no-new-privs": strconv.FormatBool(f.NoNewPrivs),
		"proc":         f.Proc,
		"root":         f.Root,
		"swap":         f.Swap,
		"threads":      strconv.FormatUint(f.Limits.Threads, 10),
		"user":         f.User,
	}
	out := statement.Perimeter{Form: f.Request().String(), Details: []statement.Property{}}
	for name, value := range facts {
		out.Details = append(out.Details, statement.Property{Name: name, Value: value})
	}
	slices.SortFunc(out.Details, func(a, b statement.Property) int { return strings.Compare(a.Name, b.Name) })
	return out
}
