package pme

import "testing"

// A field takes just the room it is given, or there is none of that size.
func TestExtensionSize(t *testing.T) {
	none := 0
	for size := -10; size <= maxHeaderRoom; size++ {
		n, ok := extensionSize(size)
		if !ok {
			none++
			continue
		}
		h := pageHeader{rec: record{i32Field(phType, dataPage)}}
		head := h.appendTo(nil, 0)
		wide, zeros := h.widen(head[:len(head):len(head)], len(head)+size)
		whole := append(wide, make([]byte, zeros)...)
		rec, err := wholeRecord(whole)
		if err != nil || len(whole) != len(head)+size || zeros != n+1 {
			t.Fatalf("%d bytes: %d, %v", size, len(whole)-len(head), err)
		}
		if b, ok, err := rec.binary(phExtension); err != nil || !ok || len(b) != n || len(rec) != 2 {
			t.Fatalf("%d bytes: not in a field of its own: %v", size, err)
		}
	}
	if none != 10+5+1 {
		t.Errorf("%d sizes can't be had", none)
	}
}

// A header that has the field already, or is long enough, stays as it is.
func TestHeadersThatStay(t *testing.T) {
	for name, h := range map[string]pageHeader{
		"has the field": {rec: record{i32Field(phType, dataPage), binaryField(phExtension, []byte("x"))}},
		"long enough":   {rec: record{i32Field(phType, dataPage), binaryField(phData, make([]byte, 300))}},
	} {
		head := h.appendTo(nil, 0)
		if wide, zeros := h.widen(head, 256); string(wide) != string(head) || zeros != 0 {
			t.Errorf("%s: %d bytes and %d zeros", name, len(wide), zeros)
		}
	}
}
