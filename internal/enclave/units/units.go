package units

// #include <stdlib.h>
// #include "units.h"
import "C"

import (
	"database/sql/driver"
	"errors"
	"reflect"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/policy"
)

// MaxCap bounds what one cell remembers: policy.MaxUnitCap.
const MaxCap = policy.MaxUnitCap

// ErrRegister says that the aggregate could not be made.
var ErrRegister = errors.New("units: the aggregate could not be registered")

// Register makes the aggregate of that name and cap on a connection of the DuckDB driver: over any type of a plan's columns, giving BIGINT.
func Register(c driver.Conn, name string, capped int64) error {
	p := Pointer(c)
	if p == nil || name == "" || capped < 1 || capped > MaxCap {
		return ErrRegister
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if C.cordon_register_units(p, text, C.uint64_t(capped)) == 0 {
		return ErrRegister
	}
	return nil
}

// Pointer is the connection that the driver holds. The driver has no word for it, so it is read by reflection: with another version
// of the driver, whose field is not there, it is nil, and nothing is registered.
func Pointer(c driver.Conn) unsafe.Pointer {
	conn, ok := c.(*duckdb.Conn)
	if !ok || conn == nil {
		return nil
	}
	f := reflect.ValueOf(conn).Elem().FieldByName("conn")
	if f.Kind() != reflect.Struct {
		return nil
	}
	if f = f.FieldByName("Ptr"); f.Kind() != reflect.UnsafePointer {
		return nil
	}
	return f.UnsafePointer()
}
