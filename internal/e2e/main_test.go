package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/internal/enclavebuild"
	"github.com/cordon-exchange/cordon/internal/need"
)

// holdCommand makes this program one that holds a text in memory until its standard input ends.
const holdCommand = "CORDON_E2E_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holdCommand) != "" {
		hold()
		return
	}
	code := m.Run()
	if made != "" {
		os.RemoveAll(made)
	}
	os.Exit(code)
}

func hold() {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		os.Exit(1)
	}
	fmt.Println("{}")
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Fprint(io.Discard, line)
}

type programs struct{ cordon, enclave string }

var made string // folder of the programs, removed at the end

// build makes both programs once, by the Makefile's own lines.
var build = sync.OnceValues(func() (*programs, error) {
	dir, err := os.MkdirTemp("", "cordon-e2e-")
	if err != nil {
		return nil, err
	}
	made = dir
	recipe, err := enclavebuild.ReadRecipe("../..")
	if err != nil {
		return nil, err
	}
	p := &programs{filepath.Join(dir, "cordon"), filepath.Join(dir, "cordon-enclave")}
	for _, line := range []string{
		"CGO_ENABLED=0 go build -trimpath -o " + p.cordon + " ./cmd/cordon",
		recipe.Overlaid(os.Getenv("GOFLAGS")).Line("go", p.enclave),
	} {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", line, err, out)
		}
	}
	return p, nil
})

func built(t *testing.T) *programs {
	t.Helper()
	_, gcc := exec.LookPath("gcc")
	need.That(t, gcc == nil, "no C compiler to build the enclave")
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
