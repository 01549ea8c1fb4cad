package enclavebuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// input is one file that the linker read and that Go did not make: an archive or an object.
type input struct {
	name   string // within its module, or its base name
	digest string // SHA-256, hex
	module string // path@version of the Go module that brings it, or:
	pack   pack   // the Debian package
}

// pack is a Debian package.
type pack struct{ name, version, source, arch string }

// ErrOrigin is of a file that the linker read and nobody says where it comes from.
var ErrOrigin = errors.New("enclavebuild: the linker read a file of no known origin")

// readInputs takes the linker's list of what it read, which has the form of a Makefile's rule. Files under work are Go's own,
// made in this build.
func readInputs(ctx context.Context, list, modules, work string) ([]input, error) {
	text, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	_, deps, ok := strings.Cut(strings.ReplaceAll(string(text), "\\\n", " "), ":")
	if !ok {
		return nil, fmt.Errorf("%w: the list has no files", ErrOrigin)
	}
	deps, _, _ = strings.Cut(deps, "\n\n") // rules without commands follow
	var out []input
	for _, file := range strings.Fields(deps) {
		if strings.HasPrefix(file, work+"/") {
			continue
		}
		in, err := inputOf(ctx, file, modules)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, in) {
			out = append(out, in)
		}
	}
	slices.SortFunc(out, func(a, b input) int {
		return strings.Compare(a.module+"\x00"+a.pack.name+"\x00"+a.name, b.module+"\x00"+b.pack.name+"\x00"+b.name)
	})
	return out, nil
}

func inputOf(ctx context.Context, file, modules string) (input, error) {
	f, err := fileOf(path.Base(file), file)
	if err != nil {
		return input{}, err
	}
	in := input{name: f.Name, digest: strings.TrimPrefix(string(f.Digest), "sha256:")}
	if rest, ok := strings.CutPrefix(file, modules+"/"); ok {
		in.module, in.name, err = splitModule(rest)
		return in, err
	}
	in.pack, err = packageOf(ctx, file)
	return in, err
}

// splitModule parts a path in the module cache into the module with its version and the file within.
func splitModule(rest string) (module, name string, err error) {
	before, after, ok := strings.Cut(rest, "@")
	version, name, within := strings.Cut(after, "/")
	if !ok || !within || strings.Contains(before, "!") {
		return "", "", fmt.Errorf("%w: %s", ErrOrigin, path.Base(rest))
	}
	return before + "@" + version, name, nil
}

// packageOf asks Debian's package database which package a file belongs to.
func packageOf(ctx context.Context, file string) (pack, error) {
	none := func(err error) (pack, error) {
		return pack{}, fmt.Errorf("%w: %s: %w", ErrOrigin, path.Base(file), err)
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return none(err)
	}
	var owner []byte
	for _, name := range []string{real, strings.TrimPrefix(real, "/usr")} { // older packages name /lib, which is /usr/lib now
		if owner, err = exec.CommandContext(ctx, "dpkg-query", "-S", name).Output(); err == nil {
			break
		}
	}
	if err != nil {
		return none(err)
	}
	name, _, _ := strings.Cut(string(owner), ": ")
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Package}\t${Version}\t${source:Package}\t${Architecture}", name).Output()
	if err != nil {
		return none(err)
	}
	p := strings.Split(string(out), "\t")
	if len(p) != 4 {
		return none(errors.New("an answer of another form"))
	}
	return pack{p[0], p[1], p[2], p[3]}, nil
}
