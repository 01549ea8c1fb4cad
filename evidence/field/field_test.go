package field

import (
	"encoding/json"
	"testing"
)

func TestTexts(t *testing.T) {
	got, err := json.Marshal(map[string]any{"hex": Hex{0xab, 1}, "none": Hex(nil), "flags": Flags(0x3001f)})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"flags":"0x3001f","hex":"ab01","none":""}`; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	if f := Flags(1 << 19); !f.Has(19) || f.Has(18) {
		t.Error("bits are not found")
	}
}
