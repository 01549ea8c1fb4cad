package witness

import (
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// Found strikes out what was proven.
func (w *Witness) Found(list []translog.Entry) {
	var there []statement.Digest
	for i := range list {
		there = append(there, list[i].Digest)
	}
	w.found(there)
}
