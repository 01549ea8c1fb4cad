package enclavebuild

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Package that is built, within the module.
const Package = "./cmd/cordon-enclave"

// ErrRecipe is of a Makefile without the two lines that say how the enclave is built.
var ErrRecipe = errors.New("enclavebuild: the Makefile does not say how the enclave is built")

// Recipe is how the Makefile builds the enclave: part of a shell's command line each.
type Recipe struct {
	Env   string // ENCLAVE_ENV
	Flags string // ENCLAVE_FLAGS
}

var (
	envLine   = regexp.MustCompile(`(?m)^ENCLAVE_ENV := (.+)$`)
	flagsLine = regexp.MustCompile(`(?m)^ENCLAVE_FLAGS := (.+)$`)
)

// ReadRecipe reads the Makefile in the module's root.
func ReadRecipe(root string) (Recipe, error) {
	src, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return Recipe{}, err
	}
	env, flags := envLine.FindSubmatch(src), flagsLine.FindSubmatch(src)
	if env == nil || flags == nil {
		return Recipe{}, ErrRecipe
	}
	tag, err := exec.Command("sh", filepath.Join(root, tagScript)).Output()
	if err != nil {
		return Recipe{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	return Recipe{Env: string(env[1]), Flags: strings.ReplaceAll(string(flags[1]), "`"+tagScript+"`", strings.TrimSpace(string(tag)))}, nil
}

// tagScript prints the tag of the library that the build finds; the recipe names the tag, not the script.
const tagScript = "scripts/ipsecmb"

// Line is the shell's command line that builds the enclave into out, for a shell in the module's root.
func (r Recipe) Line(goCommand, out string) string {
	return fmt.Sprintf("%s %s build %s -o '%s' %s", r.Env, goCommand, r.Flags, out, Package)
}

// Overlaid is the recipe with the overlay of the caller's GOFLAGS, which the recipe itself clears: tests of changed sources put it
// there, and mean the enclave that they build too.
func (r Recipe) Overlaid(goflags string) Recipe {
	for _, f := range strings.Fields(goflags) {
		if strings.HasPrefix(f, "-overlay=") {
			r.Flags = f + " " + r.Flags
		}
	}
	return r
}

// listing are the linker's words for writing down what it reads. They change nothing in the program.
const listing = "-Wl,--dependency-file="

// ErrNotStatic is of flags that do not link everything into the program: what is loaded later is not measured.
var ErrNotStatic = errors.New("enclavebuild: the flags do not link statically")

// ErrSpace is of a folder whose name the flags have no way to quote.
var ErrSpace = errors.New("enclavebuild: the folder of the build has a space or a quote in its name")

// Listing is the recipe that also has the linker write the names of the files that it read to a file.
func (r Recipe) Listing(to string) (Recipe, error) {
	const static = `-extldflags "-static"`
	if strings.Count(r.Flags, static) != 1 {
		return Recipe{}, ErrNotStatic
	}
	if strings.ContainsAny(to, " \t\n'\"\\") {
		return Recipe{}, ErrSpace
	}
	r.Flags = strings.Replace(r.Flags, static, `-extldflags "-static `+listing+to+`"`, 1)
	return r, nil
}
