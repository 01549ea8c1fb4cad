package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/pme"
)

// TestParquetScripts runs testdata/parquet-*.txtar: one file for each verb.
func TestParquetScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/parquet-*.txtar")
	if err != nil || len(scripts) < 3 {
		t.Fatal("no scripts")
	}
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Setup: func(env *testscript.Env) error { return copyParquetFiles(env.WorkDir) },
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"cordon": runParquetScriptCommand,
			"exit":   checkExit,
			"flip":   flipByte,
			"mode":   checkMode,
		},
	})
}

// copyParquetFiles puts the files of other implementations where scripts find them, under shorter names.
func copyParquetFiles(dir string) error {
	files, err := filepath.Glob("../../pme/testdata/*.parquet.encrypted")
	if err != nil || len(files) == 0 {
		return errors.New("no files")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(filepath.Base(f), ".encrypted")), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// runParquetScriptCommand runs cordon parquet in this process, as the root command would.
func runParquetScriptCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || args[0] != "parquet" {
		ts.Fatalf("cordon parquet ... only")
	}
	cmd := NewParquetCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	for i, a := range args {
		if i > 1 && !strings.HasPrefix(a, "-") && (strings.Contains(a, ".parquet") || strings.HasSuffix(a, ".json") || strings.Contains(a, "/")) {
			args[i] = ts.MkAbs(a)
		}
	}
	cmd.SetArgs(args[1:])
	cmd.SetOut(ts.Stdout())
	cmd.SetErr(ts.Stderr())
	err := cmd.Execute()
	ts.Setenv("exit", strconv.Itoa(fault.ExitCode(err)))
	if err != nil {
		fmt.Fprintf(ts.Stderr(), "error: %v\nhint: %s\n", err, fault.Hint(err))
	}
	if neg == (err == nil) {
		ts.Fatalf("error is %v", err)
	}
}

// checkExit compares the exit code of the last command.
func checkExit(ts *testscript.TestScript, _ bool, args []string) {
	if got := ts.Getenv("exit"); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// flipByte changes one bit of a file: flip FILE OFFSET, from the end where negative.
func flipByte(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(path, b, 0o600))
}

// checkMode compares a file's permissions.
func checkMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != args[1] {
		ts.Fatalf("mode is %s", got)
	}
}

// TestParquetKeysStrict: one thing wrong per case, and no error tells a key.
func TestParquetKeysStrict(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("0123456789012345"))
	good := `{"footer":"` + key + `","columns":{"a.b":"` + key + `"},"aad_prefix":"p"}`
	k, err := parseParquetKeys([]byte(good))
	if err != nil || string(k.keys.Columns["a.b"]) != "0123456789012345" || string(k.aadPrefix) != "p" {
		t.Fatal(k, err)
	}
	for name, src := range map[string]string{
		"nothing":               ``,
		"array":                 `[]`,
		"null":                  `null`,
		"empty object":          `{}`,
		"no footer":             `{"columns":{"a":"` + key + `"}}`,
		"footer null":           `{"footer":null}`,
		"footer number":         `{"footer":16}`,
		"unknown member":        strings.Replace(good, `"aad_prefix"`, `"aad"`, 1),
		"other case":            strings.Replace(good, `"footer"`, `"Footer"`, 1),
		"footer twice":          `{"footer":"` + key + `","footer":"` + key + `"}`,
		"column twice":          `{"footer":"` + key + `","columns":{"a":"` + key + `","a":"` + key + `"}}`,
		"column twice, escaped": `{"footer":"` + key + `","columns":{"a":"` + key + `","\u0061":"` + key + `"}}`,
		"columns null":          `{"footer":"` + key + `","columns":null}`,
		"columns list":          `{"footer":"` + key + `","columns":["` + key + `"]}`,
		"column nested":         `{"footer":"` + key + `","columns":{"a":{"b":"` + key + `"}}}`,
		"short key":             `{"footer":"` + base64.StdEncoding.EncodeToString([]byte("short")) + `"}`,
		"long key":              `{"footer":"` + base64.StdEncoding.EncodeToString(make([]byte, 33)) + `"}`,
		"not base64":            `{"footer":"!!!!"}`,
		"base64 with a break":   `{"footer":"MDEyMzQ1Njc4\nOTAxMjM0NQ=="}`,
		"base64 of other bits":  `{"footer":"MDEyMzQ1Njc4OTAxMjM0NR=="}`,
		"base64 for URLs":       `{"footer":"__________________8"}`,
		"unpadded base64":       `{"footer":"MDEyMzQ1Njc4OTAxMjM0NQ"}`,
		"empty prefix":          `{"footer":"` + key + `","aad_prefix":""}`,
		"prefix null":           `{"footer":"` + key + `","aad_prefix":null}`,
		"prefix no UTF-8":       `{"footer":"` + key + "\",\"aad_prefix\":\"\xff\"}",
		"prefix half a pair":    `{"footer":"` + key + `","aad_prefix":"\ud800"}`,
		"bytes behind":          good + `{}`,
		"cut":                   good[:len(good)-1],
	} {
		k, err := parseParquetKeys([]byte(src))
		if err == nil || k != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: error tells the key", name)
		}
	}
}

