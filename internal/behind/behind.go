package behind

import "bytes"

// Join is a strictly encoded text, which has no line break, alone or with a line break and all the bodies behind it.
func Join(text []byte, bodies ...[]byte) []byte {
	if len(bodies) == 0 {
		return text
	}
	n := len(text) + 1
	for _, b := range bodies {
		n += len(b)
	}
	out := append(append(make([]byte, 0, n), text...), '\n')
	for _, b := range bodies {
		out = append(out, b...)
	}
	return out
}

// Text is what stands before the first line break, or all there is.
func Text(src []byte) []byte {
	text, _, _ := bytes.Cut(src, []byte{'\n'})
	return text
}

// Bodies are the bytes behind the text: of exactly these sizes, none of which is 0, and nothing else. They are parts of src.
func Bodies(src []byte, sizes []int64) (out [][]byte, ok bool) {
	_, rest, cut := bytes.Cut(src, []byte{'\n'})
	if cut != (len(sizes) > 0) {
		return nil, false
	}
	for _, n := range sizes {
		if n < 1 || n > int64(len(rest)) {
			return nil, false
		}
		out, rest = append(out, rest[:n:n]), rest[n:]
	}
	return out, len(rest) == 0
}
