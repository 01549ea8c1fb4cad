package result

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

func example() *Table {
	return &Table{
		Columns: []Column{{"size", "varchar"}, {"strikes", "int64"}, {"cost", "decimal(38,2)"}, {"mean", "double"}},
		Rows: [][]Value{
			{Of("Large"), Of("1220"), Of("-12340000.00"), Of("10110")},
			{Of("<small> & \"odd\"\n"), Of("15"), Suppressed(), Suppressed()},
			{Null(), Of("0"), Of("0.50"), Of("1e+21")},
		},
		Suppressed: 5,
		Notes:      []string{"counts are rounded to 5"},
	}
}

const exampleJSON = `{"encoding":"result/1","columns":[{"name":"size","type":"varchar"},{"name":"strikes","type":"int64"},{"name":"cost","type":"decimal(38,2)"},{"name":"mean","type":"double"}],` +
	`"rows":[["Large","1220","-12340000.00","10110"],["<small> & \"odd\"\n","15",{"suppressed":true},{"suppressed":true}],[null,"0","0.50","1e+21"]],` +
	`"suppressed":5,"notes":["counts are rounded to 5"]}`

func TestEncode(t *testing.T) {
	b, err := example().Encode()
	if err != nil || string(b) != exampleJSON {
		t.Fatalf("%s %v", b, err)
	}
	again, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if v := again.Rows[1][2]; !v.IsSuppressed() || v.IsNull() {
		t.Error("a suppressed cell became something else")
	}
	if v := again.Rows[2][0]; v.IsSuppressed() || !v.IsNull() {
		t.Error("a NULL became something else")
	}
	if text, ok := again.Rows[0][1].Text(); !ok || text != "1220" {
		t.Errorf("text %q %v", text, ok)
	}
	if _, ok := again.Rows[1][2].Text(); ok {
		t.Error("a suppressed cell has text")
	}
}

func TestZeroValueShowsNothing(t *testing.T) {
	if !(Value{}).IsSuppressed() {
		t.Error("a cell that nobody filled is not suppressed")
	}
	if _, err := (&Table{}).Encode(); err == nil {
		t.Error("an empty table was encoded")
	}
	if _, err := (*Table)(nil).Encode(); err == nil {
		t.Error("no table was encoded")
	}
}

func TestDecodeRefuses(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(exampleJSON, old) {
			t.Fatalf("no %s in the example", old)
		}
		return strings.Replace(exampleJSON, old, new, 1)
	}
	for name, in := range map[string]string{
		"nothing":               "",
		"null":                  "null",
		"another encoding":      change("result/1", "result/2"),
		"no encoding":           change(`"encoding":"result/1",`, ""),
		"unknown field":         change(`"suppressed":5`, `"more":1,"suppressed":5`),
		"repeated field":        change(`"suppressed":5`, `"suppressed":5,"suppressed":5`),
		"field in capitals":     change(`"suppressed":5`, `"Suppressed":5`),
		"other order":           change(`"suppressed":5,"notes":["counts are rounded to 5"]`, `"notes":["counts are rounded to 5"],"suppressed":5`),
		"space":                 change(`"suppressed":5`, `"suppressed": 5`),
		"trailing bytes":        exampleJSON + "\n",
		"second table":          exampleJSON + exampleJSON,
		"escape of another way": change("<small>", `\u003csmall>`),
		"bad UTF-8":             change("Large", "\xff"),
		"surrogate":             change("Large", `\ud800`),
		"number as number":      change(`"1220"`, `1220`),
		"leading zero":          change(`"1220"`, `"01220"`),
		"plus":                  change(`"1220"`, `"+1220"`),
		"int64 too large":       change(`"1220"`, `"9223372036854775808"`),
		"minus zero":            change(`"0.50"`, `"-0.00"`),
		"other scale":           change(`"0.50"`, `"0.5"`),
		"no leading zero":       change(`"0.50"`, `".50"`),
		"double of another way": change(`"1e+21"`, `"1e21"`),
		"NaN":                   change(`"1e+21"`, `"NaN"`),
		"infinity":              change(`"1e+21"`, `"+Inf"`),
		"suppressed with more":  change(`{"suppressed":true}`, `{"suppressed":true,"value":"7"}`),
		"suppressed false":      change(`{"suppressed":true}`, `{"suppressed":false}`),
		"short row":             change(`,"10110"]`, `]`),
		"long row":              change(`,"10110"]`, `,"10110","1"]`),
		"unknown type":          change(`"type":"double"`, `"type":"blob"`),
		"decimal too wide":      change(`decimal(38,2)`, `decimal(39,2)`),
		"decimal with space":    change(`decimal(38,2)`, `decimal(38, 2)`),
		"decimal with zero":     change(`decimal(38,2)`, `decimal(038,2)`),
		"same name twice":       change(`"name":"mean"`, `"name":"cost"`),
		"no name":               change(`"name":"mean"`, `"name":""`),
		"negative suppressed":   change(`"suppressed":5`, `"suppressed":-5`),
		"empty note":            change(`["counts are rounded to 5"]`, `[""]`),
		"null notes":            change(`["counts are rounded to 5"]`, `null`),
		"null rows":             `{"encoding":"result/1","columns":[{"name":"a","type":"int64"}],"rows":null,"suppressed":0,"notes":[]}`,
		"no columns":            `{"encoding":"result/1","columns":[],"rows":[],"suppressed":0,"notes":[]}`,
	} {
		if got, err := Decode([]byte(in)); err != ErrTable || got != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Decode([]byte(exampleJSON)); err != nil {
		t.Error("the example itself:", err)
	}
}

