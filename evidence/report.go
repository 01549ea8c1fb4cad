package evidence

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

// MaxReportAge is how far the time in an operator's report may lie from the verifier's clock.
const MaxReportAge = 5 * time.Minute

// Report is what a host's operator signs about the enclave that it started (docs/spec/evidence.md, section 3).
type Report struct {
	Build      statement.Digest    `json:"build"`
	ReportData string              `json:"report_data"` // 128 hex digits
	Operator   string              `json:"operator"`    // public key text
	Perimeter  statement.Perimeter `json:"perimeter"`
	AtMS       int64               `json:"at_ms"`
}

// NewReport makes one. Its perimeter is of that kind, and says whether hardware stands behind it.
func NewReport(operator statement.Signer, kind string, build statement.Digest, data ReportData, p statement.Perimeter, at time.Time) (Report, error) {
	p.Kind, p.Simulated = kind, statement.SoftwareRooted(kind)
	if !build.Valid() || !p.Valid() {
		return Report{}, fmt.Errorf("%w: build or perimeter", ErrMalformed)
	}
	return Report{
		Build: build, ReportData: hex.EncodeToString(data[:]),
		Operator: operator.Public().String(), Perimeter: p, AtMS: at.UnixMilli(),
	}, nil
}

// Claims are what a report of a kind says, if it has its form and was made now. Who signed it, and what of it a quote shows, is for
// its kind's verifier.
func (r *Report) Claims(kind string, operator statement.PublicKey, at time.Time) (*Claims, error) {
	data, err := hex.DecodeString(r.ReportData)
	switch {
	case err != nil || len(data) != ReportDataSize || hex.EncodeToString(data) != r.ReportData:
		return nil, fmt.Errorf("%w: report data", ErrMalformed)
	case !r.Build.Valid():
		return nil, fmt.Errorf("%w: build", ErrMalformed)
	case r.Perimeter.Kind != kind || !r.Perimeter.Valid():
		return nil, fmt.Errorf("%w: perimeter", ErrMalformed)
	}
	c := &Claims{
		Kind: kind, Simulated: r.Perimeter.Simulated, Build: r.Build, Operator: operator.Fingerprint(),
		Perimeter: r.Perimeter, ReportData: ReportData(data), MadeAt: time.UnixMilli(r.AtMS),
	}
	if age := at.Sub(c.MadeAt); age > MaxReportAge || age < -MaxReportAge {
		return nil, ErrClock
	}
	return c, nil
}
