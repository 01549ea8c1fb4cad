package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Outcome is what a verifier made of a case.
type Outcome struct {
	Err    error          // nil if it accepts
	Debug  *bool          // nil if it could not tell
	Fields map[string]any // by the names of the collection
	TCB    map[string]any
}

// Compare says what is not as the case demands: the verdict, the stage in the error's chain, and every value it lists.
func (c *Case) Compare(o Outcome) (wrong []string) {
	switch {
	case c.Expect == Accept && o.Err != nil:
		wrong = append(wrong, "rejected: "+o.Err.Error())
	case c.Expect == Reject && o.Err == nil:
		wrong = append(wrong, "accepted, not rejected at "+c.RejectStage)
	case c.RejectStage != "" && !errors.Is(o.Err, stage.Error(c.RejectStage)):
		wrong = append(wrong, fmt.Sprintf("not rejected at %s: %v", c.RejectStage, o.Err))
	}
	if c.Debug != nil && (o.Debug == nil || *o.Debug != *c.Debug) && !(o.Debug == nil && !*c.Debug && o.Err != nil) {
		wrong = append(wrong, fmt.Sprintf("debug is not %v", *c.Debug))
	}
	wrong = append(wrong, differences("field", c.Fields, o.Fields)...)
	return append(wrong, differences("tcb", c.TCB, o.TCB)...)
}

func differences(what string, want, got map[string]any) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		have, ok := got[name]
		switch w, h := plain(want[name]), plain(have); {
		case !ok:
			out = append(out, fmt.Sprintf("%s %s not extracted", what, name))
		case !reflect.DeepEqual(w, h):
			out = append(out, fmt.Sprintf("%s %s is %v, want %v", what, name, h, w))
		}
	}
	return out
}

// plain is a value as it reads from JSON, with numbers as written.
func plain(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		return err
	}
	return out
}
