package statement

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// DecodeReleasedKeys is Unmarshal for the keys of a release. It gives no key to encoding/json to encode, which keeps text in buffers
// that it uses again: what this leaves behind, secret mode erases (docs/spec/perimeter-process.md, section 8).
func DecodeReleasedKeys(src []byte) (*ReleasedKeys, error) {
	if len(src) > MaxPayload {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrNotStrict, MaxPayload)
	}
	if !utf8.Valid(src) {
		return nil, fmt.Errorf("%w: invalid UTF-8", ErrNotStrict)
	}
	if err := scan(src); err != nil {
		return nil, err
	}
	var k ReleasedKeys
	if err := json.Unmarshal(src, &k); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotStrict, decodeReason(err))
	}
	again, err := k.append(make([]byte, 0, len(src)))
	defer func() { clear(again[:cap(again)]) }()
	if err != nil || !bytes.Equal(again, src) {
		k.Wipe()
		return nil, fmt.Errorf("%w: re-encoding gives other bytes", ErrNotStrict)
	}
	return &k, nil
}

// Wipe overwrites the keys.
func (k *ReleasedKeys) Wipe() {
	for _, o := range k.Offers {
		clear(o.Footer)
		for _, c := range o.Column {
			clear(c.Key)
		}
	}
}

// append writes what Marshal would.
func (k *ReleasedKeys) append(b []byte) ([]byte, error) {
	b = append(b, `{"offers":[`...)
	for i, o := range k.Offers {
		if i > 0 {
			b = append(b, ',')
		}
		offer, err := encode(o.Offer)
		if err != nil {
			return b, err
		}
		b = append(append(b, `{"offer":`...), offer...)
		b = append(b, `,"footer":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, o.Footer), `","columns":[`...)
		for j, c := range o.Column {
			if j > 0 {
				b = append(b, ',')
			}
			name, err := encode(c.Column)
			if err != nil {
				return b, err
			}
			b = append(append(b, `{"column":`...), name...)
			b = append(b, `,"key":"`...)
			b = append(base64.StdEncoding.AppendEncode(b, c.Key), `"}`...)
		}
		b = append(b, `]}`...)
	}
	return append(b, `]}`...), nil
}
