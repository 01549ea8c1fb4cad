package home

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// maxSocketPath is what every system takes (macOS: 104 bytes with the final zero).
const maxSocketPath = 103

// Socket is the path of the agent's socket. Socket paths are short on all
// systems, so a path relative to the working folder is used where it is shorter.
func (d Dir) Socket() (string, error) {
	abs := filepath.Join(d.path, "agent.sock")
	if len(abs) <= maxSocketPath {
		return abs, nil
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, abs); err == nil && len(rel) <= maxSocketPath && !strings.HasPrefix(rel, "..") {
			return rel, nil
		}
	}
	return "", fault.New(fault.Usage, "the path of the home folder is too long for a socket", "choose a --home of fewer than 90 characters", nil)
}
