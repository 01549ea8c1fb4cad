package owner

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrBuilds says that a file of builds can't be read.
var ErrBuilds = errors.New("owner: not a file of builds")

// MaxBuilds bounds a file of builds, in bytes.
const MaxBuilds = 1 << 20

// ParseBuilds reads which build is published under which name: lines of a digest and a name. Empty lines and those that begin with #
// are left out. A name stands once; a build may have several.
func ParseBuilds(src []byte) (map[string]string, error) {
	if len(src) > MaxBuilds {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrBuilds, MaxBuilds)
	}
	line := regexp.MustCompile(`^(sha256:[0-9a-f]{64})[ \t]+([a-z][a-z0-9._-]{0,63})$`)
	out, n := map[string]string{}, 0
	for text := range strings.Lines(string(src)) {
		n++
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("%w: line %d is not a digest and a name", ErrBuilds, n)
		}
		if out[m[2]] != "" {
			return nil, fmt.Errorf("%w: line %d names %s again", ErrBuilds, n, m[2])
		}
		out[m[2]] = m[1]
	}
	return out, nil
}
