package policy

import (
	"errors"
	"reflect"

	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

// ErrDisagrees says that the engine's account of a canonical text is not what the plan says. It is an alarm: no row may be
// read.
var ErrDisagrees = errors.New("the engine understands the plan's SQL differently")

// RecheckScan compares json_serialize_sql of ScanSQL(refs) with the plan.
func (p *Plan) RecheckScan(refs []string, serialized []byte) error {
	return agrees(p.scan(refs), serialized)
}

// RecheckPost compares json_serialize_sql of PostSQL(released) with the plan.
func (p *Plan) RecheckPost(released string, serialized []byte) error {
	return agrees(p.post(released), serialized)
}

func agrees(want canon.Query, serialized []byte) error {
	got, err := canon.ParseSerialized(serialized)
	if err != nil || !reflect.DeepEqual(got, want) {
		return ErrDisagrees
	}
	return nil
}
