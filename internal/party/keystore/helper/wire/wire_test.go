package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	want := Request{Op: OpWrap, ID: make([]byte, 8), AAD: []byte("a"), Data: make([]byte, 32)}
	var b bytes.Buffer
	if err := Write(&b, want); err != nil {
		t.Fatal(err)
	}
	var got Request
	if err := Read(&b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v %v", got, err)
	}
	if err := Read(&b, &got); err != io.EOF {
		t.Fatalf("end is %v", err)
	}
}

func TestRefused(t *testing.T) {
	frame := func(s string) []byte { return append([]byte{0, 0, 0, byte(len(s))}, s...) }
	for name, src := range map[string][]byte{
		"too large": {0, 128, 0, 1}, "cut": frame(`{"op":"list"}`)[:10], "no JSON": frame("list"), "unknown field": frame(`{"op":"list","x":1}`),
		"twice": frame(`{"op":"list","op":"list"}`), "space": frame(`{"op": "list"}`),
	} {
		var got Request
		if err := Read(bytes.NewReader(src), &got); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One byte too many, and all of them there.
	long := []byte(`{"text":"` + strings.Repeat("x", MaxFrame+1-len(`{"text":""}`)) + `"}`)
	var got Reply
	if err := Read(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(long))), long...)), &got); !errors.Is(err, ErrFrame) || len(long) != MaxFrame+1 {
		t.Errorf("one byte too many: %v", err)
	}
	if err := Write(io.Discard, Reply{Data: make([]byte, MaxFrame)}); !errors.Is(err, ErrFrame) {
		t.Errorf("too large to send: %v", err)
	}
	if err := Write(io.Discard, Request{Data: make([]byte, MaxRequest)}); !errors.Is(err, ErrFrame) {
		t.Errorf("a message too large to sign: %v", err)
	}
}

// FuzzRead: what is accepted is written back as the same bytes.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	_ = Write(&b, Request{Op: OpOpen, Token: &Token{Module: "/m", Token: "t", Object: "o", PINFile: "/p"}})
	f.Add(b.Bytes())
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	b.Reset()
	_ = Write(&b, Request{Op: OpSign, Data: []byte("message")})
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, src []byte) {
		r := bytes.NewReader(src)
		var q Request
		if Read(r, &q) != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, q); err != nil || !bytes.Equal(out.Bytes(), src[:len(src)-r.Len()]) {
			t.Fatalf("%x is written as %x, %v", src, out.Bytes(), err)
		}
	})
}

// FuzzReply: what is accepted is written back as the same bytes.
func FuzzReply(f *testing.F) {
	for _, r := range []Reply{{Data: make([]byte, SignatureSize)}, {Code: CodeGone, Text: "went away"}, {IDs: [][]byte{make([]byte, 8)}}} {
		var b bytes.Buffer
		_ = Write(&b, r)
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		in := bytes.NewReader(src)
		var r Reply
		if Read(in, &r) != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, r); err != nil || !bytes.Equal(out.Bytes(), src[:len(src)-in.Len()]) {
			t.Fatalf("%x is written as %x, %v", src, out.Bytes(), err)
		}
	})
}
