package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// TestReceiptVerify: a bundle that verifies, and what a user sees of each that does not. One thing wrong per case.
func TestReceiptVerify(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{})
	var pins strings.Builder
	for _, f := range a.Pins() {
		pins.WriteString(string(f) + " a party\n")
	}
	with := func(change func(*receipt.Bundle)) []byte {
		b, err := receipt.Decode(a.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		src, err := statement.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	unknown := func(b *receipt.Bundle) {
		b.Acks[0].Payload = bytes.Replace(b.Acks[0].Payload, []byte(statement.TypeAck), []byte(strings.Replace(statement.TypeAck, "/ack/", "/nod/", 1)), 1)
	}
	for name, c := range map[string]struct {
		bundle []byte
		pins   string
		exit   int
		text   string
	}{
		"whole":                {a.Bytes, pins.String(), 0, "receipt verified"},
		"empty":                {nil, pins.String(), 3, "not a receipt bundle"},
		"no JSON":              {[]byte("\x00\xff"), pins.String(), 3, "not a receipt bundle"},
		"cut short":            {a.Bytes[:len(a.Bytes)/2], pins.String(), 3, "not a receipt bundle"},
		"something behind":     {append(bytes.Clone(a.Bytes), '\n'), pins.String(), 3, "not a receipt bundle"},
		"too large":            {make([]byte, receipt.MaxBundle+1), pins.String(), 3, "larger than"},
		"a later format":       {bytes.Replace(a.Bytes, []byte(receipt.Format), []byte("cordon-receipt-bundle/2"), 1), pins.String(), 3, "not cordon-receipt-bundle/1"},
		"unsigned statement":   {with(func(b *receipt.Bundle) { b.Contract.Signatures = b.Contract.Signatures[:0] }), pins.String(), 4, "does not verify"},
		"unknown statement":    {with(unknown), pins.String(), 4, "does not verify"},
		"statement of a later": {with(laterContract), pins.String(), 4, "does not verify"},
		"ack missing":          {with(func(b *receipt.Bundle) { b.Acks = b.Acks[1:] }), pins.String(), 4, "does not verify"},
		"party not pinned":     {a.Bytes, string(a.Pins()[0]), 4, "no pin given for cordon1"},
		"no pins":              {a.Bytes, "# nobody\n", 2, "no fingerprints pinned"},
		"pins no fingerprints": {a.Bytes, "\x1b[2Jx", 2, `not a fingerprint: "\x1b[2Jx"`},
		"pins too large":       {a.Bytes, strings.Repeat("#", maxPins+1), 3, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bundle, pinFile := filepath.Join(dir, "bundle"), filepath.Join(dir, "pins")
			for path, b := range map[string][]byte{bundle: c.bundle, pinFile: []byte(c.pins)} {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out, errs bytes.Buffer
			code := Run(t.Context(), []string{"receipt", "verify", bundle, "--pins", pinFile}, &out, &errs)
			if code != c.exit || !strings.Contains(out.String()+errs.String(), c.text) {
				t.Fatalf("exit %d: %s", code, &errs)
			}
			if code != 0 && (out.Len() > 0 || !strings.HasPrefix(errs.String(), "error: ") || !strings.Contains(errs.String(), "\nhint: ")) {
				t.Errorf("printed %q and %q", &out, &errs)
			}
			wantJSONError(t, code, "receipt", "verify", bundle, "--pins", pinFile)
		})
	}
}

func laterContract(b *receipt.Bundle) {
	b.Contract.Payload = bytes.Replace(b.Contract.Payload, []byte("/contract/v1"), []byte("/contract/v2"), 1)
}

// wantJSONError runs the same with --json: the exit code is the same, and an error one line of JSON.
func wantJSONError(t *testing.T, code int, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := Run(t.Context(), append(args, "--json"), &out, &errs); got != code {
		t.Errorf("--json: exit %d, want %d", got, code)
	}
	var said struct {
		Error, Hint string
		Exit        int
	}
	if code != 0 && (json.Unmarshal(errs.Bytes(), &said) != nil || said.Exit != code || said.Error == "" || said.Hint == "" || out.Len() > 0) {
		t.Errorf("--json printed %q and %q", &out, &errs)
	}
	if code == 0 && !json.Valid(out.Bytes()) {
		t.Errorf("no JSON: %q", &out)
	}
}
