package tpch

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed queries
var files embed.FS

// Column is one column of a table, with its type as DuckDB names it.
type Column struct{ Name, Type string }

// Table is one of the eight. No two columns of them have the same name.
type Table struct {
	Name    string
	Columns []Column
}

// Tables of TPC-H, the largest first.
func Tables() []Table {
	return []Table{
		table("lineitem", "l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INTEGER, l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), l_tax DECIMAL(15,2), l_returnflag VARCHAR, l_linestatus VARCHAR, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, l_shipinstruct VARCHAR, l_shipmode VARCHAR, l_comment VARCHAR"),
		table("orders", "o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus VARCHAR, o_totalprice DECIMAL(15,2), o_orderdate DATE, o_orderpriority VARCHAR, o_clerk VARCHAR, o_shippriority INTEGER, o_comment VARCHAR"),
		table("partsupp", "ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INTEGER, ps_supplycost DECIMAL(15,2), ps_comment VARCHAR"),
		table("part", "p_partkey BIGINT, p_name VARCHAR, p_mfgr VARCHAR, p_brand VARCHAR, p_type VARCHAR, p_size INTEGER, p_container VARCHAR, p_retailprice DECIMAL(15,2), p_comment VARCHAR"),
		table("customer", "c_custkey BIGINT, c_name VARCHAR, c_address VARCHAR, c_nationkey BIGINT, c_phone VARCHAR, c_acctbal DECIMAL(15,2), c_mktsegment VARCHAR, c_comment VARCHAR"),
		table("supplier", "s_suppkey BIGINT, s_name VARCHAR, s_address VARCHAR, s_nationkey BIGINT, s_phone VARCHAR, s_acctbal DECIMAL(15,2), s_comment VARCHAR"),
		table("nation", "n_nationkey BIGINT, n_name VARCHAR, n_regionkey BIGINT, n_comment VARCHAR"),
		table("region", "r_regionkey BIGINT, r_name VARCHAR, r_comment VARCHAR"),
	}
}

func table(name, columns string) Table {
	t := Table{Name: name}
	for c := range strings.SplitSeq(columns, ", ") {
		n, typ, _ := strings.Cut(c, " ")
		t.Columns = append(t.Columns, Column{n, typ})
	}
	return t
}

// Query is one of the 22.
type Query struct {
	Number int
	SQL    string
	// Columns that it reads, by table, in the table's order.
	Columns map[string][]string
	// Order are the places of the result's columns that ORDER BY names, from 0.
	Order []int
	// Rows and First are what the specification's answers at scale factor 1 say.
	Rows  int
	First []string
}

// Tables that the query reads, sorted.
func (q *Query) Tables() []string {
	var out []string
	for t := range q.Columns {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

var (
	comment  = regexp.MustCompile(`(?m)--.*$`)
	word     = regexp.MustCompile(`[a-z][a-z0-9_]*`)
	literal  = regexp.MustCompile(`'[^']*'`)
	ordering = regexp.MustCompile(`(?s)\norder by\n(.*?)(?:\nlimit \d+)?;\s*$`)
	selected = regexp.MustCompile(`(?s)(?:^|\n\))\s*select\n(.*?)\nfrom\n`)
)

// fraction is what Q11 divides by the scale factor (clause 2.4.11.3).
const fraction = 0.0001

// Queries in the order of their numbers, for a scale factor.
func Queries(scale float64) ([]*Query, error) {
	expected, err := readExpected()
	if err != nil {
		return nil, err
	}
	var out []*Query
	for n := 1; n <= 22; n++ {
		src, err := files.ReadFile(fmt.Sprintf("queries/q%02d.sql", n))
		if err != nil {
			return nil, err
		}
		q := &Query{Number: n, SQL: strings.TrimSpace(comment.ReplaceAllString(string(src), "")), Rows: expected[n].Rows, First: expected[n].First}
		if n == 11 {
			q.SQL = strings.Replace(q.SQL, strconv.FormatFloat(fraction, 'f', -1, 64), strconv.FormatFloat(fraction/scale, 'f', -1, 64), 1)
		}
		q.Columns = columnsOf(q.SQL)
		if q.Order, err = orderOf(q.SQL); err != nil {
			return nil, fmt.Errorf("query %d: %w", n, err)
		}
		out = append(out, q)
	}
	return out, nil
}

// columnsOf finds the columns by their names, which are those of one table each.
func columnsOf(sql string) map[string][]string {
	used := map[string]bool{}
	for _, w := range word.FindAllString(literal.ReplaceAllString(sql, "''"), -1) {
		used[w] = true
	}
	out := map[string][]string{}
	for _, t := range Tables() {
		for _, c := range t.Columns {
			if used[c.Name] {
				out[t.Name] = append(out[t.Name], c.Name)
			}
		}
	}
	return out
}

// orderOf finds the result's columns that the last ORDER BY names.
func orderOf(sql string) ([]int, error) {
	by := ordering.FindStringSubmatch(sql)
	if by == nil {
		return nil, nil
	}
	list := selected.FindStringSubmatch(sql)
	if list == nil {
		return nil, errors.New("no list of columns")
	}
	var names []string
	for line := range strings.Lines(list[1]) {
		// A line of the list itself, not of what it holds, is indented once, or ends something that is.
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "        ") || strings.HasPrefix(line, "    sum(case") {
			continue
		}
		fields := strings.Fields(strings.TrimSuffix(line, ","))
		names = append(names, fields[len(fields)-1])
	}
	var out []int
	for line := range strings.SplitSeq(by[1], "\n") {
		name, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ","), " ")
		at := slices.Index(names, name)
		if at < 0 {
			return nil, fmt.Errorf("no column %s", name)
		}
		out = append(out, at)
	}
	return out, nil
}

func readExpected() (map[int]Query, error) {
	f, err := files.Open("queries/expected.txt")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[int]Query{}
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		parts := strings.SplitN(s.Text(), " ", 3)
		if len(parts) != 3 {
			return nil, errors.New("expected.txt: a line without three parts")
		}
		n, err := strconv.Atoi(parts[0])
		rows, err2 := strconv.Atoi(parts[1])
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("expected.txt: %w", err)
		}
		out[n] = Query{Rows: rows, First: strings.Split(parts[2], "|")}
	}
	return out, nil
}

// Generate makes the tables as Parquet files NAME.parquet in dir: zstd, row groups of the generator's own size, about what
// DuckDB scans in one piece. Generator is the program.
func Generate(ctx context.Context, generator, dir string, scale float64, tables ...string) error {
	if _, err := os.Stat(generator); err != nil {
		return errors.New("the generator is not there: run 'make bench', or scripts/deps-bench")
	}
	args := []string{"parquet", "--scale-factor", strconv.FormatFloat(scale, 'f', -1, 64), "--output-dir", dir, "--compression", "ZSTD(3)", "--quiet"}
	if len(tables) > 0 {
		args = append(args, "--tables", strings.Join(tables, ","))
	}
	out, err := exec.CommandContext(ctx, generator, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("tpchgen-cli: %w: %s", err, out)
	}
	return nil
}

// Path of a table in dir.
func Path(dir, table string) string { return filepath.Join(dir, table+".parquet") }
