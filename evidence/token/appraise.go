package token

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Refusals of Appraise that are no check of the evidence itself.
var (
	ErrPolicy   = errors.New("token: policy incomplete")
	ErrImage    = errors.New("token: image not accepted")
	ErrHardware = errors.New("token: hardware not accepted")
	ErrSoftware = errors.New("token: not Confidential Space under secure boot")
)

// Policy is what a relying party accepts of genuine tokens. What is required refuses where it is absent.
type Policy struct {
	Images         []string // required: digests of containers, sha256:…
	HardwareModels []string // required: GCP_AMD_SEV, GCP_AMD_SEV_SNP, GCP_INTEL_TDX, …
	Nonce          string   // required
	AllowDebug     bool     // accepts debug images, into which the operator of the project can log in
}

// Appraise decides whether a genuine token is what the policy accepts.
func Appraise(v *Verified, p Policy) error {
	switch {
	case v == nil || !v.checked || len(p.Images) == 0 || len(p.HardwareModels) == 0 || p.Nonce == "":
		return ErrPolicy
	case !slices.Contains(v.Nonces, p.Nonce):
		return fmt.Errorf("%w: made for another request", stage.Nonce)
	case v.Debug && !p.AllowDebug:
		return fmt.Errorf("%w: dbgstat is %q", stage.Debug, v.DebugStatus)
	case v.Software != "CONFIDENTIAL_SPACE" || !v.SecureBoot:
		return ErrSoftware
	case !slices.Contains(p.HardwareModels, v.HardwareModel):
		return ErrHardware
	case v.ImageDigest == "" || !slices.Contains(p.Images, v.ImageDigest):
		return ErrImage
	}
	return nil
}
