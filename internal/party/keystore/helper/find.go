package helper

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// Find gives the path of a helper: beside this program, else in the PATH.
func Find(name string) (string, error) {
	file := name
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), file)
		if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(file)
	if err != nil {
		return "", fault.New(fault.NoKey, name+" is not installed", "put it beside cordon, or into the PATH: it speaks to the key store", err)
	}
	return path, nil
}