func TestCanonical(t *testing.T) {
	for _, tc := range []struct {
		typ       Type
		good, bad []string
	}{
		{"boolean", []string{"true", "false"}, []string{"", "True", "1"}},
		{"int32", []string{"0", "-2147483648", "2147483647"}, []string{"", "-0", "2147483648", "-2147483649", "1_0", "0x1"}},
		{"int64", []string{"-9223372036854775808"}, []string{"-9223372036854775809"}},
		{"hugeint", []string{"170141183460469231731687303715884105727", "-170141183460469231731687303715884105728"}, []string{"170141183460469231731687303715884105728", strings.Repeat("1", 50)}},
		{"decimal(4,2)", []string{"0.00", "-99.99", "10.50"}, []string{"100.00", "1", "1.0", "1.000", "00.10", "-.10", "1.-1", "+1.00", strings.Repeat("1", 50) + ".00"}},
		{"decimal(4,0)", []string{"0", "-1234"}, []string{"12345", "1.", "01"}},
		{"varchar", []string{"", "é", "a\x00b"}, []string{"\xff"}},
		{"date", []string{"2026-02-28", "0001-01-01"}, []string{"2026-02-30", "2026-2-28", "2026-02-28 "}},
		{"timestamp", []string{"2026-02-28T01:02:03.000004"}, []string{"2026-02-28 01:02:03.000004", "2026-02-28T01:02:03", "2026-02-28T01:02:03.0000041", "2026-02-28T01:02:03,000004"}},
		{"double", []string{"0", "1.5", "-2e-07", "1e+300"}, []string{"-0", "1.50", "1e300", "Inf", "0x1p-2", "1e400"}},
		{"blob", nil, []string{"", "a"}},
	} {
		for _, s := range tc.good {
			if !tc.typ.canonical(s) {
				t.Errorf("%s refuses %q", tc.typ, s)
			}
		}
		for _, s := range tc.bad {
			if tc.typ.canonical(s) {
				t.Errorf("%s accepts %q", tc.typ, s)
			}
		}
	}
}

func TestFormatDecimal(t *testing.T) {
	for _, tc := range []struct {
		v     int64
		scale int
		want  string
	}{{0, 0, "0"}, {0, 2, "0.00"}, {5, 2, "0.05"}, {-5, 2, "-0.05"}, {12345, 2, "123.45"}, {-12345, 0, "-12345"}} {
		if got := FormatDecimal(big.NewInt(tc.v), tc.scale); got != tc.want {
			t.Errorf("%d, %d: %s", tc.v, tc.scale, got)
		}
	}
}

