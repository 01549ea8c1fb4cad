package engine

import (
	"context"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

func replaced(t *testing.T, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not there", old)
	}
	return strings.Replace(s, old, new, 1)
}

const byCost = "SELECT size, sum(cost) AS c FROM pool.strikes GROUP BY size"

// spoilt runs a query with the first owner's file changed.
func spoilt(t *testing.T, sql string, change func([]column) []column) error {
	t.Helper()
	m := newMarket(9, 1)
	plan := m.compile(t, sql)
	paths := m.files(t, plan)
	paths[0] = memFile(t, parquetBytes(t, change(columnsOf(m.rows[0], plan.Sources[0].Columns))...))
	table, err := bind(t, paths...).Run(context.Background(), plan)
	if err != nil && table != nil {
		t.Error("a table came with the error")
	}
	return err
}

func TestSourcesThatAreNotAsOffered(t *testing.T) {
	find := func(cs []column, name string) *column {
		for i := range cs {
			if cs[i].name == name {
				return &cs[i]
			}
		}
		t.Fatalf("no column %s", name)
		return nil
	}
	for _, tc := range []struct {
		name   string
		change func([]column) []column
		ok     bool
	}{
		{name: "as offered", change: func(c []column) []column { return c }, ok: true},
		{name: "at the upper clamp", ok: true, change: func(c []column) []column { find(c, "cost").values[0] = "200000.00"; return c }},
		{name: "over the upper clamp", change: func(c []column) []column { find(c, "cost").values[0] = "200000.01"; return c }},
		{name: "at the lower clamp", ok: true, change: func(c []column) []column { find(c, "cost").values[0] = "-50000.00"; return c }},
		{name: "under the lower clamp", change: func(c []column) []column { find(c, "cost").values[0] = "-50000.01"; return c }},
		{name: "outside the declared domain", change: func(c []column) []column { find(c, "size").values[0] = "Huge"; return c }},
		{name: "NULL where there is none", change: func(c []column) []column { find(c, "size").values[0] = null; return c }},
		{name: "double, with NaN and infinity", change: func(c []column) []column {
			d := find(c, "cost")
			d.typ = arrow.PrimitiveTypes.Float64
			d.values[0], d.values[1], d.values[2] = "NaN", "Inf", "-Inf"
			return c
		}},
		{name: "double", change: func(c []column) []column { find(c, "cost").typ = arrow.PrimitiveTypes.Float64; return c }},
		{name: "another scale", change: func(c []column) []column {
			find(c, "cost").typ = &arrow.Decimal128Type{Precision: 15, Scale: 3}
			return c
		}},
		{name: "another precision", change: func(c []column) []column {
			find(c, "cost").typ = &arrow.Decimal128Type{Precision: 16, Scale: 2}
			return c
		}},
		{name: "text for a decimal", change: func(c []column) []column { find(c, "cost").typ = arrow.BinaryTypes.String; return c }},
		{name: "bytes for text", change: func(c []column) []column {
			d := find(c, "size")
			d.typ = arrow.BinaryTypes.Binary
			for i := range d.values {
				d.values[i] = "TGFyZ2U="
			}
			return c
		}},
		{name: "missing column", change: func(c []column) []column { return c[:len(c)-1] }},
		{name: "column too many", change: func(c []column) []column {
			return append(c, column{"extra", arrow.BinaryTypes.String, c[0].values})
		}},
		{name: "column of another name", change: func(c []column) []column { find(c, "cost").name = "Cost2"; return c }},
		{name: "name in capitals", change: func(c []column) []column { find(c, "cost").name = "COST"; return c }},
		{name: "a list", change: func(c []column) []column {
			d := find(c, "cost")
			d.typ = arrow.ListOf(arrow.PrimitiveTypes.Int64)
			for i := range d.values {
				d.values[i] = "[1]"
			}
			return c
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := spoilt(t, byCost, tc.change)
			if tc.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, CodeInput)
		})
	}
}

func TestErrorsSayNothing(t *testing.T) {
	err := spoilt(t, byCost, func(c []column) []column {
		for i := range c {
			if c[i].name == "size" {
				c[i].values[0] = "a-secret"
			}
		}
		return c
	})
	if err == nil || err.Error() != "engine failed at stage input" {
		t.Errorf("%v", err)
	}
	for _, code := range []Code{CodeSetup, CodePlan, CodeCheck, CodeInput, CodeRun} {
		if text := stage(code, context.DeadlineExceeded).Error(); text != "engine failed at stage "+string(code) {
			t.Error(text)
		}
	}
}

