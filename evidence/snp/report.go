package snp

import (
	"fmt"
	"time"

	"github.com/google/go-sev-guest/abi"

	"github.com/cordon-exchange/cordon/evidence/field"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Sizes in bytes.
const (
	ReportSize     = abi.ReportSize // exact
	MaxEndorsement = 8 << 10        // DER of a VCEK or VLEK; AMD's have 1.4 KiB
	MaxCRL         = 1 << 20
)

// debugBit of the guest policy: the host may read the guest's memory.
const debugBit = 19

// TCB is the security versions of a platform, one byte each; which byte is what depends on the line of processors.
type TCB uint64

// AtLeast says whether no component is lower than in min.
func (t TCB) AtLeast(min TCB) bool {
	for shift := 0; shift < 64; shift += 8 {
		if byte(t>>shift) < byte(min>>shift) {
			return false
		}
	}
	return true
}

func (t TCB) String() string { return fmt.Sprintf("%016x", uint64(t)) }

// MarshalText writes the number as 16 hex digits.
func (t TCB) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Report is what the bytes of a report say. Nothing of it is proved.
type Report struct {
	Version      uint32      `json:"report_version"`
	GuestSVN     uint32      `json:"guest_svn"`
	Policy       field.Flags `json:"policy"`
	VMPL         uint32      `json:"vmpl"`
	PlatformInfo field.Flags `json:"platform_info"`
	SigningKey   string      `json:"signing_key"` // VCEK or VLEK
	ReportData   field.Hex   `json:"report_data"`
	Measurement  field.Hex   `json:"measurement"`
	HostData     field.Hex   `json:"host_data"`
	IDKeyDigest  field.Hex   `json:"id_key_digest"`
	AuthorKey    field.Hex   `json:"author_key_digest"`
	FamilyID     field.Hex   `json:"family_id"`
	ImageID      field.Hex   `json:"image_id"`
	ChipID       field.Hex   `json:"chip_id"` // zero under a VLEK
	CPUID        field.Flags `json:"cpuid_1_eax_fms"`
	CurrentTCB   TCB         `json:"current_tcb"`
	CommittedTCB TCB         `json:"committed_tcb"`
	ReportedTCB  TCB         `json:"reported_tcb"`
	LaunchTCB    TCB         `json:"launch_tcb"`
	Line         string      `json:"line"`          // Milan, Genoa or Turin
	Provider     string      `json:"csp,omitempty"` // who holds the VLEK
	Debug        bool        `json:"debug"`
}

// Verified is what a genuine report says. Only Verify makes one.
type Verified struct {
	Report
	// ListUntil is when the revocation list that was looked into ends; zero where none was given.
	ListUntil time.Time `json:"-"`

	checked bool
}

// Components are the reported TCB's, by the names that AMD gives them.
func (v *Verified) Components() map[string]uint8 {
	out := map[string]uint8{}
	for name, at := range components(v.Line) {
		out[name] = uint8(v.ReportedTCB >> at)
	}
	return out
}

// components says where each named component of a line's TCB stands (AMD 56860, "TCB_VERSION").
func components(line string) map[string]int {
	if line == Turin {
		return map[string]int{"fmc": 0, "bootloader": 8, "tee": 16, "snp": 24, "microcode": 56}
	}
	return map[string]int{"bootloader": 0, "tee": 8, "snp": 48, "microcode": 56}
}

// Parse reads a report. It proves nothing. Line is empty where the report does not name its processor (version 2), or names one
// that is not known.
func Parse(raw []byte) (*Report, error) {
	v, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if line, err := lineOf(v, raw); err == nil {
		v.Line = line
	}
	return &v.Report, nil
}

// parse reads a report. Reserved bits and bytes must be zero.
func parse(raw []byte) (*Verified, error) {
	if len(raw) != ReportSize {
		return nil, fmt.Errorf("%w: report of %d bytes, not %d", stage.Parse, len(raw), ReportSize)
	}
	if err := abi.ValidateReportFormat(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", stage.Parse, err)
	}
	if a := abi.SignatureAlgo(raw); a != abi.SignEcdsaP384Sha384 {
		return nil, fmt.Errorf("%w: signature algorithm %d", stage.Alg, a)
	}
	r, err := abi.ReportToProto(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", stage.Parse, err)
	}
	signer, err := abi.ParseSignerInfo(r.GetSignerInfo())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", stage.Parse, err)
	}
	v := &Verified{Report: Report{
		Version: r.GetVersion(), GuestSVN: r.GetGuestSvn(), Policy: field.Flags(r.GetPolicy()), VMPL: r.GetVmpl(),
		PlatformInfo: field.Flags(r.GetPlatformInfo()), SigningKey: signer.SigningKey.String(),
		ReportData: r.GetReportData(), Measurement: r.GetMeasurement(), HostData: r.GetHostData(),
		IDKeyDigest: r.GetIdKeyDigest(), AuthorKey: r.GetAuthorKeyDigest(),
		FamilyID: r.GetFamilyId(), ImageID: r.GetImageId(), ChipID: r.GetChipId(),
		CPUID:      field.Flags(r.GetCpuid1EaxFms()),
		CurrentTCB: TCB(r.GetCurrentTcb()), CommittedTCB: TCB(r.GetCommittedTcb()),
		ReportedTCB: TCB(r.GetReportedTcb()), LaunchTCB: TCB(r.GetLaunchTcb()),
	}}
	if v.SigningKey != VCEK && v.SigningKey != VLEK {
		return nil, fmt.Errorf("%w: report signed by no key", stage.ReportSignature)
	}
	v.Debug = v.Policy.Has(debugBit)
	return v, nil
}

// lineOf tells the line of processors that a report's CPUID names. The whole of family 19h, models A0h to AFh
// (Bergamo, Siena) has Genoa's keys. Reports of version 2 name none.
func lineOf(v *Verified, raw []byte) (string, error) {
	if v.Version < 3 {
		return "", nil
	}
	switch family, model := raw[0x188], raw[0x189]; {
	case family == 0x19 && model <= 0x0f:
		return Milan, nil
	case family == 0x19 && (model>>4 == 0x1 || model>>4 == 0xa):
		return Genoa, nil
	case family == 0x1a && model <= 0x1f:
		return Turin, nil
	default:
		return "", fmt.Errorf("%w: processor family %02x model %02x has no root", stage.Chain, family, model)
	}
}

// signature returns the report's signed bytes and the signature in DER. r and s stand least byte first.
func signature(raw []byte) (signed, der []byte, err error) {
	der, err = abi.ReportToSignatureDER(raw)
	return abi.SignedComponent(raw), der, err
}
