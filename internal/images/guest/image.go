package guest

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/cordon-exchange/cordon/internal/images/cpio"
)

// Image is what a machine starts from.
type Image struct {
	Kind    string
	Release string
	Kernel  []byte
	Cmdline string
	// Base has folders, the null device and modules; Program has the enclave as /init. The kernel unpacks one over the other.
	Base, Program []byte
	// Lacking options make the image one of the right form that would not come up.
	Lacking []string
}

// Make makes an image. A kernel that lacks an option is refused, unless formOnly says that only the form is wanted.
func (r Recipe) Make(k Kernel, program []byte, formOnly bool) (*Image, error) {
	m := &Image{Kind: r.Kind, Release: k.Release, Kernel: k.Image, Cmdline: r.Cmdline, Lacking: r.Lacking(k)}
	if len(k.Image) == 0 || len(k.Config) == 0 || len(program) == 0 {
		return nil, ErrKernel
	}
	if len(m.Lacking) > 0 && !formOnly {
		return nil, fmt.Errorf("%w: %v", ErrOptions, m.Lacking)
	}
	base, err := r.base(k)
	if err != nil {
		return nil, err
	}
	if m.Base, err = archive(base); err != nil {
		return nil, err
	}
	m.Program, err = archive([]cpio.File{{Name: "init", Mode: 0o555, Data: program}})
	return m, err
}

// base is everything but the program. A Go program does not start without a null device.
func (r Recipe) base(k Kernel) ([]cpio.File, error) {
	files := []cpio.File{
		{Name: "dev", Mode: 0o755 | fs.ModeDir},
		{Name: "dev/null", Mode: 0o666 | fs.ModeDevice | fs.ModeCharDevice, Major: 1, Minor: 3},
		{Name: "modules", Mode: 0o555 | fs.ModeDir},
		{Name: "proc", Mode: 0o555 | fs.ModeDir},
		{Name: "sys", Mode: 0o555 | fs.ModeDir},
	}
	has := k.options()
	for i, m := range r.Modules {
		if has[m.Option+"=y"] {
			continue
		}
		file := k.Modules[m.Path]
		if len(file.Data) == 0 {
			return nil, fmt.Errorf("%w: module %s", ErrKernel, m.Path)
		}
		files = append(files, cpio.File{Name: m.name(i, file.Ending), Mode: 0o444, Data: file.Data})
	}
	return files, nil
}

func archive(files []cpio.File) ([]byte, error) {
	var b bytes.Buffer
	err := cpio.Write(&b, files)
	return b.Bytes(), err
}

// Root is the first root folder in one file: both archives.
func (m *Image) Root() []byte { return append(bytes.Clone(m.Base), m.Program...) }

// Files lists everything that a machine's file system holds.
func (m *Image) Files() ([]cpio.File, error) {
	base, err := cpio.Read(m.Base)
	if err != nil {
		return nil, err
	}
	program, err := cpio.Read(m.Program)
	if err != nil {
		return nil, err
	}
	return append(base, program...), nil
}
