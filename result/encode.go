package result

import (
	"bytes"
	"encoding/json"
)

// Encoding is the name of the format, first in every encoded table.
const Encoding = "result/1"

// wire is the table as it is written; docs/spec/result.md, section 3.
type wire struct {
	Encoding   string       `json:"encoding"`
	Columns    []wireColumn `json:"columns"`
	Rows       [][]Value    `json:"rows"`
	Suppressed int64        `json:"suppressed"`
	Notes      []string     `json:"notes"`
}

type wireColumn struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Encode gives the one encoding of a valid table.
func (t *Table) Encode() ([]byte, error) {
	if err := t.valid(); err != nil {
		return nil, err
	}
	w := wire{Encoding: Encoding, Columns: []wireColumn{}, Rows: t.Rows, Suppressed: t.Suppressed, Notes: t.Notes}
	for _, c := range t.Columns {
		w.Columns = append(w.Columns, wireColumn(c))
	}
	if w.Rows == nil {
		w.Rows = [][]Value{}
	}
	if w.Notes == nil {
		w.Notes = []string{}
	}
	b, err := marshal(w)
	if err != nil || len(b) > MaxBytes {
		return nil, ErrTable
	}
	return b, nil
}

// Decode reads an encoded table. What it accepts encodes to the same bytes; what it refuses gives nothing. Unknown and
// repeated fields, other orders, spaces and spellings are refused because they would not encode to the same bytes.
func Decode(b []byte) (*Table, error) {
	if len(b) > MaxBytes {
		return nil, ErrTable
	}
	var w wire
	if err := json.Unmarshal(b, &w); err != nil || w.Encoding != Encoding {
		return nil, ErrTable
	}
	t := &Table{Rows: w.Rows, Suppressed: w.Suppressed, Notes: w.Notes}
	for _, c := range w.Columns {
		t.Columns = append(t.Columns, Column(c))
	}
	again, err := t.Encode()
	if err != nil || !bytes.Equal(again, b) {
		return nil, ErrTable
	}
	return t, nil
}

func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

const suppressedJSON = `{"suppressed":true}`

// MarshalJSON writes a value as a string, NULL as null, and a suppressed cell as an object that no value can be.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.state {
	case present:
		return marshal(v.text)
	case null:
		return []byte("null"), nil
	}
	return []byte(suppressedJSON), nil
}

// UnmarshalJSON reads what MarshalJSON writes, and nothing else.
func (v *Value) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*v = Null()
	case string(b) == suppressedJSON:
		*v = Suppressed()
	case len(b) > 0 && b[0] == '"':
		v.state = present
		return json.Unmarshal(b, &v.text)
	default:
		return ErrTable
	}
	return nil
}