func TestNotAParquetFile(t *testing.T) {
	m := newMarket(9, 1)
	plan := m.compile(t, byCost)
	paths := m.files(t, plan)
	paths[0] = memFile(t, []byte("PAR1 no PAR1"))
	_, err := bind(t, paths...).Run(context.Background(), plan)
	wantCode(t, err, CodeInput)
}

// A file swapped for another of the same schema is for pme's AAD to find; a file that is not the source's columns is found here.
func TestPlansThatDoNotFit(t *testing.T) {
	m := newMarket(9, 1)
	for name, change := range map[string]func(*policy.Plan){
		"a source too many":  func(p *policy.Plan) { p.Sources = append(p.Sources, p.Sources[0]) },
		"a source too few":   func(p *policy.Plan) { p.Sources = p.Sources[:8] },
		"no columns to open": func(p *policy.Plan) { p.Sources[3].Columns = nil },
		"no bases":           func(p *policy.Plan) { p.Bases = nil },
		"no columns":         func(p *policy.Plan) { p.Post.Select = nil },
		"unknown mode":       func(p *policy.Plan) { p.Mode = "" },
		"two columns alike":  func(p *policy.Plan) { p.Post.Select = append(p.Post.Select, p.Post.Select[0]) },
		"own data of nine":   func(p *policy.Plan) { p.Mode = policy.ModeOwn },
		"no units":           func(p *policy.Plan) { p.Guard.MinUnits = 0 },
		"no coalition":       func(p *policy.Plan) { p.Guard.Coalition = 0 },
		"no contributors":    func(p *policy.Plan) { p.Guard.MinContributors = 0 },
		"neutral guard of nine": func(p *policy.Plan) {
			p.Guard.Coalition, p.Guard.MinContributors, p.Guard.MaxSharePct, p.Guard.PPercent = 0, 1, 100, 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := m.compile(t, byCost)
			paths := m.files(t, plan)
			e := bind(t, paths...)
			change(plan)
			table, err := e.Run(context.Background(), plan)
			wantCode(t, err, CodePlan)
			if table != nil {
				t.Error("a table came with the error")
			}
		})
	}
	_, err := bind(t, small(t)).Run(context.Background(), nil)
	wantCode(t, err, CodePlan)
}

// What a broken generator or a DuckDB that reads otherwise would look like: the text is changed behind the plan's back, after
// one step of the job, and the next check must stop it.
func TestChecksDisagree(t *testing.T) {
	m := newMarket(9, 1)
	for _, tc := range []struct {
		name, after string // the step after which the change happens; none: before all
		change      func(*job)
	}{
		{"another aggregate", "", func(j *job) { j.scanSQL = replaced(t, j.scanSQL, `"sums_`, `"max_`) }},
		{"a second statement", "", func(j *job) { j.scanSQL += "; SELECT 1" }},
		{"another column of post", "", func(j *job) { j.postSQL = replaced(t, j.postSQL, `"r"."b0" AS "c1"`, `NULL AS "c1"`) }},
		{"a file read twice", "check schemas", func(j *job) { j.scanSQL = replaced(t, j.scanSQL, j.engine.paths[1], j.engine.paths[0]) }},
		{"post that reads a source", "make tables", func(j *job) { j.postSQL = j.scanSQL }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := m.compile(t, byCost)
			j, err := newJob(bind(t, m.files(t, plan)...), plan)
			if err != nil {
				t.Fatal(err)
			}
			if tc.after == "" {
				tc.change(j)
			}
			wantCode(t, runSteps(j, func(done step) {
				if done.name == tc.after {
					tc.change(j)
				}
			}), CodeCheck)
		})
	}
}

func runSteps(j *job, after func(step)) error {
	for _, s := range append(j.early(), j.late()...) {
		if err := s.do(context.Background()); err != nil {
			return stage(s.code, err)
		}
		after(s)
	}
	return nil
}

