package receipt

import "github.com/cordon-exchange/cordon/statement"

// Summary is the machine-readable form of a verified account.
type Summary struct {
	Digest    statement.Digest                 `json:"digest"`
	Simulated bool                             `json:"simulated"`
	Shown     statement.Appraisal              `json:"shown"` // what the evidence shows of the machine
	Found     []Found                          `json:"found"` // what each owner's broker found before it released keys
	Receipt   *statement.Receipt               `json:"receipt"`
	Names     map[statement.Fingerprint]string `json:"names"`
	Outside   []Outside                        `json:"outside"`
	Notes     []string                         `json:"notes"`
	Checks    []Check                          `json:"checks"`
}

// Found is what one owner's broker found, as its release says.
type Found struct {
	Owner     statement.Fingerprint `json:"owner"`
	Appraisal statement.Appraisal   `json:"appraisal"`
}

// Summary of the report, for --json.
func (r *Report) Summary() Summary {
	found := []Found{}
	for _, rel := range r.Releases {
		found = append(found, Found{Owner: rel.Owner, Appraisal: rel.Appraisal})
	}
	return Summary{Digest: r.Digest, Simulated: r.Simulated(), Shown: r.Shown, Found: found, Receipt: r.Receipt, Names: r.Names, Outside: r.Outside,
		Notes: append([]string{}, r.Notes...), Checks: r.Checks}
}
