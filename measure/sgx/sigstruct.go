package sgx

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// ErrSigstruct is of bytes that are not a SIGSTRUCT whose signature verifies.
var ErrSigstruct = errors.New("sgx: not a SIGSTRUCT, or its signature does not verify")

// Enclave is what a signer states.
type Enclave struct {
	Measurement [32]byte // MRENCLAVE
	Signer      [32]byte // MRSIGNER: the hash of the signer's modulus
	Product     uint16   // ISVPRODID
	Version     uint16   // ISVSVN
	Debug       bool     // a debugger could read the enclave
}

// Size of a SIGSTRUCT (Intel SDM, volume 3D, table 35-19) and places in it.
const (
	Size = 1808

	headerAt   = 0
	header2At  = 24
	reserved1  = 44
	modulusAt  = 128
	exponentAt = 512
	sigAt      = 516
	bodyAt     = 900
	attrAt     = 928
	maskAt     = 944
	hashAt     = 960
	reserved2  = 992
	productAt  = 1024
	versionAt  = 1026
	bodyEnd    = 1028
	q1At       = 1040

	rsaSize   = 384
	exponent  = 3
	flagDebug = 2
)

var (
	header  = []byte{6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}
	header2 = []byte{1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0}
)

// Read reads a SIGSTRUCT and verifies its signature under the key that stands in it.
func Read(b []byte) (*Enclave, error) {
	switch {
	case len(b) != Size:
		return nil, fmt.Errorf("%w: %d bytes", ErrSigstruct, len(b))
	case !bytes.Equal(b[headerAt:headerAt+16], header) || !bytes.Equal(b[header2At:header2At+16], header2):
		return nil, fmt.Errorf("%w: header", ErrSigstruct)
	case !zero(b[reserved1:modulusAt]) || !zero(b[reserved2:reserved2+16]) || !zero(b[bodyEnd:q1At]):
		return nil, fmt.Errorf("%w: reserved bits are set", ErrSigstruct)
	case binary.LittleEndian.Uint32(b[exponentAt:]) != exponent:
		return nil, fmt.Errorf("%w: exponent", ErrSigstruct)
	}
	if err := verify(b); err != nil {
		return nil, err
	}
	return &Enclave{
		Measurement: [32]byte(b[hashAt:]), Signer: sha256.Sum256(b[modulusAt : modulusAt+rsaSize]),
		Product: binary.LittleEndian.Uint16(b[productAt:]), Version: binary.LittleEndian.Uint16(b[versionAt:]),
		// An enclave may be started with debug where the flag is asked for, or left open.
		Debug: b[attrAt]&flagDebug != 0 || b[maskAt]&flagDebug == 0,
	}, nil
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// verify checks the signature over the header and the body. Numbers are little-endian.
func verify(b []byte) error {
	key := rsa.PublicKey{N: new(big.Int).SetBytes(reversed(b[modulusAt : modulusAt+rsaSize])), E: exponent}
	if key.N.BitLen() != 8*rsaSize {
		return fmt.Errorf("%w: modulus", ErrSigstruct)
	}
	sum := sha256.Sum256(slices.Concat(b[:modulusAt], b[bodyAt:bodyEnd]))
	if err := rsa.VerifyPKCS1v15(&key, crypto.SHA256, sum[:], reversed(b[sigAt:sigAt+rsaSize])); err != nil {
		return fmt.Errorf("%w: %w", ErrSigstruct, err)
	}
	return nil
}

func reversed(b []byte) []byte {
	out := bytes.Clone(b)
	slices.Reverse(out)
	return out
}
