package vm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cordon-exchange/cordon/evidence/tpm/measured"
	"github.com/cordon-exchange/cordon/internal/images/cpio"
	"github.com/cordon-exchange/cordon/statement"
)

// Names of an image's files.
const (
	KernelFile    = "vmlinuz"
	InitramfsFile = "initramfs.cpio"
	AboutFile     = "image.json" // for people; nobody believes it
)

// CommandLine that the kernel is started with. Its first process is told which perimeter it is by what stands behind "--". When that
// process ends, the kernel panics and restarts at once, which the host takes for the end.
const CommandLine = "quiet panic=-1 lockdown=confidentiality -- vm"

// ErrImage is of bytes that are no such image.
var ErrImage = errors.New("not the image of a machine for the enclave")

// Initramfs is everything that the machine's file system holds: the program, and the folders that it mounts on. The null device is there
// because a Go program does not start without one.
func Initramfs(program []byte) ([]byte, error) {
	var b bytes.Buffer
	err := cpio.Write(&b, files(program))
	return b.Bytes(), err
}

func files(program []byte) []cpio.File {
	return []cpio.File{
		{Name: "dev", Mode: 0o755 | fs.ModeDir},
		{Name: "dev/null", Mode: 0o666 | fs.ModeDevice | fs.ModeCharDevice, Major: 1, Minor: 3},
		{Name: "init", Mode: 0o555, Data: program},
		{Name: "proc", Mode: 0o555 | fs.ModeDir},
	}
}

// About says what an image is.
type About struct {
	Kernel  string           `json:"kernel"`  // release
	Image   statement.Digest `json:"image"`   // of kernel, initramfs and command line
	Program statement.Digest `json:"program"` // of the enclave in it
	Value   string           `json:"value"`   // that the program gives its register, in hex
	Build   statement.Digest `json:"build"`   // what contracts and policies list
}

// Read says what an image is, from its bytes. The initramfs must be the one that Initramfs makes of the program in it: nothing else is
// in it.
func Read(kernel, initramfs []byte) (*About, error) {
	release, err := release(kernel)
	if err != nil {
		return nil, err
	}
	program, err := programOf(initramfs)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(program)
	value := measured.Value(sum)
	k, i := sha256.Sum256(kernel), sha256.Sum256(initramfs)
	return &About{
		Kernel:  release,
		Image:   statement.LabelledSum("cordon/vm-image/v1", k[:], i[:], []byte(CommandLine)),
		Program: statement.Sum(program),
		Value:   hex.EncodeToString(value[:]),
		Build:   measured.Build(sum),
	}, nil
}

func programOf(initramfs []byte) ([]byte, error) {
	all, err := cpio.Read(initramfs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	for _, f := range all {
		if f.Name != "init" {
			continue
		}
		same, err := Initramfs(f.Data)
		if err != nil || !bytes.Equal(same, initramfs) {
			return nil, fmt.Errorf("%w: there is more in it than the enclave", ErrImage)
		}
		return f.Data, nil
	}
	return nil, fmt.Errorf("%w: no program", ErrImage)
}

// Places in a kernel image (Linux, Documentation/arch/x86/boot.rst).
const (
	bootMagicAt  = 0x202
	bootMagic    = "HdrS"
	releaseAt    = 0x20e // where the text is, less releaseBase
	releaseBase  = 0x200
	maxRelease   = 128
	minimalImage = 0x1000
)

// release reads which kernel it is from its own header.
func release(kernel []byte) (string, error) {
	if len(kernel) < minimalImage || string(kernel[bootMagicAt:bootMagicAt+len(bootMagic)]) != bootMagic {
		return "", fmt.Errorf("%w: not a kernel for x86-64", ErrImage)
	}
	at := int(binary.LittleEndian.Uint16(kernel[releaseAt:])) + releaseBase
	if at+maxRelease > len(kernel) {
		return "", fmt.Errorf("%w: kernel without a release", ErrImage)
	}
	text, _, ended := strings.Cut(string(kernel[at:at+maxRelease]), " ")
	if !ended || text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", fmt.Errorf("%w: kernel without a release", ErrImage)
	}
	return text, nil
}
