package receipt_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestDecodeRefuses(t *testing.T) {
	src := string(receipttest.New(t, receipttest.Edit{}).Bytes)
	for name, bad := range map[string]string{
		"nothing":           "",
		"another format":    strings.Replace(src, "bundle/1", "bundle/2", 1),
		"unknown field":     strings.Replace(src, `{"format"`, `{"extra":1,"format"`, 1),
		"no offers":         strings.Replace(src, `"offers":`, `"offerz":`, 1),
		"null acks":         src[:strings.Index(src, `"acks":`)] + `"acks":null,` + src[strings.Index(src, `"parties":`):],
		"empty pools":       src[:strings.Index(src, `"pools":`)] + `"pools":[],` + src[strings.Index(src, `"offers":`):],
		"trailing newline":  src + "\n",
		"trailing bundle":   src + src,
		"a space":           strings.Replace(src, `,"job"`, `, "job"`, 1),
		"key in other case": strings.Replace(src, `"format"`, `"Format"`, 1),
		"duplicate key":     strings.Replace(src, `{"format":"cordon-receipt-bundle/1"`, `{"format":"cordon-receipt-bundle/1","format":"cordon-receipt-bundle/1"`, 1),
		"cut short":         src[:len(src)/2],
	} {
		if bad == src {
			t.Fatalf("%s: the test changes nothing", name)
		}
		if b, err := receipt.Decode([]byte(bad)); b != nil || !errors.Is(err, receipt.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncodeRefusesNilLists(t *testing.T) {
	b := *receipttest.New(t, receipttest.Edit{}).Bundle
	b.Acks = nil
	if out, err := b.Encode(); out != nil || !errors.Is(err, receipt.ErrMalformed) {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
}

// TestEveryByteMatters flips one bit in each byte of a bundle, a different one
// from byte to byte. base64 letters of payloads and signatures, keys, structure:
// nothing can change unnoticed.
func TestEveryByteMatters(t *testing.T) {
	e := fixedBodies()
	e.Bundle = func(b *receipt.Bundle) { b.Parties = []statement.Envelope{} } // long, all alike, and tested below
	a := receipttest.New(t, e)
	opt := a.Options()
	if _, err := receipt.Verify(context.Background(), a.Bytes, opt); err != nil {
		t.Fatal(err)
	}
	step := 1
	if testing.Short() {
		step = 17
	}
	const parts = 8
	for part := range parts {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			changed := bytes.Clone(a.Bytes)
			for i := part * step; i < len(changed); i += parts * step {
				changed[i] ^= 1 << (i % 7)
				if r, err := receipt.Verify(context.Background(), changed, opt); r != nil || err == nil {
					t.Fatalf("byte %d of %d changed from %q to %q still verifies", i, len(changed), a.Bytes[i], changed[i])
				}
				changed[i] = a.Bytes[i]
			}
		})
	}
}

func TestEveryByteOfAPartyMatters(t *testing.T) {
	a := receipttest.New(t, fixedBodies())
	start := bytes.Index(a.Bytes, []byte(`"parties":`))
	end := start + len(a.Bytes[start:])/len(a.Bundle.Parties)
	for i := start; i < end; i++ {
		changed := bytes.Clone(a.Bytes)
		changed[i] ^= 1 << (i % 7)
		if r, err := receipt.Verify(context.Background(), changed, a.Options()); r != nil || err == nil {
			t.Fatalf("byte %d changed from %q to %q still verifies", i, a.Bytes[i], changed[i])
		}
	}
}

func FuzzBundle(f *testing.F) {
	a := receipttest.New(f, receipttest.Edit{})
	opt := a.Options()
	f.Add(a.Bytes)
	f.Add(receipttest.NewFailed(f, receipttest.Edit{}, "clamp").Bytes)
	f.Add([]byte(`{"format":"cordon-receipt-bundle/1"}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		b, err := receipt.Decode(src)
		if err != nil {
			if b != nil {
				t.Fatal("refused, but something came back")
			}
			return
		}
		again, err := b.Encode()
		if err != nil || !bytes.Equal(again, src) {
			t.Fatalf("accepted bytes encode differently: %v", err)
		}
		r, err := receipt.Verify(context.Background(), src, opt)
		if (r == nil) == (err == nil) {
			t.Fatal("either a report or an error")
		}
		if err == nil && r.Contract.Requester != a.Requester.Fingerprint() {
			t.Fatal("an account verified that nobody pinned signed")
		}
	})
}

func TestWriteTextGolden(t *testing.T) {
	for name, a := range map[string]*receipttest.Account{
		"result": receipttest.New(t, fixedBodies()),
		"failed": receipttest.NewFailed(t, fixedBodies(), "clamp"),
	} {
		r, err := verify(a)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := r.WriteText(&out); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", out.Bytes())
		for _, want := range []string{"SIMULATED", "by the enclave", "187.331ms", "at most, by bravo", "390ms", "WHO ANSWERS FOR WHICH LAYER", "machine"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in the text", name, want)
			}
		}
	}
}

// fixedBodies makes an account the same each time: HPKE alone is random in it.
func fixedBodies() receipttest.Edit {
	return receipttest.Edit{Job: func(j *statement.Job) { j.Bodies = bodiesFor(j.Brokers()) }}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the golden file; -update writes it anew\n%s", name, got)
	}
}

// TestTextCantBeForged prints a perimeter as an attacker would like it to look.
func TestTextCantBeForged(t *testing.T) {
	p := statement.Perimeter{Kind: "simulated", Simulated: true, Form: "x\n\x1b[2K\rperimeter  genuine\u202e"}
	if got := receipt.PerimeterText(p); strings.ContainsAny(got, "\n\r\x1b\u202e") || !strings.HasPrefix(got, "SIMULATED") {
		t.Fatalf("%q", got)
	}
}
