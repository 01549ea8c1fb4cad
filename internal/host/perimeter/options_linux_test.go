package perimeter

import (
	"errors"
	"testing"
)

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	good := Options{Image: &Image{}, Request: Request{Name: NoUserNS}, Limits: testLimits(), facts: willing()}
	tests := []struct {
		name  string
		spoil func(*Options)
	}{
		{"no request", func(o *Options) { o.Request = Request{} }},
		{"unknown form", func(o *Options) { o.Request.Name = "insecure" }},
		{"no memory limit", func(o *Options) { o.Limits.MemoryBytes = 0 }},
		{"too little memory", func(o *Options) { o.Limits.MemoryBytes = MinMemoryBytes - 1 }},
		{"memory out of range", func(o *Options) { o.Limits.MemoryBytes = MaxMemoryBytes + 1 }},
		{"less address space than memory", func(o *Options) { o.Limits.AddressBytes = o.Limits.MemoryBytes - 1 }},
		{"no image", func(o *Options) { o.Image = nil }},
	}
	for _, tt := range tests {
		o := good
		tt.spoil(&o)
		if e, err := Start(t.Context(), o); e != nil || err == nil || errors.Is(err, ErrStage) {
			t.Errorf("%s: got %v, %v", tt.name, e, err)
		}
	}
	// The good ones get as far as starting a process, which these facts refuse.
	if _, err := Start(t.Context(), good); !errors.Is(err, ErrStage) {
		t.Errorf("good options: %v", err)
	}
}

// TestStageArguments: the hidden command does nothing for somebody who calls it by hand.
func TestStageArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		nil, {""}, {"{}"}, {`{"name":"process"}`, "x"}, {`{"name":"insecure"}`}, {`{"name":"process","extra":1}`},
	} {
		if c, err := parseStageArgs(args); err == nil {
			t.Errorf("%q: accepted as %+v", args, c)
		}
	}
}
