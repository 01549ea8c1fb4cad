package sums

// #cgo CFLAGS: -O3
// #include <stdlib.h>
// #include "sums.h"
import "C"

import (
	"database/sql/driver"
	"errors"
	"unsafe"

	"github.com/cordon-exchange/cordon/internal/enclave/units"
	"github.com/cordon-exchange/cordon/policy"
)

// ErrRegister says that the aggregate could not be made.
var ErrRegister = errors.New("sums: the aggregate could not be registered")

// Register makes an aggregate of the plan on a connection of the DuckDB driver.
func Register(c driver.Conn, s policy.Sums) error { return register(c, s, false) }

func register(c driver.Conn, s policy.Sums, portable bool) error {
	p := units.Pointer(c)
	if p == nil || len(s.Columns) == 0 || len(s.Columns) > policy.MaxSumsColumns || len(s.Terms) > policy.MaxSumsTerms || s.Units < 0 || s.Units > policy.MaxUnitCap {
		return ErrRegister
	}
	var columns [policy.MaxSumsColumns]C.struct_cordon_sums_column
	for i, have := range s.Columns {
		x, ok := column(have)
		if !ok {
			return ErrRegister
		}
		columns[i] = x
	}
	var terms [policy.MaxSumsTerms]C.struct_cordon_sums_term
	for i, t := range s.Terms {
		terms[i] = C.struct_cordon_sums_term{a: C.int32_t(t.A), b: C.int32_t(t.B), absolute: flag(t.Abs), counted: flag(t.Counted)}
	}
	name := C.CString(s.Name())
	defer C.free(unsafe.Pointer(name))
	if C.cordon_register_sums(p, name, &columns[0], C.int32_t(len(s.Columns)), &terms[0], C.int32_t(len(s.Terms)), C.int32_t(s.Units), flag(portable)) == 0 {
		return ErrRegister
	}
	return nil
}

func column(c policy.SumsColumn) (C.struct_cordon_sums_column, bool) {
	out := C.struct_cordon_sums_column{checked: flag(c.Checked), lo: C.int64_t(c.Lo), hi: C.int64_t(c.Hi)}
	if precision, scale, ok := c.Type.Decimal(); ok {
		out.precision, out.scale = C.int32_t(precision), C.int32_t(scale)
		return out, precision <= 18
	}
	if c.Type == policy.Int64 {
		out.precision = -1
	}
	return out, c.Type == policy.Int64 || c.Type == policy.Int32
}

func flag(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}
