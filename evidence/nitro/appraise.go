package nitro

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Refusals of Appraise that are no check of the evidence itself.
var (
	ErrPolicy  = errors.New("nitro: policy incomplete")
	ErrBuild   = errors.New("nitro: measurements not accepted")
	ErrBinding = errors.New("nitro: document made for something else")
)

// Build is the registers of one accepted enclave image. It must name PCR0, which measures the image.
type Build map[uint8][]byte

// Policy is what a relying party accepts of genuine documents. What is required refuses where it is absent.
type Policy struct {
	Builds []Build // required
	// What the document must have been asked for. Each is compared, so that empty means none; at least one must be given.
	Nonce, UserData, PublicKey []byte
	AllowDebug                 bool // accepts enclaves in debug mode, whose registers say nothing: Builds is not looked at
}

// Appraise decides whether a genuine document is what the policy accepts.
func Appraise(v *Verified, p Policy) error {
	if v == nil || !v.checked || len(p.Builds) == 0 || len(p.Nonce)+len(p.UserData)+len(p.PublicKey) == 0 {
		return ErrPolicy
	}
	for _, b := range p.Builds {
		if len(b[0]) != PCRSize {
			return ErrPolicy
		}
	}
	if !same(v.Nonce, p.Nonce) {
		return fmt.Errorf("%w: %w", stage.Nonce, ErrBinding)
	}
	if !same(v.UserData, p.UserData) || !same(v.PublicKey, p.PublicKey) {
		return ErrBinding
	}
	if v.Debug {
		if !p.AllowDebug {
			return fmt.Errorf("%w: PCR0 to PCR2 are zero", stage.Debug)
		}
		return nil
	}
	for _, b := range p.Builds {
		if v.has(b) {
			return nil
		}
	}
	return ErrBuild
}

// has says whether every register of the build stands in the document.
func (v *Verified) has(b Build) bool {
	for i, want := range b {
		if len(want) != PCRSize || !same(v.PCRs[i], want) {
			return false
		}
	}
	return true
}

func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
