package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
)

func TestPerimeterFaults(t *testing.T) {
	missing := &perimeter.MissingError{What: "user namespaces", Cure: "turn them on"}
	for _, c := range []struct {
		name string
		err  error
		code fault.Code
	}{
		{"machine lacks something", errors.Join(missing), fault.Unavailable},
		{"not linux", perimeter.ErrUnsupported, fault.Unavailable},
		{"not an enclave", perimeter.ErrImage, fault.Input},
		{"no such file", os.ErrNotExist, fault.Input},
		{"unknown form", errors.New("unknown perimeter"), fault.Usage},
	} {
		err := perimeterFault(c.err)
		if fault.ExitCode(err) != int(c.code) || fault.Hint(err) == "" || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, exit code %d, hint %q", c.name, err, fault.ExitCode(err), fault.Hint(err))
		}
	}
	if got := fault.Hint(perimeterFault(missing)); got != missing.Cure {
		t.Errorf("the cure is lost: %q", got)
	}
}

func TestHostServeRefuses(t *testing.T) {
	home := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		code fault.Code
	}{
		{"no such form", []string{"--perimeter", "none"}, fault.Usage},
		{"no jobs", []string{"--jobs", "0"}, fault.Usage},
		{"idle enclaves of no class", []string{"--idle", "tiny=1"}, fault.Usage},
		{"less than none", []string{"--idle", "small=-1"}, fault.Usage},
	} {
		cmd := NewHostCommand()
		cmd.SetArgs(append([]string{"serve", "--home", home, "--exchange", "http://127.0.0.1:1", "--enclave", filepath.Join(home, "none")}, c.args...))
		cmd.SetOut(new(bytes.Buffer))
		cmd.SetErr(new(bytes.Buffer))
		if err := cmd.ExecuteContext(context.Background()); fault.ExitCode(err) != int(c.code) {
			t.Errorf("%s: %v, exit code %d", c.name, err, fault.ExitCode(err))
		}
	}
}
