package kinds

import (
	"context"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/nitro"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// aws verifies a document of a Nitro enclave (docs/spec/evidence.md, section 8.7). It has no collateral: its certificates live for
// hours.
func (o Options) aws(_ context.Context, document []byte, endorsements [][]byte, at time.Time) (*hosted.Machine, error) {
	if len(endorsements) != 0 {
		return nil, errEndorsements(len(endorsements))
	}
	v, err := nitro.Verify(document, nitro.Options{Root: o.Anchors.AWS, At: at, AllowDebug: true})
	if err != nil {
		return nil, err
	}
	if len(v.UserData) != evidence.ReportDataSize {
		return nil, fmt.Errorf("%w: user data of %d bytes", stage.Nonce, len(v.UserData))
	}
	m := &hosted.Machine{
		Build: hosted.Build(evidence.Nitro, v.PCRs[0], v.PCRs[1], v.PCRs[2]), ReportData: evidence.ReportData(v.UserData), Debug: v.Debug,
	}
	if m.ReportData == (evidence.ReportData{}) {
		return nil, ErrUnbound
	}
	return m, nil
}
