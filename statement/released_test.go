package statement

import (
	"bytes"
	"reflect"
	"testing"
)

func releasedSamples(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	for _, k := range []ReleasedKeys{
		{Offers: []OfferKeys{}},
		{Offers: []OfferKeys{{Offer: Sum(nil), Footer: bytes.Repeat([]byte{7}, 32), Column: []ColumnKey{}}}},
		{Offers: []OfferKeys{
			{Offer: Sum(nil), Footer: []byte{}, Column: []ColumnKey{{Column: "a<b>\"\\\u2028é\x01", Key: []byte{0xff, 0xfe}}, {Column: "", Key: bytes.Repeat([]byte{0xfb}, 32)}}},
			{Offer: "x", Footer: []byte{1}, Column: []ColumnKey{}},
		}},
	} {
		b, err := Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// TestReleasedKeys: the decoder for keys takes what Unmarshal takes, and gives the same.
func TestReleasedKeys(t *testing.T) {
	good := releasedSamples(t)
	all := append([][]byte{}, good...)
	for _, s := range []string{
		`{}`, `{"offers":null}`, `{"offers":[]} `, `{"offers":[],"offers":[]}`, `{"Offers":[]}`, `{"offers":[],"more":1}`,
		`{"offers":[{"offer":"x","footer":"AA","columns":[]}]}`, `{"offers":[{"offer":"x","footer":"AB==","columns":[]}]}`, `{"offers":[{"offer":"x","columns":[]}]}`,
		`{"offers":[{"offer":"\u0078","footer":"AA==","columns":[]}]}`, `[]`, `{"offers":[{}]}`, "{\"offers\":[{\"offer\":\"\xff\"}]}",
	} {
		all = append(all, []byte(s))
	}
	for i, src := range all {
		k, err := DecodeReleasedKeys(src)
		var want ReleasedKeys
		wantErr := Unmarshal(src, &want)
		if (err == nil) != (wantErr == nil) || (err == nil) != (i < len(good)) {
			t.Errorf("%s: %v, Unmarshal says %v", src, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(*k, want) {
			t.Errorf("%s: another value", src)
		}
	}
	k, err := DecodeReleasedKeys(good[1])
	if err != nil {
		t.Fatal(err)
	}
	k.Wipe()
	if !bytes.Equal(k.Offers[0].Footer, make([]byte, 32)) {
		t.Error("not wiped")
	}
}

func FuzzReleasedKeys(f *testing.F) {
	for _, b := range releasedSamples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		k, err := DecodeReleasedKeys(src)
		var want ReleasedKeys
		if wantErr := Unmarshal(src, &want); (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, Unmarshal says %v", err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(*k, want) {
			t.Fatal("another value")
		}
	})
}
