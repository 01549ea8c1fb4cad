package kinds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/field"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// guestPolicy has the bits that a guest's policy may have beside those that protect it and debug: SMT, and bit 17, which all have. A
// migration agent or CXL memory would bring in somebody or something that nothing here shows.
const guestPolicy field.Flags = 1<<16 | 1<<17

// amd verifies a report of SEV-SNP (docs/spec/evidence.md, section 8.6).
func (o Options) amd(_ context.Context, report []byte, endorsements [][]byte, at time.Time) (*hosted.Machine, error) {
	own, err := o.held(evidence.SNP, report)
	if err != nil {
		return nil, err
	}
	var came, held bundle
	if err := errors.Join(came.read(endorsements), held.read(own)); err != nil {
		return nil, err
	}
	if len(came.key) == 0 {
		came.key = held.key
	}
	v, err := o.genuine(report, came, held, at)
	if err != nil {
		return nil, err
	}
	// What is not judged by the policy of a relying party is judged here, in the strictest way.
	var least snp.TCB
	err = snp.Appraise(v, snp.Policy{
		Measurements: [][]byte{v.Measurement}, ReportData: v.ReportData, MinTCB: &least, GuestPolicy: guestPolicy, AllowDebug: true,
	})
	if err != nil {
		return nil, err
	}
	return &hosted.Machine{
		Build: hosted.Build(evidence.SNP, v.Measurement, v.HostData), ReportData: evidence.ReportData(v.ReportData), Debug: v.Debug,
		TCB: evidence.TCB{Line: v.Line, Version: v.ReportedTCB.String(), Components: v.Components(), CollateralUntil: v.ListUntil},
	}, nil
}

// bundle is the endorsements of SNP, taken apart.
type bundle struct {
	key   []byte // VCEK or VLEK
	lists [][]byte
}

// maxLists bounds the revocation lists: AMD has one for each root.
const maxLists = 8

func (b *bundle) read(list [][]byte) error {
	if len(list) > 1+maxLists {
		return errEndorsements(len(list))
	}
	if len(list) > 0 {
		b.key, b.lists = list[0], list[1:]
	}
	return nil
}

// genuine verifies the report under the lists that came and under those that are held. One of them must be there and current, and
// neither that is current may name the key. Held may be lists of other roots only: they say nothing here.
func (o Options) genuine(report []byte, came, held bundle, at time.Time) (*snp.Verified, error) {
	if len(came.key) == 0 {
		return nil, fmt.Errorf("%w: no key of the machine", stage.NoCollateral)
	}
	if len(came.lists) == 0 && len(held.lists) == 0 && !o.SNPWithoutList {
		return nil, fmt.Errorf("%w: nothing says whether the key of the machine's key was revoked", stage.NoCRL)
	}
	verify := func(lists [][]byte) (*snp.Verified, error) {
		return snp.Verify(report, came.key, snp.Options{Anchors: *o.Anchors.AMD, At: at, CRLs: lists, AllowDebug: true, Memory: o.Memory})
	}
	if len(held.lists) == 0 {
		return verify(came.lists)
	}
	v, err := verify(held.lists)
	if len(came.lists) == 0 || err != nil && !errors.Is(err, stage.StaleCollateral) && !errors.Is(err, stage.NoCRL) {
		return v, err
	}
	return verify(came.lists)
}
