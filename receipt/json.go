package receipt

import "github.com/cordon-exchange/cordon/statement"

// Summary is the machine-readable form of a verified account.
type Summary struct {
	Digest    statement.Digest                 `json:"digest"`
	Simulated bool                             `json:"simulated"`
	Receipt   *statement.Receipt               `json:"receipt"`
	Names     map[statement.Fingerprint]string `json:"names"`
	Outside   []Outside                        `json:"outside"`
	Notes     []string                         `json:"notes"`
	Checks    []Check                          `json:"checks"`
}

// Summary of the report, for --json.
func (r *Report) Summary() Summary {
	return Summary{Digest: r.Digest, Simulated: r.Simulated(), Receipt: r.Receipt, Names: r.Names, Outside: r.Outside,
		Notes: append([]string{}, r.Notes...), Checks: r.Checks}
}
