package exhibit

import (
	"encoding/json"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

func judgeSNP(e *Exhibit, trail *stage.Trail, f *Finding) {
	if r, err := snp.Parse(e.Raw); err == nil {
		f.says(r)
		f.Debug, f.data = &r.Debug, r.ReportData
	}
	anchors, err := snpAnchors(e)
	if err != nil {
		f.Err = err
		return
	}
	if len(e.Endorsements) == 0 {
		f.Err = fmt.Errorf("%w: %w: the VCEK or VLEK of the report", stage.NoCollateral, ErrMissing)
		if _, err := snp.Parse(e.Raw); err != nil {
			f.Err = err
		}
		return
	}
	v, err := snp.Verify(e.Raw, e.Endorsements[0], snp.Options{Anchors: anchors, At: e.At, CRLs: e.Endorsements[1:], AllowDebug: e.AllowDebug, Trail: trail})
	if err != nil {
		f.Err = err
		return
	}
	f.says(v)
	f.Root = "AMD (ARK-" + v.Line + ")"
	if v.Provider != "" {
		f.Root += ", and " + v.Provider + ", which holds the VLEK"
	}
}

// says takes over what evidence says, by the names that its JSON has.
func (f *Finding) says(v any) {
	b, err := json.Marshal(v)
	if err == nil {
		f.Fields = nil
		err = json.Unmarshal(b, &f.Fields)
	}
	if err != nil && f.Err == nil {
		f.Err = err
	}
}
