package result

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SuppressedText is how the forms for people show a suppressed cell.
const SuppressedText = "suppressed"

// WriteText writes the table for a terminal: numbers to the right, NULL as NULL, control characters escaped, then what was
// suppressed and the notes.
func (t *Table) WriteText(w io.Writer) error {
	if err := t.valid(); err != nil {
		return err
	}
	cells, widths := t.layout()
	out := bufio.NewWriter(w)
	t.writeLine(out, cells[0], widths)
	rule := make([]string, len(widths))
	for i, n := range widths {
		rule[i] = strings.Repeat("-", n)
	}
	t.writeLine(out, rule, widths)
	for _, row := range cells[1:] {
		t.writeLine(out, row, widths)
	}
	if t.Suppressed > 0 {
		fmt.Fprintf(out, "suppressed cells: at most %d\n", t.Suppressed)
	}
	for _, n := range t.Notes {
		fmt.Fprintf(out, "note: %s\n", printable(n))
	}
	return out.Flush()
}

func (t *Table) layout() (cells [][]string, widths []int) {
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = printable(c.Name)
	}
	cells = append(cells, header)
	for _, row := range t.Rows {
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = v.forPeople()
		}
		cells = append(cells, line)
	}
	widths = make([]int, len(t.Columns))
	for _, line := range cells {
		for i, s := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
		}
	}
	return cells, widths
}

func (t *Table) writeLine(w io.Writer, line []string, widths []int) {
	var b strings.Builder
	for i, s := range line {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(s))
		if t.Columns[i].Type.Numeric() {
			s = pad + s
		} else {
			s += pad
		}
		b.WriteString(s)
	}
	fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
}

func (v Value) forPeople() string {
	switch v.state {
	case present:
		return printable(v.text)
	case null:
		return "NULL"
	}
	return SuppressedText
}

// printable keeps data from moving the cursor or colouring the terminal.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u{%x}", r)
		}
	}
	return b.String()
}

// WriteCSV writes RFC 4180 with a header. Text is always quoted, so that the bare words of a NULL (nothing) and of a
// suppressed cell (suppressed) cannot be text.
func (t *Table) WriteCSV(w io.Writer) error {
	if err := t.valid(); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoteCSV(c.Name)
	}
	fmt.Fprintf(out, "%s\r\n", strings.Join(names, ","))
	for _, row := range t.Rows {
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = v.csv(t.Columns[i].Type)
		}
		fmt.Fprintf(out, "%s\r\n", strings.Join(line, ","))
	}
	return out.Flush()
}

func (v Value) csv(t Type) string {
	switch {
	case v.state == suppressed:
		return SuppressedText
	case v.state == null:
		return ""
	case t == "varchar":
		return quoteCSV(v.text)
	}
	return v.text
}

func quoteCSV(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// WriteJSON writes the table for programs that read JSON: numbers as numbers, rows as objects, a suppressed cell as
// {"suppressed":true}. It is for reading only; the encoding that is signed for is Encode's.
func (t *Table) WriteJSON(w io.Writer) error {
	if err := t.valid(); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	columns := make([]wireColumn, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = wireColumn(c)
	}
	head, err := marshal(columns)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "{\"columns\":%s,\n\"rows\":[", head)
	for i, row := range t.Rows {
		if i > 0 {
			out.WriteByte(',')
		}
		object, err := t.jsonObject(row)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s", object)
	}
	notes, err := marshal(append([]string{}, t.Notes...))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "],\n\"suppressed\":%d,\"notes\":%s}\n", t.Suppressed, notes)
	return out.Flush()
}

func (t *Table) jsonObject(row []Value) (string, error) {
	fields := make([]string, len(row))
	for i, v := range row {
		name, err := marshal(t.Columns[i].Name)
		if err != nil {
			return "", err
		}
		value, err := v.MarshalJSON()
		if err != nil {
			return "", err
		}
		if v.state == present && (t.Columns[i].Type.Numeric() || t.Columns[i].Type == "boolean") {
			value = []byte(v.text)
		}
		fields[i] = string(name) + ":" + string(value)
	}
	return "{" + strings.Join(fields, ",") + "}", nil
}
