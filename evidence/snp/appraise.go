package snp

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/field"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Refusals of Appraise that are no check of the evidence itself.
var (
	ErrPolicy      = errors.New("snp: policy incomplete")
	ErrMeasurement = errors.New("snp: measurement not accepted")
	ErrReportData  = errors.New("snp: report made for something else")
	ErrGuestPolicy = errors.New("snp: guest policy not accepted")
	ErrVMPL        = errors.New("snp: privilege level not accepted")
)

// Policy is what a relying party accepts of genuine reports. What is required refuses where it is absent.
type Policy struct {
	Measurements [][]byte // required: 48 bytes each
	ReportData   []byte   // required: all 64 bytes, not all zero
	MinTCB       *TCB     // required: no component of the reported TCB may be lower
	// GuestPolicy has the bits that a guest's policy may have, bit 17 among them, which all have; required. Bits that only
	// protect the guest may always be set, the debug bit never does anything here.
	GuestPolicy field.Flags
	MinABI      uint16 // lowest version of the firmware interface, as in the policy's bits 0 to 15; any by default
	MaxVMPL     uint32 // the default accepts VMPL 0 only
	AllowDebug  bool   // accepts guests whose memory their host may read
}

// bits of a guest policy above the version, and those among them that protect, so that setting them is never too much.
const (
	policyVersion  = 0xffff
	policyProtects = 1<<20 | 1<<22 | 1<<23 | 1<<24 | 1<<25 // one socket, AES-256, no RAPL, hidden ciphertext, no page swap
)

// Appraise decides whether a genuine report is what the policy accepts.
func Appraise(v *Verified, p Policy) error {
	if v == nil || !v.checked || len(p.Measurements) == 0 || len(p.ReportData) != 64 || p.MinTCB == nil || !p.GuestPolicy.Has(17) {
		return ErrPolicy
	}
	beyond := v.Policy &^ p.GuestPolicy &^ policyVersion &^ policyProtects &^ (1 << debugBit)
	switch {
	case subtle.ConstantTimeCompare(v.ReportData, p.ReportData) != 1 || bytes.Equal(p.ReportData, make([]byte, 64)):
		return ErrReportData
	case v.Debug && !p.AllowDebug:
		return fmt.Errorf("%w: the guest's policy lets the host read its memory", stage.Debug)
	case beyond != 0:
		return fmt.Errorf("%w: bits %s", ErrGuestPolicy, beyond)
	case v.Policy&policyVersion < field.Flags(p.MinABI):
		return fmt.Errorf("%w: version of the firmware interface", ErrGuestPolicy)
	case !v.ReportedTCB.AtLeast(*p.MinTCB):
		return fmt.Errorf("%w: reported TCB %s is below %s", stage.TCBStatus, v.ReportedTCB, *p.MinTCB)
	case v.VMPL > p.MaxVMPL:
		return ErrVMPL
	}
	for _, m := range p.Measurements {
		if len(m) == 48 && subtle.ConstantTimeCompare(v.Measurement, m) == 1 {
			return nil
		}
	}
	return ErrMeasurement
}