// A table that waits under the released table's name must not be read in its place.
func TestReleasedTableIsMadeHere(t *testing.T) {
	ctx := context.Background()
	m := newMarket(9, 1)
	plan := m.compile(t, byCost)
	e := bind(t, m.files(t, plan)...)
	if err := e.exec(ctx, "CREATE TABLE memory.main.released (d0 VARCHAR, b0 DECIMAL(38,2))"); err != nil {
		t.Fatal(err)
	}
	_, err := e.Run(ctx, plan)
	wantCode(t, err, CodeRun)
}

// So are those of a program, before a row is read: a table that stands in place of one of them ends the job while nothing but the plan
// is known, and the text that runs in the end is the one that was checked over them.
func TestReleasedTablesOfProgramsAreMadeHere(t *testing.T) {
	ctx := context.Background()
	m := newFreeMarket(9, 2)
	plan := m.compile(t, "SELECT phase, count(*) AS n FROM pool.strikes GROUP BY phase")
	for _, table := range []string{policy.ReleasedTable(0), "staging_" + policy.ReleasedTable(0)} {
		e := bind(t, m.files(t, plan)...)
		if err := e.exec(ctx, "CREATE TABLE memory.main."+table+" (d0 VARCHAR, b0 BIGINT)"); err != nil {
			t.Fatal(err)
		}
		wantCode(t, e.Prepare(ctx, plan), CodeRun)
	}
	e := bind(t, m.files(t, plan)...)
	if err := e.Prepare(ctx, plan); err != nil {
		t.Fatal(err)
	}
	e.job.(*program).final = policy.Text{}
	if _, err := e.Run(ctx, plan); err != nil {
		t.Errorf("what was checked and prepared is not what runs: %v", err)
	}
}

func TestMemoryRunsOut(t *testing.T) {
	ctx := context.Background()
	m := newMarket(9, 1)
	plan := m.compile(t, byCost)
	e, err := New(ctx, Options{MemoryBytes: 1 << 16, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var sources []Source
	for i, p := range m.files(t, plan) {
		sources = append(sources, Source{Index: i, Path: p})
	}
	if err := e.Bind(ctx, sources); err != nil {
		wantCode(t, err, CodeSetup) // too little even to list functions
		return
	}
	_, err = e.Run(ctx, plan)
	if err == nil {
		t.Error("64 KiB were enough")
	}
}

func TestTimeRunsOut(t *testing.T) {
	m := newMarket(9, 1)
	plan := m.compile(t, byCost)
	e := bind(t, m.files(t, plan)...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	table, err := e.Run(ctx, plan)
	if err == nil || table != nil {
		t.Error("ran without time")
	}
}

// An owner writes the statistics in its files, so they are its word, not its data. DuckDB would count rows in place of values
// where they say that there is no NULL: rows without a value then go as rows with one, and are no complement that must hold.
func TestStatisticsAreNotBelieved(t *testing.T) {
	m := newMarket(9, 1)
	plan := m.compile(t, "SELECT size, count(pax) AS n FROM pool.strikes GROUP BY size ORDER BY size")
	want, err := bind(t, m.files(t, plan)...).Run(context.Background(), plan)
	if err != nil || len(want.Rows) == 0 || !shown(want.Rows[0][1]) {
		t.Fatal("no count to compare with:", err)
	}
	var paths []string
	for _, rows := range m.rows {
		content := parquetBytes(t, columnsOf(rows, plan.Sources[0].Columns)...)
		paths = append(paths, memFile(t, withoutNullCounts(t, content)))
	}
	got, err := bind(t, paths...).Run(context.Background(), plan)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("with false statistics %v (%v), without %v", got, err, want)
	}
}

// withoutNullCounts makes the statistics of a file say that there is no NULL.
func withoutNullCounts(t *testing.T, content []byte) []byte {
	t.Helper()
	footer := len(content) - 8 - int(binary.LittleEndian.Uint32(content[len(content)-8:]))
	var meta format.FileMetaData
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), content[footer:len(content)-8], &meta); err != nil {
		t.Fatal(err)
	}
	lies := 0
	for _, g := range meta.RowGroups {
		for i := range g.Columns {
			if s := &g.Columns[i].MetaData.Statistics; s.NullCount > 0 {
				s.NullCount = 0
				lies++
			}
		}
	}
	if lies == 0 {
		t.Fatal("no statistics to change")
	}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint32(append(content[:footer:footer], b...), uint32(len(b)))
	return append(out, "PAR1"...)
}

func shown(v result.Value) bool {
	_, ok := v.Text()
	return ok
}
