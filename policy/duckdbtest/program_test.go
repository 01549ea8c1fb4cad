//go:build cgo

package duckdbtest

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/sums"
	"github.com/cordon-exchange/cordon/internal/enclave/units"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/policy/internal/randomquery"
)

var freeSchemas = map[string]string{
	"loans": "loan_id:int64 customer_id:varchar? region:varchar? product:varchar opened:date balance:decimal(18,2)? rate:decimal(9,3) defaulted:boolean employee_count:int32",
	"sales": "household_id:varchar? store:varchar sku:varchar day:date amount:decimal(12,2)",
	"views": "household_id:varchar? campaign:varchar day:date impressions:int32",
}

func columns(spec string) (out []policy.Column) {
	for _, f := range strings.Fields(spec) {
		name, typ, _ := strings.Cut(f, ":")
		plain := strings.TrimSuffix(typ, "?")
		out = append(out, policy.Column{Name: name, Type: policy.Type(plain), Nullable: plain != typ})
	}
	return out
}

func freeWorld(t testing.TB) policy.Request {
	source := func(c, owner, dataset string) policy.Source {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "policies", "free-"+dataset+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		return policy.Source{Owner: fingerprint(c), OwnerName: owner, Dataset: dataset, Version: "v1", Offer: digest(c), Schema: columns(freeSchemas[dataset]), Policy: p}
	}
	r := policy.Request{Encoding: policy.EncodingProgram, Requester: fingerprint("e"), Recipients: []string{fingerprint("e")}, At: time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)}
	pool := policy.Table{Name: "pool.loans", Pool: digest("e"), Epoch: 3}
	for i, bank := range []string{"bank_a", "bank_b", "bank_c"} {
		pool.Members = append(pool.Members, source(string("abc"[i]), bank, "loans"))
	}
	sales, views := source("5", "retailer", "sales"), source("6", "media", "views")
	r.Tables = []policy.Table{pool, {Name: "retailer.sales", Members: []policy.Source{sales}}, {Name: "media.views", Members: []policy.Source{views}}}
	return r
}

// stage has empty files and tables of the types that a plan's texts read.
type stage struct {
	db    *sql.DB
	dir   string
	files map[string]bool
}

func (s *stage) refs(t testing.TB, p *policy.Plan) (out []string) {
	for _, src := range p.Sources {
		path := filepath.Join(s.dir, src.Owner[7:10]+strings.Join(src.Columns, "-")+".parquet")
		if !s.files[path] {
			var items []string
			for _, name := range src.Columns {
				for _, c := range columns(freeSchemas[src.Dataset]) {
					if c.Name == name {
						items = append(items, `CAST(NULL AS `+sqlType(c.Type)+`) AS "`+name+`"`)
					}
				}
			}
			exec(t, s.db, "COPY (SELECT "+strings.Join(items, ", ")+" WHERE false) TO '"+path+"' (FORMAT parquet)")
			s.files[path] = true
		}
		out = append(out, path)
	}
	return out
}

func (s *stage) tables(t testing.TB, p *policy.Plan) {
	for i, n := range p.Program.Releases {
		var keys, all []string
		for k, key := range n.Keys {
			keys = append(keys, fmt.Sprintf("d%d %s", k, sqlType(key.Expr.Type)))
		}
		all = append(all, keys...)
		for k, a := range n.Aggs {
			all = append(all, fmt.Sprintf("b%d %s", k, sqlType(a.Type())))
		}
		exec(t, s.db, "CREATE OR REPLACE TABLE memory.main."+policy.ReleasedTable(i)+" ("+strings.Join(all, ", ")+")")
		for k := range n.Aggs {
			exec(t, s.db, "CREATE OR REPLACE TABLE memory.main."+policy.ShownTable(i, k)+" ("+strings.Join(append(append([]string{}, keys...), "shown BOOLEAN"), ", ")+")")
		}
	}
}

func sqlType(t policy.Type) string {
	switch t {
	case policy.Int32:
		return "INTEGER"
	case policy.Int64:
		return "BIGINT"
	}
	return strings.ToUpper(string(t))
}

// Whatever compiles, its texts parse to what was printed, bind to what the plan reads, and run.
func TestRandomProgramsInTheEngine(t *testing.T) {
	s := &stage{open(t), t.TempDir(), map[string]bool{}}
	r := freeWorld(t)
	random := rand.New(rand.NewPCG(7, 7))
	programs, caps := 0, map[int64]bool{thresholds[0]: true, thresholds[1]: true}
	for range 800 {
		r.SQL = randomquery.Query(random.IntN)
		r.Purpose = "benchmarking"
		if strings.Contains(r.SQL, "retailer") || strings.Contains(r.SQL, "media") {
			r.Purpose = "measurement"
		}
		p, err := policy.Compile(r)
		if err != nil {
			continue
		}
		programs++
		refs := s.refs(t, p)
		s.tables(t, p)
		for _, most := range p.UnitCaps() {
			if !caps[most] {
				registerUnits(t, s.db, most)
				caps[most] = true
			}
		}
		registerSums(t, s.db, p)
		for _, text := range texts(p, refs) {
			if err := text.Recheck(account(t, s.db, "json_serialize_sql", text.SQL())); err != nil {
				t.Fatalf("%v\n%s\n%s", err, r.SQL, text.SQL())
			}
			if err := text.RecheckPlan(account(t, s.db, "json_serialize_plan", text.SQL())); err != nil {
				t.Fatalf("%v\n%s\n%s", err, r.SQL, text.SQL())
			}
			rows(t, s.db, text.SQL())
		}
	}
	if programs < 80 {
		t.Errorf("%d programs: the test shows too little", programs)
	}
	t.Logf("%d programs", programs)
}

func texts(p *policy.Plan, refs []string) []policy.Text {
	out := append(p.InputTexts(refs), p.ResultText())
	for i := range p.Program.Releases {
		out = append(out, p.ReleaseText(i, refs))
		if q, ok := p.QuantileText(i, refs); ok {
			out = append(out, q)
		}
	}
	return out
}

func registerUnits(t testing.TB, db *sql.DB, most int64) {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Raw(func(d any) error { return units.Register(d.(driver.Conn), policy.CappedUnits(most), most) }); err != nil {
		t.Fatal(err)
	}
}

// registerSums makes a plan's own aggregates, those that are not made yet.
func registerSums(t testing.TB, db *sql.DB, p *policy.Plan) {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range p.Sums() {
		var made bool
		if err := c.QueryRowContext(t.Context(), "SELECT count(*) > 0 FROM duckdb_functions() WHERE function_name = ?", s.Name()).Scan(&made); err != nil {
			t.Fatal(err)
		}
		if made {
			continue
		}
		if err := c.Raw(func(d any) error { return sums.Register(d.(driver.Conn), s) }); err != nil {
			t.Fatal(err)
		}
	}
}

// scanned gives the rows of a plan's scan.
func scanned(t testing.TB, db *sql.DB, p *policy.Plan, refs []string) []string {
	t.Helper()
	registerSums(t, db, p)
	return rows(t, db, p.ScanSQL(refs))
}
