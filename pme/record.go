package pme

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// find returns the field with this id.
func (r record) find(id int16) (field, bool) {
	for _, f := range r {
		if f.id == id {
			return f, true
		}
	}
	return field{}, false
}

func (r record) has(id int16) bool {
	_, ok := r.find(id)
	return ok
}

// number reads an integer field. ok is false where the field is absent.
func (r record) number(id int16, wire byte) (v int64, ok bool, err error) {
	f, ok := r.find(id)
	if !ok {
		return 0, false, nil
	}
	if f.wire != wire {
		return 0, false, errThrift
	}
	v, _, err = zigzag(f.raw, bitsOf(wire))
	return v, err == nil, err
}

func bitsOf(wire byte) int {
	switch wire {
	case wireI16:
		return 16
	case wireI32:
		return 32
	default:
		return 64
	}
}

// size reads an integer field that must be there and not negative.
func (r record) size(id int16, wire byte) (int64, error) {
	v, ok, err := r.number(id, wire)
	if err == nil && (!ok || v < 0) {
		err = errThrift
	}
	return v, err
}

// optional reads an integer field that must not be negative, zero where absent.
func (r record) optional(id int16, wire byte) (int64, error) {
	v, _, err := r.number(id, wire)
	if err == nil && v < 0 {
		err = errThrift
	}
	return v, err
}

// boolean reads a flag, false where absent.
func (r record) boolean(id int16) (bool, error) {
	f, ok := r.find(id)
	if ok && f.wire != wireTrue && f.wire != wireFalse {
		return false, errThrift
	}
	return ok && f.wire == wireTrue, nil
}

// binary reads a binary or string field; ok is false where it is absent.
func (r record) binary(id int16) (b []byte, ok bool, err error) {
	f, ok := r.find(id)
	if !ok {
		return nil, false, nil
	}
	if f.wire != wireBinary {
		return nil, false, errThrift
	}
	_, n, err := length(f.raw)
	if err != nil {
		return nil, false, err
	}
	return f.raw[n:], true, nil
}

// nested reads a structure field; ok is false where it is absent.
func (r record) nested(id int16) (s record, ok bool, err error) { return r.nestedIn(nil, id) }

// nestedIn is nested with a record to read it into.
func (r record) nestedIn(dst record, id int16) (s record, ok bool, err error) {
	f, ok := r.find(id)
	if !ok {
		return nil, false, nil
	}
	if f.wire != wireStruct {
		return nil, false, errThrift
	}
	s, err = wholeRecordIn(dst, f.raw)
	return s, err == nil, err
}

// list reads a list of this element type; ok is false where it is absent. The items are encoded values.
func (r record) list(id int16, wire byte) (items [][]byte, ok bool, err error) {
	f, ok := r.find(id)
	if !ok {
		return nil, false, nil
	}
	if f.wire != wireList {
		return nil, false, errThrift
	}
	got, count, pos, err := listHeader(f.raw)
	if err != nil {
		return nil, false, err
	}
	if got != wire && count > 0 {
		return nil, false, errThrift
	}
	items = make([][]byte, count)
	for i := range items {
		n, err := skipValue(f.raw[pos:], wire, true, 1)
		if err != nil {
			return nil, false, err
		}
		items[i] = f.raw[pos : pos+n : pos+n]
		pos += n
	}
	return items, true, nil
}

// strings reads a list of strings that must be there.
func (r record) strings(id int16) ([]string, error) {
	items, ok, err := r.list(id, wireBinary)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errThrift
	}
	out := make([]string, len(items))
	for i, it := range items {
		_, n, err := length(it)
		if err != nil {
			return nil, err
		}
		out[i] = string(it[n:])
	}
	return out, nil
}

// isStrings reports whether a list of strings, which must be there, is this one.
func (r record) isStrings(id int16, want []string) (bool, error) {
	f, ok := r.find(id)
	if !ok || f.wire != wireList {
		return false, errThrift
	}
	wire, count, pos, err := listHeader(f.raw)
	if err != nil || wire != wireBinary && count > 0 {
		return false, errThrift
	}
	for i := range count {
		size, n, err := length(f.raw[pos:])
		if err != nil {
			return false, err
		}
		s := f.raw[pos+n:]
		if size > len(s) {
			return false, errShort
		}
		if i >= len(want) || string(s[:size]) != want[i] {
			return false, nil
		}
		pos += n + size
	}
	return count == len(want), nil
}

// only refuses fields other than these: for structures that nothing authenticates.
func (r record) only(ids ...int16) error {
	for _, f := range r {
		if !slices.Contains(ids, f.id) {
			return errThrift
		}
	}
	return nil
}

// with returns a copy of r in which each of these replaces the field of its id, or is added.
func (r record) with(fields ...field) record {
	out := append(make(record, 0, len(r)+len(fields)), r...)
	for _, f := range fields {
		i, found := slices.BinarySearchFunc(out, f.id, func(f field, id int16) int { return cmp.Compare(f.id, id) })
		if found {
			out[i] = f
		} else {
			out = slices.Insert(out, i, f)
		}
	}
	return out
}

// without returns a copy of r that lacks these fields.
func (r record) without(ids ...int16) record {
	out := make(record, 0, len(r))
	for _, f := range r {
		if !slices.Contains(ids, f.id) {
			out = append(out, f)
		}
	}
	return out
}

// keep returns a record of the fields with these ids.
func (r record) keep(ids ...int16) record {
	out := make(record, 0, len(ids))
	for _, f := range r {
		if slices.Contains(ids, f.id) {
			out = append(out, f)
		}
	}
	return out
}

func i16Field(id int16, v int64) field { return field{id, wireI16, binary.AppendVarint(nil, v)} }
func i32Field(id int16, v int64) field { return field{id, wireI32, binary.AppendVarint(nil, v)} }
func i64Field(id int16, v int64) field { return field{id, wireI64, binary.AppendVarint(nil, v)} }

func binaryField(id int16, b []byte) field { return field{id, wireBinary, binaryValue(b)} }

func boolField(id int16, v bool) field {
	if v {
		return field{id, wireTrue, nil}
	}
	return field{id, wireFalse, nil}
}

func structField(id int16, r record) field { return field{id, wireStruct, appendRecord(nil, r)} }

func listField(id int16, wire byte, items [][]byte) field {
	return field{id, wireList, appendList(nil, wire, items)}
}

// binaryValue encodes bytes with their length.
func binaryValue(b []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}
