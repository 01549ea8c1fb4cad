package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
)

// blocks are the fenced shell commands of the README.
func blocks(t *testing.T) []string {
	t.Helper()
	src, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllStringSubmatch(string(src), -1) {
		out = append(out, m[1])
	}
	if len(out) != 2 {
		t.Fatalf("the README has %d blocks of commands; this test knows 2", len(out))
	}
	return out
}

// The first block is what CI runs, the second what TestReadmeExample runs.
func TestReadmeCommandsExist(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	ci, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(blocks(t)[0]), "\n") {
		target, ok := strings.CutPrefix(line, "make ")
		if !ok || !strings.Contains(string(makefile), "\n"+target+":") || !strings.Contains(string(ci), "\n"+line+"\n") {
			t.Errorf("%q is no target of the Makefile, or CI does not run it", line)
		}
	}
	script, err := os.ReadFile("../examples/two-parties/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	if blocks(t)[1] != string(script) {
		t.Error("the README's example is not examples/two-parties/run.sh")
	}
}

func TestReadmeExample(t *testing.T) {
	for _, b := range []string{"cordon", "cordon-enclave"} {
		_, err := os.Stat(filepath.Join("..", "bin", b))
		need.That(t, err == nil, "bin/"+b+" is not built: run make build")
	}
	cmd := exec.Command("bash", "examples/two-parties/run.sh")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"Approach", "suppressed", "SIMULATED", "EXPOSURE RECEIPT", "closed"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the example does not print %q:\n%s", want, out)
		}
	}
}
