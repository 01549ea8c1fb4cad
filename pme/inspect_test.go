package pme_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/pme"
)

func inspect(t *testing.T, b []byte) *pme.Inspection {
	t.Helper()
	in, err := pme.Inspect(pme.Bytes(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestInspectSealed: a sealed file shows sizes and that it is sealed, and nothing else.
func TestInspectSealed(t *testing.T) {
	s := smallSealed(t)
	in := inspect(t, s.file)
	if in.Footer != "encrypted" || in.Algorithm != "AES_GCM_V1" || in.AADPrefix != "supplied" || in.StoredAADPrefix != "" ||
		in.FooterKeyMetadata != "footer" || len(in.FileIdentifier) != 32 || in.Contents != nil || in.Size != int64(len(s.file)) {
		t.Errorf("%+v", in)
	}
	if n := len(modulesOf(t, s.file)); in.Modules == nil || in.Modules.Count != int64(n) {
		t.Errorf("%+v, want %d", in.Modules, n)
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{string(s.prefix), "INT64", "column"} {
		if strings.Contains(string(text), word) {
			t.Errorf("inspection tells %q", word)
		}
	}
}

func TestInspectApache(t *testing.T) {
	for name, want := range map[string]pme.Inspection{
		"encrypt_columns_and_footer":                     {Footer: "encrypted", Algorithm: "AES_GCM_V1", AADPrefix: "none"},
		"encrypt_columns_and_footer_aad":                 {Footer: "encrypted", Algorithm: "AES_GCM_V1", AADPrefix: "stored", StoredAADPrefix: "tester"},
		"encrypt_columns_and_footer_ctr":                 {Footer: "encrypted", Algorithm: "AES_GCM_CTR_V1", AADPrefix: "none"},
		"encrypt_columns_and_footer_disable_aad_storage": {Footer: "encrypted", Algorithm: "AES_GCM_V1", AADPrefix: "supplied"},
		"encrypt_columns_plaintext_footer":               {Footer: "signed", Algorithm: "AES_GCM_V1", AADPrefix: "none"},
		"uniform_encryption":                             {Footer: "encrypted", Algorithm: "AES_GCM_V1", AADPrefix: "none"},
	} {
		in := inspect(t, apacheFile(t, name))
		if in.Footer != want.Footer || in.Algorithm != want.Algorithm || in.AADPrefix != want.AADPrefix ||
			in.StoredAADPrefix != want.StoredAADPrefix || in.FooterKeyMetadata != "kf" {
			t.Errorf("%s: %+v", name, in)
		}
		if (in.Contents != nil) != (name == "encrypt_columns_plaintext_footer") || (in.Modules != nil) != (name == "uniform_encryption") {
			t.Errorf("%s: contents %v, modules %v", name, in.Contents, in.Modules)
		}
	}
}

func TestInspectContents(t *testing.T) {
	c := inspect(t, apacheFile(t, "encrypt_columns_plaintext_footer")).Contents
	if c.Rows != 50 || c.RowGroups != 1 || len(c.Columns) != 8 {
		t.Fatalf("%+v", c)
	}
	for _, col := range c.Columns {
		keyed := col.Path == "double_field" || col.Path == "float_field"
		want := map[bool]string{true: "column key", false: "none"}[keyed]
		if col.Protection != want || (col.KeyMetadata != "") != keyed || keyed && col.Statistics || col.Bytes == 0 {
			t.Errorf("%+v", col)
		}
	}
}

// TestInspectPlain: a file without encryption shows everything.
func TestInspectPlain(t *testing.T) {
	s := sealSample(t, 30)
	in := inspect(t, s.plain)
	if in.Footer != "plain" || in.Algorithm != "" || in.AADPrefix != "" || len(in.Contents.Columns) != 16 || !in.Contents.Columns[0].Statistics {
		t.Errorf("%+v %+v", in, in.Contents)
	}
	_, err := openAll(s.plain, s.options())
	if !errors.Is(err, pme.ErrNotEncrypted) {
		t.Errorf("open: %v", err)
	}
}