// FuzzParquetKeysJSON: what is accepted is written and read again as the same keys; what is refused gives nothing.
func FuzzParquetKeysJSON(f *testing.F) {
	f.Add([]byte(`{"footer":"MDEyMzQ1Njc4OTAxMjM0NQ==","columns":{"a.b":"MDEyMzQ1Njc4OTAxMjM0NQ=="},"aad_prefix":"p"}`))
	f.Add([]byte(`{"footer":"MDEyMzQ1Njc4OTAxMjM0NQ=="}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		k, err := parseParquetKeys(src)
		if err != nil {
			if k != nil {
				t.Fatal("keys with an error")
			}
			return
		}
		path := filepath.Join(t.TempDir(), "keys.json")
		if k.aadPrefix == nil {
			k.aadPrefix = []byte("p")
		}
		if err := k.write(path); err != nil {
			t.Fatal(err)
		}
		back, err := readParquetKeys(path)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := json.Marshal(k.keys.Columns)
		y, _ := json.Marshal(back.keys.Columns)
		if len(k.keys.Columns) > 0 && !bytes.Equal(x, y) || !bytes.Equal(k.keys.Footer, back.keys.Footer) || !bytes.Equal(k.aadPrefix, back.aadPrefix) {
			t.Fatal("other keys")
		}
	})
}

// TestWriteWhole: after a failure there is neither the file nor a rest of it, and an older one is untouched.
func TestWriteWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.parquet")
	broken := errors.New("broken")
	write := func(text string, err error) error {
		return writeWhole(path, func(f *os.File) error {
			if _, err := f.WriteString(text); err != nil {
				return err
			}
			return err
		})
	}
	check := func(want string) {
		t.Helper()
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if want == "" && (err == nil || len(entries) != 0) || want != "" && (string(b) != want || len(entries) != 1) {
			t.Errorf("%q in %v", b, entries)
		}
	}
	if err := write("new", broken); !errors.Is(err, broken) {
		t.Error(err)
	}
	check("")
	if err := write("first", nil); err != nil {
		t.Error(err)
	}
	check("first")
	if err := write("second", broken); !errors.Is(err, broken) {
		t.Error(err)
	}
	check("first")
	if err := write("second", nil); err != nil {
		t.Error(err)
	}
	check("second")
}

// TestWriteThrough: what is there and is no file stays what it is.
func TestWriteThrough(t *testing.T) {
	path := filepath.Join(t.TempDir(), "null")
	need.That(t, os.Symlink(os.DevNull, path) == nil, "no links here")
	if err := writeWhole(path, func(f *os.File) error { _, err := f.WriteString("x"); return err }); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		t.Errorf("a file is in its place: %v", err)
	}
	err := writeWhole(filepath.Dir(path), func(*os.File) error { return nil })
	if fault.ExitCode(err) != int(fault.LocalStorage) || fault.Hint(err) == "" {
		t.Errorf("a folder: %v", err)
	}
}

// TestParquetFaults: every sentinel has its exit code and a hint, also when wrapped.
func TestParquetFaults(t *testing.T) {
	for err, want := range map[error]fault.Code{
		pme.ErrNotEncrypted: fault.Input, pme.ErrAlreadyEncrypted: fault.Input, pme.ErrTampered: fault.Untrusted,
		pme.ErrAADPrefix: fault.Untrusted, pme.ErrMissingKey: fault.NoKey, pme.ErrKey: fault.Input,
		pme.ErrUnauthenticated: fault.Untrusted, pme.ErrMalformed: fault.Input, pme.ErrUnsupported: fault.Input,
		pme.ErrColumns: fault.Usage, pme.ErrOptions: fault.Usage, pme.ErrRead: fault.Input, pme.ErrWrite: fault.LocalStorage,
	} {
		got := parquetFault("can't", &pme.ColumnError{Column: "a", Err: err})
		if fault.ExitCode(got) != int(want) || fault.Hint(got) == "" || !errors.Is(got, err) {
			t.Errorf("%v: code %d, hint %q", err, fault.ExitCode(got), fault.Hint(got))
		}
	}
}
