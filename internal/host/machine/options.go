package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/images/vm"
	"github.com/cordon-exchange/cordon/statement"
)

// Form of this perimeter, as contracts and policies list it.
const Form = "vm"

// Programs that the host needs, and the packages of Debian that have them.
const (
	qemuProgram  = "qemu-system-x86_64"
	qemuPackage  = "qemu-system-x86"
	swtpmProgram = "swtpm"
	swtpmPackage = "swtpm"
)

// Errors a caller may tell apart.
var (
	// ErrUnsupported is returned on systems other than Linux on x86-64.
	ErrUnsupported = errors.New("machine: the perimeter vm needs linux on x86-64")
	// ErrImage says that a folder does not hold the image of a machine for the enclave.
	ErrImage = errors.New("machine: not an image for the perimeter vm")
)

// MissingError says what this machine lacks for the perimeter.
type MissingError struct{ What, Cure string }

func (e *MissingError) Error() string { return "machine: the perimeter vm needs " + e.What }

// Hint names the cure.
func (e *MissingError) Hint() string { return e.Cure }

// Image is a kernel and an initramfs, in memory that nobody can change, and what they are.
type Image struct {
	about     *vm.About
	kernel    *os.File
	initramfs *os.File
}

// LoadImage reads and measures the image that a folder holds.
func LoadImage(folder string) (*Image, error) {
	kernel, err := os.ReadFile(filepath.Join(folder, vm.KernelFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	initramfs, err := os.ReadFile(filepath.Join(folder, vm.InitramfsFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	about, err := vm.Read(kernel, initramfs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	i := &Image{about: about}
	if i.kernel, err = inMemory("vmlinuz", kernel); err != nil {
		return nil, err
	}
	if i.initramfs, err = inMemory("initramfs", initramfs); err != nil {
		return nil, errors.Join(err, i.kernel.Close())
	}
	return i, nil
}

// Build is what contracts and policies list for the image's program.
func (i *Image) Build() statement.Digest { return i.about.Build }

// Close gives the memory back.
func (i *Image) Close() error { return errors.Join(i.kernel.Close(), i.initramfs.Close()) }

// Options for Start. All fields are required.
type Options struct {
	Image       *Image
	Tools       *Tools
	MemoryBytes int64
	Processors  int
}

// minMemory is what kernel, initramfs (which stays in memory) and an empty enclave take.
const minMemory = 1 << 30

var errOptions = errors.New("machine: options incomplete")

func (o Options) valid() bool {
	return o.Image != nil && o.Tools != nil && o.MemoryBytes >= minMemory && o.Processors > 0
}

// Tools are the programs that a machine is started with.
type Tools struct {
	QEMU, TPM string // paths
	Version   string // of QEMU
	// Accel is kvm where the processor itself runs machines, else tcg: QEMU then translates every instruction, which is slow.
	Accel string

	groups []uint32 // that a machine run by nobody needs to use KVM
}

// Values of Tools.Accel.
const (
	AccelKVM = "kvm"
	AccelTCG = "tcg"
)

// virtualises reports whether a processor, by the text of /proc/cpuinfo, has what KVM needs. Where it has not and there is a /dev/kvm all
// the same, that is an emulation on which ordinary kernels end at instructions that it does not know.
func virtualises(cpuinfo string) bool {
	for line := range strings.Lines(cpuinfo) {
		name, flags, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) != "flags" {
			continue
		}
		for _, f := range strings.Fields(flags) {
			if f == "vmx" || f == "svm" {
				return true
			}
		}
	}
	return false
}
