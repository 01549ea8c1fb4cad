package policy

import (
	"errors"
	"reflect"
	"slices"

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

// RecheckScanPlan compares json_serialize_plan of ScanSQL(refs), bound to the opened files, with the plan: exactly those
// files, of each exactly the columns to be opened in their declared types, through operators and functions that the plan
// names.
func (p *Plan) RecheckScanPlan(refs []string, serialized []byte) error {
	leaves, err := canon.ParseBound(p.scan(refs), serialized)
	if err != nil || len(leaves) != len(refs) || len(refs) != len(p.Sources) {
		return ErrDisagrees
	}
	for i, leaf := range leaves {
		if leaf.Table != "" || !reflect.DeepEqual(leaf.Files, []string{refs[i]}) || !p.opens(p.Sources[i], leaf.Fields) {
			return ErrDisagrees
		}
	}
	return nil
}

// opens reports whether the fields are the columns that the source opens, in the types that the plan reckons with.
func (p *Plan) opens(s PlanSource, fields []canon.Field) bool {
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
		for _, d := range p.Dims {
			if d.Column == f.Name && f.Type != sqlType(d.Type) {
				return false
			}
		}
		for _, m := range p.Measures {
			if m.Column == f.Name && f.Type != sqlType(m.Type) {
				return false
			}
		}
	}
	slices.Sort(names)
	return slices.Equal(names, s.Columns)
}

// RecheckPostPlan compares json_serialize_plan of PostSQL(released) with the plan: it reads the released table alone.
func (p *Plan) RecheckPostPlan(released string, serialized []byte) error {
	leaves, err := canon.ParseBound(p.post(released), serialized)
	if err != nil || len(leaves) != 1 || leaves[0].Table != released || leaves[0].Files != nil {
		return ErrDisagrees
	}
	return nil
}
