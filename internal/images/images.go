package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/images/debian"
	"github.com/cordon-exchange/cordon/internal/images/eif"
	"github.com/cordon-exchange/cordon/internal/images/guest"
	"github.com/cordon-exchange/cordon/internal/images/uki"
	"github.com/cordon-exchange/cordon/measure"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of images.
const (
	SNP   = "snp"
	TDX   = "tdx"
	Nitro = "nitro"
	SGX   = "sgx"
)

// Errors of builds.
var (
	ErrKind    = errors.New("images: no such kind")
	ErrProgram = errors.New("images: no enclave program")
	ErrTree    = errors.New("images: not a folder with one kernel")
)

// Options of a build.
type Options struct {
	Kind    string // required
	Enclave []byte // required: the cordon-enclave program
	Cache   string // required: folder in which packages are kept
	// Tree is a folder with another kernel, laid out as Debian's package: boot/vmlinuz-RELEASE, boot/config-RELEASE,
	// lib/modules/RELEASE. Its files are taken as they are: what it is, its owner answers for. Default: Debian's, pinned.
	Tree string
	// FormOnly builds where the kernel lacks an option, an image that has the right form and would not come up.
	FormOnly bool
}

// File of an image.
type File struct {
	Name string
	Data []byte
}

// About describes an image, for people; nobody believes it.
type About struct {
	Kind     string           `json:"kind"`
	Hardware string           `json:"hardware"` // that it never ran there
	Kernel   string           `json:"kernel,omitempty"`
	Program  statement.Digest `json:"program"` // of the enclave in it
	Cmdline  string           `json:"cmdline,omitempty"`
	Files    []Entry          `json:"files,omitempty"` // all that the machine's file system holds
	Lacking  []string         `json:"lacking,omitempty"`
	Measured *measure.Result  `json:"measured,omitempty"`
}

// Entry is a file inside of an image.
type Entry struct {
	Name   string           `json:"name"`
	Mode   string           `json:"mode"`
	Size   int              `json:"size"`
	SHA256 statement.Digest `json:"sha256,omitempty"`
}

// neverRun is in every description.
const neverRun = "never run on hardware"

// AboutName is the file of the description.
const AboutName = "image.json"

// Build makes an image.
func Build(ctx context.Context, o Options) (*About, []File, error) {
	if len(o.Enclave) == 0 {
		return nil, nil, ErrProgram
	}
	if o.Kind == SGX {
		return gramine(o)
	}
	m, err := machine(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	about, err := describe(m, o)
	if err != nil {
		return nil, nil, err
	}
	var files []File
	switch o.Kind {
	case SNP:
		files = direct(m)
	case TDX:
		files, err = unified(ctx, o, m, about)
		files = append(files, direct(m)...)
	case Nitro:
		files, err = enclave(m, about)
	}
	return about, files, err
}

// machine puts the program to a kernel and its modules.
func machine(ctx context.Context, o Options) (*guest.Image, error) {
	r, err := guest.Find(o.Kind)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKind, err)
	}
	kernel := pinned
	if o.Tree != "" {
		kernel = tree
	}
	k, err := kernel(ctx, r, o)
	if err != nil {
		return nil, err
	}
	return r.Make(k, o.Enclave, o.FormOnly)
}

// pinned is Debian's kernel.
func pinned(ctx context.Context, r guest.Recipe, o Options) (guest.Kernel, error) {
	p := debian.Kernel()
	release := strings.TrimSuffix(strings.TrimPrefix(p.Name, "linux-image-"), "-unsigned")
	path, err := p.Fetch(ctx, o.Cache)
	if err != nil {
		return guest.Kernel{}, err
	}
	image, config, modules := r.Paths(release, guest.Endings()[0])
	names := append(modules, image, config)
	for i := range names {
		names[i] = "./" + names[i]
	}
	files, err := p.Files(ctx, path, names...)
	if err != nil {
		return guest.Kernel{}, err
	}
	return r.From(release, func(name string) []byte { return files["./"+name] }), nil
}

// tree is a kernel in a folder. There must be one.
func tree(_ context.Context, r guest.Recipe, o Options) (guest.Kernel, error) {
	all, err := filepath.Glob(filepath.Join(o.Tree, "boot", "vmlinuz-*"))
	if err != nil || len(all) != 1 {
		return guest.Kernel{}, fmt.Errorf("%w: %d kernels in boot/", ErrTree, len(all))
	}
	folder, err := os.OpenRoot(o.Tree)
	if err != nil {
		return guest.Kernel{}, fmt.Errorf("%w: %w", ErrTree, err)
	}
	defer folder.Close()
	return r.From(strings.TrimPrefix(filepath.Base(all[0]), "vmlinuz-"), func(name string) []byte {
		b, err := folder.ReadFile(name)
		if err != nil {
			return nil // Make says what is missing
		}
		return b
	}), nil
}

func describe(m *guest.Image, o Options) (*About, error) {
	a := &About{
		Kind: o.Kind, Hardware: neverRun, Kernel: m.Release, Program: statement.Sum(o.Enclave), Cmdline: m.Cmdline, Lacking: m.Lacking,
	}
	files, err := m.Files()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		e := Entry{Name: f.Name, Mode: f.Mode.String(), Size: len(f.Data)}
		if f.Mode.IsRegular() {
			e.SHA256 = statement.Sum(f.Data)
		}
		a.Files = append(a.Files, e)
	}
	return a, nil
}

// direct is what QEMU is given to boot directly.
func direct(m *guest.Image) []File {
	return []File{{"vmlinuz", m.Kernel}, {"root.cpio", m.Root()}, {"cmdline", []byte(m.Cmdline)}}
}

// unified makes one program of UEFI.
func unified(ctx context.Context, o Options, m *guest.Image, a *About) ([]File, error) {
	const path = "./usr/lib/systemd/boot/efi/linuxx64.efi.stub"
	p := debian.Stub()
	deb, err := p.Fetch(ctx, o.Cache)
	if err != nil {
		return nil, err
	}
	stub, err := p.Files(ctx, deb, path)
	if err != nil {
		return nil, err
	}
	image := uki.Image{Kernel: m.Kernel, Initrd: m.Root(), Cmdline: m.Cmdline, Release: "ID=cordon\nVERSION_ID=" + m.Release + "\n"}
	b, err := image.Bytes(stub[path])
	if err != nil {
		return nil, err
	}
	a.Measured, err = measure.OfUKI(b)
	return []File{{"cordon.efi", b}}, err
}

// enclave makes an enclave image. Its first ramdisk has what the kernel needs, the second the program, so that register 2 is
// the program's alone.
func enclave(m *guest.Image, a *About) ([]File, error) {
	image := eif.Image{
		Kernel: m.Kernel, Cmdline: m.Cmdline, Ramdisks: [][]byte{m.Base, m.Program}, Memory: 4 << 30, CPUs: 2,
		Metadata: eif.Metadata{
			ImageName: "cordon-enclave", ImageVersion: string(a.Program), DockerInfo: json.RawMessage("{}"),
			BuildMetadata: eif.Build{
				BuildTime: "1970-01-01T00:00:00Z", BuildTool: "cordon", BuildToolVersion: "1", OperatingSystem: "Linux", KernelVersion: m.Release,
			},
		},
	}
	b, err := image.Bytes()
	if err != nil {
		return nil, err
	}
	a.Measured, err = measure.OfNitro(b)
	return []File{{"cordon.eif", b}}, err
}

// Write puts an image and its description into a folder.
func Write(folder string, a *About, files []File) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, f := range append(files, File{AboutName, append(text, '\n')}) {
		if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
