package eif

import (
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Errors of images.
var (
	ErrParts = errors.New("eif: these parts can't be an image")
	ErrImage = errors.New("eif: not an image that can be measured")
)

// Image is what an image is made of.
type Image struct {
	Kernel  []byte // required: a bzImage
	Cmdline string // required
	// Ramdisks are archives that the kernel unpacks one over the other. Required: the first has its own register, the others
	// share one, so what is the enclave's own stands in the second.
	Ramdisks [][]byte
	Metadata Metadata
	// Memory and CPUs are proposals that nothing measures.
	Memory, CPUs uint64
}

// Metadata describes an image. Nothing measures it.
type Metadata struct {
	ImageName     string          `json:"ImageName"`
	ImageVersion  string          `json:"ImageVersion"`
	BuildMetadata Build           `json:"BuildMetadata"`
	DockerInfo    json.RawMessage `json:"DockerInfo"`
	CustomInfo    json.RawMessage `json:"CustomMetadata,omitempty"`
}

// Build says how an image was built.
type Build struct {
	BuildTime        string `json:"BuildTime"`
	BuildTool        string `json:"BuildTool"`
	BuildToolVersion string `json:"BuildToolVersion"`
	OperatingSystem  string `json:"OperatingSystem"`
	KernelVersion    string `json:"KernelVersion"`
}

func (m *Image) valid() error {
	size := len(m.Kernel) + len(m.Cmdline)
	for _, r := range m.Ramdisks {
		if len(r) == 0 {
			return fmt.Errorf("%w: an empty ramdisk", ErrParts)
		}
		size += len(r)
	}
	switch {
	case len(m.Kernel) == 0:
		return fmt.Errorf("%w: no kernel", ErrParts)
	case m.Cmdline == "" || len(m.Cmdline) > maxCmdline || strings.ContainsRune(m.Cmdline, 0):
		return fmt.Errorf("%w: command line", ErrParts)
	case len(m.Ramdisks) == 0 || len(m.Ramdisks) > maxSections-3:
		return fmt.Errorf("%w: %d ramdisks", ErrParts, len(m.Ramdisks))
	case size > maxImage:
		return fmt.Errorf("%w: %d bytes", ErrParts, size)
	}
	return nil
}

// PCR is one register.
type PCR [sha512.Size384]byte

// PCRs are the registers that an image determines: the whole, kernel with command line and first ramdisk, the other ramdisks.
type PCRs [3]PCR

// PCRs computes them (docs/spec/images.md, section 3.2).
func (m *Image) PCRs() PCRs {
	all, boot, app := sha512.New384(), sha512.New384(), sha512.New384()
	for _, b := range [][]byte{m.Kernel, []byte(m.Cmdline)} {
		all.Write(b)
		boot.Write(b)
	}
	for i, r := range m.Ramdisks {
		all.Write(r)
		if i == 0 {
			boot.Write(r)
		} else {
			app.Write(r)
		}
	}
	return PCRs{extend(all.Sum(nil)), extend(boot.Sum(nil)), extend(app.Sum(nil))}
}

// extend is what a register of zeros becomes.
func extend(sum []byte) PCR {
	var zero PCR
	return sha512.Sum384(append(zero[:], sum...))
}