func TestLimits(t *testing.T) {
	for name, table := range map[string]*Table{
		"columns": {Columns: make([]Column, MaxColumns+1)},
		"rows":    {Columns: []Column{{"a", "int64"}}, Rows: make([][]Value, MaxRows+1)},
		"text":    {Columns: []Column{{"a", "varchar"}}, Rows: [][]Value{{Of(strings.Repeat("a", MaxText+1))}}},
		"notes":   {Columns: []Column{{"a", "varchar"}}, Notes: make([]string, MaxNotes+1)},
	} {
		if _, err := table.Encode(); err != ErrTable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Decode(make([]byte, MaxBytes+1)); err != ErrTable {
		t.Error(err)
	}
	huge := &Table{Columns: []Column{{"a", "varchar"}}}
	row := []Value{Of(strings.Repeat("a", MaxText))}
	for range MaxBytes/MaxText + 1 {
		huge.Rows = append(huge.Rows, row)
	}
	if _, err := huge.Encode(); err != ErrTable {
		t.Error("a table over MaxBytes was encoded")
	}
}

func TestPad(t *testing.T) {
	for n, want := range map[int]int{0: 4096, 1: 4096, 4088: 4096, 4089: 8192, 8184: 8192, 8185: 16384, 1 << 20: 2 << 20} {
		b := bytes.Repeat([]byte{7}, n)
		padded, err := Pad(b)
		if err != nil || len(padded) != want {
			t.Fatalf("%d bytes become %d, %v", n, len(padded), err)
		}
		if back, err := Unpad(padded); err != nil || !bytes.Equal(back, b) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if b, err := Pad(make([]byte, MaxBytes+1)); err != ErrPadding || b != nil {
		t.Error("too long:", err)
	}
	if b, err := Pad(make([]byte, MaxBytes)); err != nil || len(b) > maxBucket {
		t.Error("the longest:", err)
	}
}

func TestUnpadRefuses(t *testing.T) {
	good, err := Pad([]byte("table"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(i int, c byte) []byte {
		b := bytes.Clone(good)
		b[i] = c
		return b
	}
	big8192, err := Pad(make([]byte, 5000))
	if err != nil {
		t.Fatal(err)
	}
	big8192[6], big8192[7] = 0, 5 // what would fit a smaller bucket
	for name, in := range map[string][]byte{
		"nothing":               nil,
		"short":                 good[:4095],
		"one more":              append(bytes.Clone(good), 0),
		"twice the bucket":      append(bytes.Clone(good), make([]byte, 4096)...),
		"not zero at the end":   with(4095, 1),
		"not zero behind it":    with(8+5, 1),
		"length beyond":         with(0, 1),
		"length past the end":   with(6, 0xff),
		"fits a smaller bucket": big8192,
		"over the largest":      make([]byte, maxBucket+1),
	} {
		if b, err := Unpad(in); err != ErrPadding || b != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestWriteText(t *testing.T) {
	var b strings.Builder
	if err := example().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `size                  strikes          cost        mean
--------------------  -------  ------------  ----------
Large                    1220  -12340000.00       10110
<small> & "odd"\u{a}       15    suppressed  suppressed
NULL                        0          0.50       1e+21
suppressed cells: at most 5
note: counts are rounded to 5
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestWriteTextKeepsTheTerminal(t *testing.T) {
	table := &Table{Columns: []Column{{"a\x1b[2J", "varchar"}}, Rows: [][]Value{{Of("\x1b]0;x\x07\u202e")}}, Notes: []string{"\x1b[1m"}}
	var b strings.Builder
	if err := table.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07\u202e") {
		t.Errorf("%q", b.String())
	}
}

func TestWriteCSV(t *testing.T) {
	table := &Table{Columns: []Column{{`a "b"`, "varchar"}, {"n", "int64"}}, Rows: [][]Value{
		{Of("suppressed"), Suppressed()}, {Of(""), Null()}, {Null(), Of("-1")}, {Suppressed(), Of("0")}, {Of("x,\"y\"\r\n"), Of("5")}}}
	var b strings.Builder
	if err := table.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	want := "\"a \"\"b\"\"\",\"n\"\r\n\"suppressed\",suppressed\r\n\"\",\r\n,-1\r\nsuppressed,0\r\n\"x,\"\"y\"\"\r\n\",5\r\n"
	if b.String() != want {
		t.Errorf("got %q", b.String())
	}
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	if err := example().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rows       []map[string]any
		Suppressed int
		Notes      []string
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	if got.Rows[0]["strikes"] != 1220.0 || got.Rows[2]["size"] != nil || got.Suppressed != 5 || len(got.Notes) != 1 {
		t.Errorf("%s", b.String())
	}
	if s, _ := got.Rows[1]["cost"].(map[string]any); s["suppressed"] != true {
		t.Errorf("%s", b.String())
	}
}

func TestWritersRefuseInvalidTables(t *testing.T) {
	bad := &Table{Columns: []Column{{"n", "int64"}}, Rows: [][]Value{{Of("1,\"=cmd")}}}
	var b bytes.Buffer
	for name, err := range map[string]error{"text": bad.WriteText(&b), "csv": bad.WriteCSV(&b), "json": bad.WriteJSON(&b)} {
		if err != ErrTable || b.Len() != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(exampleJSON))
	f.Add([]byte(`{"encoding":"result/1","columns":[{"name":"a","type":"timestamp"}],"rows":[["2026-01-01T00:00:00.000000"]],"suppressed":0,"notes":[]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		table, err := Decode(in)
		if err != nil {
			if table != nil {
				t.Fatal("refused and gave something")
			}
			return
		}
		if again, err := table.Encode(); err != nil || !bytes.Equal(again, in) {
			t.Fatalf("accepted %q, encodes to %q %v", in, again, err)
		}
	})
}

func FuzzUnpad(f *testing.F) {
	good, err := Pad([]byte(exampleJSON))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := Unpad(in)
		if err != nil {
			if b != nil {
				t.Fatal("refused and gave something")
			}
			return
		}
		if again, err := Pad(b); err != nil || !bytes.Equal(again, in) {
			t.Fatal("another padding was accepted")
		}
	})
}
