package enclavebuild

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
	"github.com/cordon-exchange/cordon/statement"
)

// Options of a release. All are required but Env.
type Options struct {
	Root   string // of the module
	Go     string // the go command
	Source Source
	// Env is the environment of the build. Default: the caller's.
	Env []string
}

// Release is one program with what it was made of.
type Release struct {
	Program  string // path
	Manifest []byte
	SBOM     []byte
}

// ErrModule is of a program whose modules are not what go.sum names.
var ErrModule = errors.New("enclavebuild: a module of the program has no hash in go.sum")

// Make builds the enclave into the folder dir, and states what of.
func Make(ctx context.Context, dir string, o Options) (*Release, error) {
	recipe, err := ReadRecipe(o.Root)
	if err != nil {
		return nil, err
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	r := &Release{Program: filepath.Join(dir, ProgramName)}
	list := filepath.Join(work, "inputs")
	listing, err := recipe.Listing(list)
	if err != nil {
		return nil, err
	}
	o.Env = append(o.Env, "TMPDIR="+work, "GOTMPDIR="+work) // Go's own objects lie there, by which they are told from others
	if _, err := o.run(ctx, listing.Line(o.Go, r.Program)); err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(r.Program)
	if err != nil {
		return nil, err
	}
	modules, err := o.run(ctx, o.Go+" env GOMODCACHE")
	if err != nil {
		return nil, err
	}
	inputs, err := readInputs(ctx, list, modules, work)
	if err != nil {
		return nil, err
	}
	return r, r.state(ctx, recipe, o, info, inputs)
}

// state writes manifest and bill.
func (r *Release) state(ctx context.Context, recipe Recipe, o Options, info *buildinfo.BuildInfo, inputs []input) error {
	modules, err := modulesIn(info)
	if err != nil {
		return err
	}
	if strayInputs(modules, inputs) {
		return ErrModule
	}
	m := Manifest{Type: ManifestType, Source: o.Source, Go: goOf(info), Recipe: Build{recipe.Env, recipe.Flags}}
	if m.Program, err = fileOf(ProgramName, r.Program); err != nil {
		return err
	}
	if m.Compiler, err = o.first(ctx, "gcc --version"); err != nil {
		return err
	}
	if m.Linker, err = o.first(ctx, "ld --version"); err != nil {
		return err
	}
	filter, err := lockdown.FilterHash()
	if err != nil {
		return err
	}
	m.Filter = statement.Digest("sha256:" + filter)
	if r.SBOM, err = newBOM(m.Program, &m, modules, inputs); err != nil {
		return err
	}
	m.SBOM = File{Name: SBOMName, Digest: statement.Sum(r.SBOM), Bytes: int64(len(r.SBOM))}
	r.Manifest, err = m.Encode()
	return err
}

// modulesIn a program. Each must be what go.sum names: a replaced module, or one of the build's machine, is not.
func modulesIn(info *buildinfo.BuildInfo) ([]*debug.Module, error) {
	for _, m := range info.Deps {
		if m.Replace != nil || m.Sum == "" {
			return nil, fmt.Errorf("%w: %s", ErrModule, m.Path)
		}
	}
	return info.Deps, nil
}

// run gives a line to a shell in the module's root, and returns what it prints.
func (o Options) run(ctx context.Context, line string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir, cmd.Env = o.Root, o.Env
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", line, err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (o Options) first(ctx context.Context, line string) (string, error) {
	out, err := o.run(ctx, line)
	first, _, _ := strings.Cut(out, "\n")
	return first, err
}

// SourceOf asks git which commit is checked out.
func SourceOf(ctx context.Context, root string) (Source, error) {
	o := Options{Root: root, Env: os.Environ()}
	commit, err := o.run(ctx, "git rev-parse HEAD")
	if err != nil {
		return Source{}, err
	}
	changed, err := o.run(ctx, "git status --porcelain")
	return Source{Commit: commit, Modified: changed != ""}, err
}
