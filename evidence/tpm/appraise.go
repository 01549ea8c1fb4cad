package tpm

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Refusals of Appraise that are no check of the evidence itself.
var (
	ErrPolicy   = errors.New("tpm: policy incomplete")
	ErrPCRs     = errors.New("tpm: register values not accepted")
	ErrPlatform = errors.New("tpm: platform not accepted")
)

// Boot is the registers of one accepted way to start. It names at least one.
type Boot map[uint][]byte

// Policy is what a relying party accepts of genuine quotes. What is required refuses where it is absent.
type Policy struct {
	Boots []Boot // required
	Nonce []byte // required
	// Platform is the hardware that must stand behind the TPM, SNP or TDX; empty only with PlainTPM.
	Platform string
	// PlainTPM accepts a TPM alone: nothing then keeps the machine's owner from reading its memory.
	PlainTPM bool
}

// Appraise decides whether a genuine quote is what the policy accepts.
func Appraise(v *Verified, p Policy) error {
	if v == nil || !v.checked || len(p.Boots) == 0 || len(p.Nonce) == 0 || (p.Platform != "") == p.PlainTPM {
		return ErrPolicy
	}
	for _, b := range p.Boots {
		if len(b) == 0 {
			return ErrPolicy
		}
	}
	switch {
	case !bytes.Equal(v.Nonce, p.Nonce):
		return fmt.Errorf("%w: made for another request", stage.Nonce)
	case v.Platform != p.Platform:
		return ErrPlatform
	}
	for _, b := range p.Boots {
		if v.has(b) {
			return nil
		}
	}
	return ErrPCRs
}

// has says whether every register of the boot was quoted with its value.
func (v *Verified) has(b Boot) bool {
	for i, want := range b {
		if len(want) == 0 || subtle.ConstantTimeCompare(v.PCRs[i], want) != 1 {
			return false
		}
	}
	return true
}
