package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

const recorded = "../../evidence/testdata"

// TestRecorded replays every collection in the tree: a kind without a verifier fails.
func TestRecorded(t *testing.T) {
	var out bytes.Buffer
	if err := run(options{folder: recorded}, kinds(), &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func copied(t *testing.T, kind string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{kind, "roots"} {
		if err := os.CopyFS(filepath.Join(dir, sub), os.DirFS(filepath.Join(recorded, sub))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// edit changes the list of cases.
func edit(t *testing.T, dir, kind string, f func(list []map[string]any)) {
	t.Helper()
	name := filepath.Join(dir, kind, cases.FileName)
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(src, &list); err != nil {
		t.Fatal(err)
	}
	f(list)
	if src, err = json.Marshal(list); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, src, 0o600); err != nil {
		t.Fatal(err)
	}
}

func find1(list []map[string]any, id string) map[string]any {
	for _, c := range list {
		if c["id"] == id {
			return c
		}
	}
	panic("no case " + id)
}

// A demand that is not met fails the case, whichever it is.
func TestFailures(t *testing.T) {
	const accepted, refused = "near-gas/2025-09-08", "trustee-debug/2025-10-01"
	for _, x := range []struct {
		name, id string
		edit     func(c map[string]any)
		want     string // in the line of the failure, "" passes
	}{
		{"as recorded", accepted, func(c map[string]any) {}, ""},
		{"verdict", refused, func(c map[string]any) { c["expect"] = "accept"; delete(c, "reject_stage") }, "rejected: debug"},
		{"other verdict", accepted, func(c map[string]any) { c["expect"], c["reject_stage"] = "reject", "tcb-status" }, "accepted, not rejected at tcb-status"},
		{"stage", refused, func(c map[string]any) { c["reject_stage"] = "revoked" }, "not rejected at revoked"},
		{"a later stage", refused, func(c map[string]any) { c["reject_stage"] = "tcb-status" }, ""},
		{"field", accepted, func(c map[string]any) { c["fields"].(map[string]any)["pce_svn"] = 12 }, "field pce_svn is 13, want 12"},
		{"field of another type", accepted, func(c map[string]any) { c["fields"].(map[string]any)["pce_svn"] = "13" }, "field pce_svn is 13, want 13"},
		{"field nobody knows", accepted, func(c map[string]any) { c["fields"].(map[string]any)["x"] = nil }, "field x not extracted"},
		{"tcb", accepted, func(c map[string]any) { c["tcb"].(map[string]any)["advisories"] = 1 }, "tcb advisories is 0, want 1"},
		{"tcb of a refused one", refused, func(c map[string]any) { c["tcb"].(map[string]any)["platform"] = "UpToDate" }, "tcb platform is OutOfDate, want UpToDate"},
		{"debug", accepted, func(c map[string]any) { c["debug"] = true }, "debug is not true"},
		{"another root", accepted, func(c map[string]any) { c["root"] = "cases.json" }, "no trust anchor"},
		{"no root", accepted, func(c map[string]any) { delete(c, "root") }, "rejected"},
		{"file that is not there", accepted, func(c map[string]any) { c["file"] = "x" }, "rejected"},
		{"absolute path", accepted, func(c map[string]any) { c["file"] = "/dev/null" }, "absolute path"},
		{"demand nobody knows", accepted, func(c map[string]any) { c["require"] = map[string]any{"colour": "blue"} }, `demand "colour"`},
		{"debug allowed", "trustee-debug/2023-06-28", func(c map[string]any) {
			c["expect"], c["require"] = "accept", map[string]any{"allow_debug": true}
			delete(c, "reject_stage")
		}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := copied(t, "tdx")
			edit(t, dir, "tdx", func(list []map[string]any) { x.edit(find1(list, x.id)) })
			var out bytes.Buffer
			err := run(options{folder: dir}, kinds(), &out)
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			switch last := lines[len(lines)-1]; {
			case x.want == "":
				if err != nil || len(lines) != 1 || last != "34 passed, 0 failed" {
					t.Errorf("%v\n%s", err, out.String())
				}
			case !errors.Is(err, errFailed) || len(lines) != 2 || last != "33 passed, 1 failed" || !strings.HasPrefix(lines[0], "FAILED tdx/"+x.id+" (expected ") || !strings.Contains(lines[0], x.want):
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

func TestKinds(t *testing.T) {
	dir := copied(t, "sgx")
	if err := os.Rename(filepath.Join(dir, "sgx"), filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(options{folder: dir}, kinds(), &out); !errors.Is(err, errFailed) || !strings.Contains(out.String(), "no verifier for evidence of kind other") || !strings.HasSuffix(out.String(), "\n0 passed, 26 failed\n") {
		t.Errorf("a kind without verifier: %v\n%s", err, out.String())
	}
	out.Reset()
	if err := run(options{folder: filepath.Join(dir, "other"), kind: "sgx"}, kinds(), &out); err != nil || out.String() != "26 passed, 0 failed\n" {
		t.Errorf("one folder, its kind said: %v\n%s", err, out.String())
	}
	out.Reset()
	if err := run(options{folder: filepath.Join(recorded, "sgx"), json: true}, kinds(), &out); err != nil {
		t.Error(err)
	}
	var got struct {
		Passed, Failed int
		Verdicts       []verdict
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Passed != 26 || got.Failed != 0 || len(got.Verdicts) != 26 {
		t.Errorf("%v: %+v", err, got)
	}
	for _, o := range []options{{folder: filepath.Join(dir, "roots")}, {folder: filepath.Join(dir, "nothing")}, {folder: dir, kind: "sgx"}} {
		if err := run(o, kinds(), io.Discard); err == nil || errors.Is(err, errFailed) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestStrictCases(t *testing.T) {
	const good = `{"id": "a", "file": "f", "at": "2026-01-01T00:00:00Z", "expect": "accept"}`
	for src, ok := range map[string]bool{
		`[` + good + `]`:              true,
		`[]`:                          false,
		`{}`:                          false,
		`[` + good + `] []`:           false,
		`[` + good + `,` + good + `]`: false,
		`[null]`:                      false,
		`[` + strings.Replace(good, `"id"`, `"name"`, 1) + `]`:                                              false,
		`[` + strings.Replace(good, `accept`, `maybe`, 1) + `]`:                                             false,
		`[` + strings.Replace(good, `"expect"`, `"reject_stage": "parse", "expect"`, 1) + `]`:               false,
		`[` + strings.Replace(good, `2026-01-01T00:00:00Z`, `yesterday`, 1) + `]`:                           false,
		`[` + strings.Replace(good, `"2026-01-01T00:00:00Z"`, `"2026-01-01T00:00:00Z", "more": 1`, 1) + `]`: false,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, cases.FileName), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cases.Load(dir); (err == nil) != ok {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, x := range []struct {
		args []string
		ok   bool
	}{
		{[]string{"a"}, true}, {[]string{"-v", "a"}, true}, {[]string{"a", "-v"}, true}, {[]string{"a", "--json"}, true},
		{nil, false}, {[]string{"a", "b"}, false}, {[]string{"-x", "a"}, false},
	} {
		o, err := parse(x.args, io.Discard)
		if (err == nil) != x.ok || x.ok && o.folder != "a" {
			t.Errorf("%v: %v", x.args, err)
		}
	}
	var out bytes.Buffer
	if _, err := parse([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "go run ./tools/evidence evidence/testdata") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
