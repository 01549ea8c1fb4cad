package perimeter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// stageConfig is what the host tells the first stage, as its one argument.
type stageConfig struct {
	Name   Name   `json:"name"`
	Claim  string `json:"claim"`
	Limits Limits `json:"limits"`
	// ABI is the Landlock version to use.
	ABI int `json:"abi"`
	// DropUser says that the stage has the right to become an unprivileged user, and must.
	DropUser bool `json:"drop_user"`
	// Outer are the host's namespaces, by kind; the stage's must differ where the form says so.
	Outer map[string]string `json:"outer"`
	// Probe ends the stage before it would execute the enclave.
	Probe bool `json:"probe"`
}

// stageDone is the first stage's report of what is in force, sent just before it turns into the enclave.
type stageDone struct {
	Namespaces []string `json:"namespaces"`
	Root       string   `json:"root"`
	Proc       string   `json:"proc"`
	Landlock   []string `json:"landlock"`
	User       string   `json:"user"`
}

// stageFailure names the step that failed and the kernel's answer.
type stageFailure struct {
	Step  string `json:"step"`
	Errno int    `json:"errno"`
}

// stageReport is one message from stage to host: exactly one field is set.
type stageReport struct {
	Done   *stageDone    `json:"done,omitempty"`
	Failed *stageFailure `json:"failed,omitempty"`
}

// Steps that a failure can name.
const (
	stepConfig     = "read its argument"
	stepNamespaces = "check namespaces"
	stepPrivate    = "make mounts private"
	stepRoot       = "build an empty root"
	stepProc       = "mount proc"
	stepLimits     = "set limits"
	stepUser       = "drop user and capabilities"
	stepPrivs      = "give up new privileges"
	stepLandlock   = "restrict by landlock"
	stepParent     = "tie to the host's life"
	stepReport     = "report"
	stepDescriptor = "close descriptors"
	stepExec       = "execute the enclave"
)

// maxReport bounds what the host reads from a stage.
const maxReport = 16 << 10

var errNoReport = errors.New("no report")

// readReport reads until the stage is gone or has become the enclave. A failure after a success counts as failure:
// executing the enclave is the last step.
func readReport(r io.Reader) (stageDone, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxReport))
	if err != nil {
		return stageDone{}, fmt.Errorf("%w: %w", ErrStage, err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var done *stageDone
	for {
		var m stageReport
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF):
			if done == nil {
				return stageDone{}, fmt.Errorf("%w: %w", ErrStage, errNoReport)
			}
			return *done, nil
		case err != nil:
			return stageDone{}, fmt.Errorf("%w: unreadable report", ErrStage)
		case m.Failed != nil:
			return stageDone{}, stageError(*m.Failed)
		case m.Done == nil || done != nil:
			return stageDone{}, fmt.Errorf("%w: unreadable report", ErrStage)
		default:
			done = m.Done
		}
	}
}
