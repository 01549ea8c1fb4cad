package policy

import ("testing";"time";"fmt";"strings")

func fp(c string) string { return "cordon1"+strings.Repeat(c,64) }
const pol = `
policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Small, Medium, Large]}
  phase: {roles: [dimension, filter]}
  cost_total: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 20000000], scale: 0}
output: {lattice: [[size], [phase]]}
guard: {min_units: 10, contributors: {min: 2, max_share_pct: 50, p_percent: 10, from: [%s, %s, %s]}, coalition: 1, rounding: {count: 5, value_digits: 4}}
purposes: [safety]
analysts: [any]
operators: [%s]
evidence: {accept: [simulated], builds: [sha256:0000000000000000000000000000000000000000000000000000000000000000], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`
func TestSmoke(t *testing.T){
 p,err:=Parse([]byte(fmt.Sprintf(pol,fp("a"),fp("b"),fp("c"),fp("d"))))
 if err!=nil {t.Fatal(err)}
 sch:=[]Column{{"report_id",Varchar,false},{"size",Varchar,false},{"phase",Varchar,true},{"cost_total",Int64,true}}
 var ms []Source
 for _,c:=range []string{"a","b","c"}{ ms=append(ms,Source{Owner:fp(c),OwnerName:c,Dataset:"strikes",Version:"v1",Offer:"sha256:"+strings.Repeat(c,64),Schema:sch,Policy:p})}
 r:=Request{Tables:[]Table{{Name:"pool.strikes",Pool:"sha256:1",Epoch:1,Members:ms}},Requester:fp("e"),Recipients:[]string{fp("e")},Purpose:"safety",At:time.Date(2026,5,5,0,0,0,0,time.UTC)}
 for _,q:=range []string{
  "SELECT size, count(*), avg(cost_total) AS mean FROM pool.strikes GROUP BY size ORDER BY 2 DESC LIMIT 3",
  "SELECT upper(size) s, sum(cost_total)/count(*) FROM pool.strikes WHERE size <> 'Large' GROUP BY s HAVING count(*) > 10 ORDER BY s",
  "SELECT size, phase, count(*) FROM pool.strikes GROUP BY size, phase",
  "SELECT size, cost_total FROM pool.strikes",
  "SELECT phase FROM pool.strikes",
  "SELECT max(cost_total) FROM pool.strikes",
  "SELECT count(DISTINCT report_id), count(*) FROM pool.strikes WHERE phase='Climb' or phase is null",
 }{
  r.SQL=q
  t0:=time.Now()
  pl,err:=Compile(r)
  fmt.Println(q, time.Since(t0))
  if err!=nil { fmt.Println("  ",err, "near:", err.(*Refusal).Nearest); continue}
  fmt.Println("  ",string(pl.Encode()))
  if _,err:=DecodePlan(pl.Encode());err!=nil{t.Error(err)}
 }
}
