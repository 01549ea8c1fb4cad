package tabular

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

func TestInference(t *testing.T) {
	cases := []struct {
		name   string
		values []string // "" is NULL
		want   policy.Type
	}{
		{"nothing", nil, "varchar"},
		{"only NULL", []string{"", ""}, "varchar"},
		{"integers", []string{"1", "-20", "", "0"}, "int64"},
		{"decimals", []string{"1", "2.5", "-3.125"}, "decimal(18,3)"},
		{"too wide for a decimal", []string{"1234567890123456.5", "0.125"}, "double"},
		{"scientific", []string{"1e5", "2"}, "double"},
		{"codes with leading zeros", []string{"00714", "12"}, "varchar"},
		{"booleans", []string{"true", "false"}, "boolean"},
		{"numbers are no booleans", []string{"0", "1"}, "int64"},
		{"dates", []string{"2026-01-31", "1999-12-01"}, "date"},
		{"a day that is none", []string{"2026-02-30"}, "varchar"},
		{"timestamps", []string{"2026-01-31 10:00:00", "2026-01-31T10:00:00.5Z"}, "timestamp"},
		{"a date among timestamps", []string{"2026-01-31 10:00:00", "2026-01-31"}, "varchar"},
		{"not finite", []string{"1.5", "NaN"}, "varchar"},
		{"infinite", []string{"1e999"}, "varchar"},
		{"hexadecimal", []string{"0x10"}, "varchar"},
		{"thousands", []string{"1,000"}, "varchar"},
		{"spaces", []string{" 1"}, "varchar"},
		{"integer past 18 digits", []string{"9223372036854775807"}, "double"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var f Inference
			for _, v := range c.values {
				f.Add(Cell{Null: v == "", Text: v})
			}
			if got := f.Type(); got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParseDecimal(t *testing.T) {
	cases := []struct {
		text             string
		precision, scale int
		want             int64
		err              error
	}{
		{"12.5", 18, 2, 1250, nil}, {"-0.01", 18, 2, -1, nil}, {"-0", 18, 2, 0, nil}, {"0007", 18, 0, 7, nil}, {"1.500", 18, 1, 15, nil},
		{"999999999999999999", 18, 0, 999999999999999999, nil}, {"1000000000000000000", 18, 0, 0, ErrOverflow},
		{"9223372036854775807", 19, 0, 9223372036854775807, nil}, {"9223372036854775808", 19, 0, 0, ErrOverflow},
		{"-9223372036854775808", 19, 0, -9223372036854775808, nil},
		{"1.23", 18, 1, 0, ErrInexact}, {"1.", 18, 1, 0, ErrNumber}, {".5", 18, 1, 0, ErrNumber}, {"1e3", 18, 1, 0, ErrNumber},
		{"--1", 18, 1, 0, ErrNumber}, {"+1", 18, 1, 0, ErrNumber}, {"", 18, 1, 0, ErrNumber}, {"-", 18, 1, 0, ErrNumber}, {"1.2.3", 18, 1, 0, ErrNumber},
		{"٣", 18, 0, 0, ErrNumber},
	}
	for _, c := range cases {
		got, err := ParseDecimal(c.text, c.precision, c.scale)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %d, %v", c.text, got, err)
		}
	}
}

func TestParseTimes(t *testing.T) {
	if d, err := ParseDate("1969-12-31"); err != nil || d != -1 {
		t.Errorf("day before the epoch: %d %v", d, err)
	}
	if ts, err := ParseTimestamp("1970-01-01 00:00:00.000001"); err != nil || ts != 1 {
		t.Errorf("%d %v", ts, err)
	}
	if _, err := ParseTimestamp("1970-01-01 00:00:00.0000001"); !errors.Is(err, ErrInexact) {
		t.Errorf("finer than microseconds: %v", err)
	}
	for _, bad := range []string{"", "0000-01-01", "2026-13-01", "2026-1-1", "20260101", "2026-01-01 25:00:00"} {
		if _, err := ParseDate(bad); err == nil {
			t.Errorf("date %q", bad)
		}
		if _, err := ParseTimestamp(bad); err == nil {
			t.Errorf("timestamp %q", bad)
		}
	}
}

// FuzzCSV: whatever the bytes, reading ends without a panic, every row has the
// width of the header, and each value fits the type that was inferred for it.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a\n\"x\"\"y\"\n", "a,b\n1\n", "\ufeffa\n1.5\n", "a\ntrue\n", "d\n2026-01-01\n", "a\n1e5\n", "PAR1", "ARROW1\x00\x00", "\xff\xff\xff\xff"} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(dir, "fuzz")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(file)
		if err != nil {
			if r != nil {
				t.Fatal("refused, but returned a reader")
			}
			return
		}
		defer r.Close()
		columns := make([]Inference, len(r.Fields()))
		values := make([][]string, len(columns))
		all := make([]int, len(columns))
		for i := range all {
			all[i] = i
		}
		for {
			batch, err := r.Next(all)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if len(batch.Columns) != len(columns) || batch.Rows == 0 {
				t.Fatal("batch of another width, or without rows")
			}
			for row := range batch.Rows {
				for i := range columns {
					c, err := cell(batch, i, row)
					if err != nil {
						return
					}
					columns[i].Add(c)
					if !c.Null {
						values[i] = append(values[i], c.Text)
					}
				}
			}
		}
		for i := range columns {
			for _, v := range values[i] {
				if err := fits(v, columns[i].Type(), columns[i].scale); err != nil {
					t.Fatalf("inferred %s for %q: %v", columns[i].Type(), v, err)
				}
			}
		}
	})
}

func cell(b *Batch, column, row int) (c Cell, err error) {
	defer b.Guard(&err)
	return b.Cell(column, row)
}

func fits(v string, typ policy.Type, scale int) error {
	var err error
	switch typ {
	case "boolean":
		_, err = ParseBoolean(v)
	case "int64":
		_, err = ParseInt(v)
	case "date":
		_, err = ParseDate(v)
	case "timestamp":
		_, err = ParseTimestamp(v)
	case "double":
		_, err = ParseDouble(v)
	case "varchar":
	default:
		_, err = ParseDecimal(v, 18, scale)
	}
	return err
}
