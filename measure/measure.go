package measure

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/tpm/measured"
	"github.com/cordon-exchange/cordon/internal/images/eif"
	"github.com/cordon-exchange/cordon/internal/images/uki"
	"github.com/cordon-exchange/cordon/measure/sgx"
	"github.com/cordon-exchange/cordon/measure/snp"
	"github.com/cordon-exchange/cordon/measure/tdx"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of what is measured.
const (
	Binary = "binary" // the program, as the process perimeter shows it
	VM     = "vm"     // the program, as the only process of a virtual machine with a TPM in software
	Nitro  = "nitro"  // an image for a Nitro enclave
	SNP    = "snp"    // a guest of SEV-SNP, directly booted
	SGX    = "sgx"    // a SIGSTRUCT
	TDX    = "tdx"    // a guest of TDX, directly booted: two of its registers
	UKI    = "uki"    // a unified kernel image, as firmware and stub measure it into a TPM
)

// ErrHostData is of host data that is not 32 bytes.
var ErrHostData = errors.New("measure: host data is 32 bytes")

// Value is one value that evidence shows.
type Value struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
}

// Result is what evidence will show.
type Result struct {
	Kind   string  `json:"kind"`
	Values []Value `json:"values"`
	// Build is what policies and contracts list. Absent for kinds whose values are a part of what evidence shows.
	Build statement.Digest `json:"build,omitempty"`
	// Notes say what the values do not say.
	Notes []string `json:"notes,omitempty"`
}

func (r *Result) add(name string, b []byte) {
	r.Values = append(r.Values, Value{name, hex.EncodeToString(b)})
}

// neverRun stands in every result for hardware.
const neverRun = "never run on hardware by this project"

// OfBinary measures the enclave program as the process perimeter does: its build is the hash of its bytes.
func OfBinary(program []byte) *Result {
	r := &Result{Kind: Binary, Build: statement.Sum(program)}
	sum := sha256.Sum256(program)
	r.add("sha256", sum[:])
	return r
}

// OfVM measures the enclave program as the machine of the vm perimeter does: it extends a register of zeros by its own hash. Whoever
// runs the machine's TPM can make it say anything.
func OfVM(program []byte) *Result {
	r := &Result{Kind: VM, Notes: []string{"SOFTWARE-ROOTED: whoever runs the machine's TPM can make it say this"}}
	sum := sha256.Sum256(program)
	value := measured.Value(sum)
	r.add("PCR11 sha256", value[:])
	r.Build = measured.Build(sum)
	return r
}

// OfNitro measures an image for a Nitro enclave.
func OfNitro(image []byte) (*Result, error) {
	m, err := eif.Read(image)
	if err != nil {
		return nil, err
	}
	r := &Result{Kind: Nitro, Notes: []string{neverRun}}
	p := m.PCRs()
	for i := range p {
		r.add(fmt.Sprintf("PCR%d", i), p[i][:])
	}
	r.Build = hosted.Build(hosted.Nitro, p[0][:], p[1][:], p[2][:])
	return r, nil
}

// OfSNP measures a guest that is started as the launch says. Host data is what the operator gives to the launch, for all to see.
func OfSNP(l snp.Launch, hostData []byte) (*Result, error) {
	if len(hostData) != sha256.Size {
		return nil, ErrHostData
	}
	d, err := l.Digest()
	if err != nil {
		return nil, err
	}
	r := &Result{Kind: SNP, Notes: []string{neverRun, "holds for QEMU with kernel-hashes=on, this firmware, this number and model of processors"}}
	r.add("measurement", d[:])
	r.add("host data", hostData)
	r.Build = hosted.Build(hosted.SNP, d[:], hostData)
	return r, nil
}

// OfTDX computes what the kernel that is booted, its options and its root folder make of two registers. They name no build.
func OfTDX(b tdx.Boot) (*Result, error) {
	one, two, err := b.Registers()
	if err != nil {
		return nil, err
	}
	r := &Result{Kind: TDX, Notes: []string{
		neverRun,
		"MRTD and RTMR0 are those of firmware and machine, and are not computed; RTMR3 must be zeros",
		"holds for QEMU that hands on the kernel as it is: not before 10.1",
	}}
	r.add("RTMR1", one[:])
	r.add("RTMR2", two[:])
	return r, nil
}

// OfSGX reads what a SIGSTRUCT states.
func OfSGX(sigstruct []byte) (*Result, error) {
	e, err := sgx.Read(sigstruct)
	if err != nil {
		return nil, err
	}
	r := &Result{Kind: SGX, Notes: []string{neverRun, "read from the signed structure and not computed anew: who builds the enclave again compares"}}
	if e.Debug {
		r.Notes = append(r.Notes, "DEBUG: the signer lets the enclave be started with debug, where its memory can be read")
	}
	r.add("MRENCLAVE", e.Measurement[:])
	r.add("MRSIGNER", e.Signer[:])
	r.Values = append(r.Values, Value{"product", fmt.Sprintf("%04x", e.Product)}, Value{"version", fmt.Sprintf("%04x", e.Version)})
	r.Build = hosted.Build(hosted.SGX, e.Measurement[:])
	return r, nil
}

// OfUKI computes what firmware and stub extend a TPM's registers by. It names no build: which other registers must have which
// values is the machine's.
func OfUKI(image []byte) (*Result, error) {
	m, err := uki.Read(image)
	if err != nil {
		return nil, err
	}
	r := &Result{Kind: UKI, Notes: []string{neverRun, "registers 12 and 13 must be zero: the stub measures there what it was given beside the image"}}
	for _, h := range []struct {
		name string
		hash crypto.Hash
	}{{"authenticode sha256", crypto.SHA256}, {"authenticode sha384", crypto.SHA384}} {
		sum, err := uki.Authenticode(image, h.hash)
		if err != nil {
			return nil, err
		}
		r.add(h.name, sum)
	}
	eleven, err := m.Register11()
	if err != nil {
		return nil, err
	}
	r.add("PCR11 sha256", eleven[:])
	return r, nil
}
