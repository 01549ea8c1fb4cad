package tdx

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/evidence/dcap"
)

// TestHardware extends what a recorded, genuine quote (dstack's, evidence/testdata/tdx) was made from, as its event log states:
// the kernel's hash, then the hashes of its options and its root folder.
func TestHardware(t *testing.T) {
	raw, err := os.ReadFile("../../evidence/testdata/tdx/dstack-lite.quote.bin")
	if err != nil {
		t.Fatal(err)
	}
	q, err := dcap.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	kernel := unhex(t, "ac7e632dcf5cd2a1fe5c1f41f4d9b8219570e64ed3c61038fdbf25404e6f542ffd57f276bc5076307efaf882e6d64177")
	if got := kernelEvents(sha512.New384, kernel); !bytes.Equal(got, q.TD.RTMR[1][:]) {
		t.Errorf("RTMR 1: %x", got)
	}
	options := unhex(t, "786280842b7364287a3a70d96f7e309252857beb45fb1f91314a2ea863db0adc04c8431ecbf29a966405604631a5aab8")
	initrd := unhex(t, "4fe4f7710134a61d7def357add6ac50bdbfeee5032a4c100375e207216ffe42a3bd5822b24e679f91501fff795b81521")
	got := extend(sha512.New384, extend(sha512.New384, make([]byte, 48), options), initrd)
	if !bytes.Equal(got, q.TD.RTMR[2][:]) {
		t.Errorf("RTMR 2: %x", got)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOptions(t *testing.T) {
	for firmware, want := range map[Firmware]string{
		WordBehind: "a b initrd=initrd\x00", WordBefore: "initrd=initrd a b\x00",
	} {
		got, err := Boot{Initrd: []byte("x"), Cmdline: "a b", Firmware: firmware}.Options()
		if err != nil || strings.ReplaceAll(string(got)+"\x00", "\x00", "") != strings.TrimSuffix(want, "\x00") || len(got) != 2*len(want) {
			t.Errorf("%d: %q, %v", firmware, got, err)
		}
	}
}

// TestOptionsRefused: nothing behind the options would find these.
func TestOptionsRefused(t *testing.T) {
	for name, b := range map[string]Boot{
		"not ASCII":        {Initrd: []byte("x"), Cmdline: "ä", Firmware: WordBefore},
		"unknown firmware": {Initrd: []byte("x"), Cmdline: "a"},
	} {
		if got, err := b.Options(); !errors.Is(err, ErrBoot) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, b := range map[string]Boot{
		"no root folder":   {Cmdline: "a", Firmware: WordBefore},
		"no command line":  {Initrd: []byte("x"), Firmware: WordBefore},
		"a NUL in it":      {Initrd: []byte("x"), Cmdline: "a\x00", Firmware: WordBefore},
		"not ASCII":        {Initrd: []byte("x"), Cmdline: "ä", Firmware: WordBefore},
		"a long one":       {Initrd: []byte("x"), Cmdline: strings.Repeat("a", 4096), Firmware: WordBefore},
		"unknown firmware": {Initrd: []byte("x"), Cmdline: "a"},
		"no kernel":        {Initrd: []byte("x"), Cmdline: "a", Firmware: WordBefore},
		"not a kernel":     {Kernel: make([]byte, 1000), Initrd: []byte("x"), Cmdline: "a", Firmware: WordBehind},
	} {
		t.Run(name, func(t *testing.T) {
			if one, two, err := b.Registers(); !errors.Is(err, ErrBoot) || one != two || one != (Register{}) {
				t.Errorf("got %v", err)
			}
		})
	}
}
