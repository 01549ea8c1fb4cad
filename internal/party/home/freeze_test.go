package home

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
)

func TestFreeze(t *testing.T) {
	d, err := Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := d.Freeze(); err != nil || f.Frozen {
		t.Fatalf("a new home: %+v %v", f, err)
	}
	at := time.UnixMilli(1700000000000)
	if err := d.SetFreeze("advisory INTEL-SA-00615", at); err != nil {
		t.Fatal(err)
	}
	again := Dir{path: d.path} // as after a restart
	if f, err := again.Freeze(); err != nil || !f.Frozen || f.Reason != "advisory INTEL-SA-00615" || f.AtMS != at.UnixMilli() {
		t.Fatalf("%+v %v", f, err)
	}
	if _, err := Create(d.path); err != nil { // init that is run again
		t.Fatal(err)
	}
	if f, err := d.Freeze(); err != nil || !f.Frozen {
		t.Fatalf("making the home again lifted the freeze: %+v %v", f, err)
	}
	if err := d.SetFreeze("", at); err != nil {
		t.Fatal(err)
	}
	if f, err := d.Freeze(); err != nil || f.Frozen {
		t.Fatalf("%+v %v", f, err)
	}
	for _, reason := range []string{strings.Repeat("x", MaxReason+1), "\xff"} {
		if err := d.SetFreeze(reason, at); fault.ExitCode(err) != int(fault.Usage) {
			t.Errorf("%.10q: %v", reason, err)
		}
	}
}

// exactly is a mark of so many bytes.
func exactly(n int) string {
	const before, after = `{"format":"cordon-freeze/1","frozen":true,"reason":"`, `","at_ms":1}`
	return before + strings.Repeat("x", n-len(before)-len(after)) + after
}

// TestFreezeUnreadable: what can't be read is never "not frozen".
func TestFreezeUnreadable(t *testing.T) {
	d, err := Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]string{
		"empty":                             "",
		"cut":                               `{"format":"cordon-freeze/1","frozen":fal`,
		"another format":                    `{"format":"cordon-freeze/2","frozen":false,"at_ms":1}`,
		"unknown field":                     `{"format":"cordon-freeze/1","frozen":false,"at_ms":1,"x":1}`,
		"no verdict":                        `{"format":"cordon-freeze/1","at_ms":1}`,
		"frozen without reason":             `{"format":"cordon-freeze/1","frozen":true,"at_ms":1}`,
		"a reason, yet unfrozen":            `{"format":"cordon-freeze/1","frozen":false,"reason":"x","at_ms":1}`,
		"something behind":                  `{"format":"cordon-freeze/1","frozen":false,"at_ms":1}{}`,
		"too large":                         `{"format":"cordon-freeze/1","frozen":true,"reason":"` + strings.Repeat("x", maxFreeze) + `","at_ms":1}`,
		"as much as is looked at, and more": exactly(maxFreeze+1) + "{}",
	} {
		if err := os.WriteFile(d.freezeFile(), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := d.Freeze(); err == nil || f.Frozen {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if err := os.Remove(d.freezeFile()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Freeze(); err == nil {
		t.Error("a missing mark is no freeze")
	}
}
