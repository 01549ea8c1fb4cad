package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/canary"
)

// lakeIsSealed looks for values of the CSV in everything that the exchange keeps.
func (d *demo) lakeIsSealed(ctx context.Context) error {
	set := &canary.Set{}
	values := []string{"WASHINGTON DULLES INTL ARPT", "LOS ANGELES INTL", "Unknown bird or bat", "European starling", "Rock pigeon"}
	for _, v := range values {
		if err := set.Text(v, v); err != nil {
			return err
		}
	}
	if hits, err := searchFile(set, d.csv); err != nil || hits == 0 {
		return errors.New("the search does not find the values in the CSV itself")
	}
	files, bytes, found := 0, int64(0), 0
	err := d.everyKeptFile(func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		n, err := searchFile(set, path)
		if err != nil {
			return err
		}
		files, bytes, found = files+1, bytes+info.Size(), found+n
		return nil
	})
	if err != nil {
		return err
	}
	say("lake and database of the exchange: %d files, %d bytes; searched for %s … in %d encodings: %d found", files, bytes, values[0], set.Len(), found)
	if found > 0 {
		return errors.New("the lake holds a value in clear")
	}
	return ctx.Err()
}

// everyKeptFile calls visit for every file that the exchange keeps. The exchange goes on writing: a file that is gone
// before it can be read was a temporary one.
func (d *demo) everyKeptFile(visit func(path string) error) error {
	return filepath.WalkDir(filepath.Join(d.out, "exchange"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			err = visit(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func searchFile(set *canary.Set, path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	hits, err := set.Reader(f)
	return len(hits), err
}

// propose makes a contract of an analyst over tables, and waits for the owners'
// grants if wait is not 0.
func (d *demo) propose(ctx context.Context, who *analyst, wait time.Duration, tables ...string) error {
	args := []string{"contract", "propose", "--home", d.home(who.name), "--purpose", purpose, "--wait", wait.String(),
		"--build", d.build, "--operator", d.operator, "--evidence", d.kind, "--perimeter", d.form, "--until", "30d"}
	for _, a := range d.airlines {
		args = append(args, "--pin", a.Name+"="+a.Fingerprint)
	}
	for _, t := range tables {
		args = append(args, "--data", t)
	}
	var made struct {
		Digest string `json:"digest"`
	}
	if err := d.cordonJSON(ctx, &made, args...); err != nil {
		return err
	}
	who.contract = made.Digest
	return nil
}

const (
	bySize  = "SELECT size, count(*) AS strikes, avg(cost_total) AS mean_cost FROM pool.strikes GROUP BY size ORDER BY size"
	byPhase = "SELECT phase, count(*) AS strikes, avg(cost_total) AS mean_cost FROM pool.strikes GROUP BY phase ORDER BY phase"
	byTime  = "SELECT time_of_day, count(*) AS strikes, avg(cost_total) AS mean_cost FROM pool.times GROUP BY time_of_day ORDER BY time_of_day"
	ofRows  = "SELECT phase, size, cost_total FROM pool.strikes WHERE phase = 'Taxi'"
)

func (d *demo) agree(ctx context.Context) error {
	if err := d.propose(ctx, &d.institute, patience, "pool.strikes", "pool.times"); err != nil {
		return err
	}
	say("contract %s: granted by %d airlines' standing rules", short(d.institute.contract), len(d.airlines))
	return d.show(ctx, "query", "explain", "--home", d.home(instituteName), "--contract", d.institute.contract, byPhase)
}

func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// show prints what a person would see who types the command.
func (d *demo) show(ctx context.Context, args ...string) error {
	out, err := d.cordon(ctx, args...)
	if err != nil {
		return err
	}
	shown := "$ cordon"
	for _, a := range args {
		if strings.ContainsAny(a, " *") {
			a = `"` + a + `"`
		}
		shown += " " + a
	}
	fmt.Printf("\n   %s\n", strings.ReplaceAll(shown, d.out+string(filepath.Separator), "out/"))
	for _, line := range strings.Split(strings.TrimRight(string(out), "\n"), "\n") {
		fmt.Println("   | " + line)
	}
	fmt.Println()
	return nil
}

// ask runs a query to its end, fetches result and receipt bundle, and notes the job.
func (d *demo) ask(ctx context.Context, name string, who *analyst, dimension, sql string) (*job, error) {
	began := time.Now()
	var ran struct {
		Digest string `json:"digest"`
	}
	if err := d.cordonJSON(ctx, &ran, "query", "run", "--quiet", "--home", d.home(who.name), "--contract", who.contract, sql); err != nil {
		return nil, err
	}
	return d.collect(ctx, &job{Name: name, Digest: ran.Digest, Table: tableOf(sql), Dimension: dimension, Asker: who.name}, began)
}

// collect opens a finished job's result, exports its receipt bundle, and notes the job.
func (d *demo) collect(ctx context.Context, j *job, began time.Time) (*job, error) {
	j.Bundle, j.Result = filepath.Join("receipts", j.Name+".json"), filepath.Join("results", j.Name+".json")
	if _, err := d.cordon(ctx, "result", "open", j.Digest, "--home", d.home(j.Asker), "--format", "json", "-o", filepath.Join(d.out, j.Result)); err != nil {
		return nil, err
	}
	j.wall = time.Since(began)
	if _, err := d.cordon(ctx, "receipt", "export", j.Digest, "--home", d.home(j.Asker), "-o", filepath.Join(d.out, j.Bundle)); err != nil {
		return nil, err
	}
	d.jobs = append(d.jobs, j)
	return j, nil
}

func tableOf(sql string) string {
	_, rest, _ := strings.Cut(sql, "FROM ")
	table, _, _ := strings.Cut(rest, " ")
	return table
}

func (d *demo) market(ctx context.Context) error {
	for _, q := range []struct{ name, dimension, sql, line string }{
		{"size", "Wildlife Size", bySize, "by size every cell holds"},
		{"phase", "Phase of flight", byPhase, "by phase some cells would tell too much about one airline, and are suppressed"},
		{"time", "Time of day", byTime, "by time of day two costs are unsafe and their union is too: a third cell hides with them"},
	} {
		j, err := d.ask(ctx, q.name, &d.institute, q.dimension, q.sql)
		if err != nil {
			return err
		}
		say("%s", q.line)
		if err := d.show(ctx, "result", "open", j.Digest, "--home", d.home(instituteName)); err != nil {
			return err
		}
	}
	return d.attackByDifference()
}

// inMachine asks the first question alone: a machine is slow where a program has to play its processor.
func (d *demo) inMachine(ctx context.Context) error {
	j, err := d.ask(ctx, "size", &d.institute, "Wildlife Size", bySize)
	if err != nil {
		return err
	}
	if err := d.show(ctx, "result", "open", j.Digest, "--home", d.home(instituteName)); err != nil {
		return err
	}
	say("in %s, boot of the machine included", j.wall.Round(100*time.Millisecond))
	return nil
}

// row of a result of the demo.
type row struct {
	key      string
	strikes  *float64
	meanCost *float64
}

func (d *demo) rowsOf(name string) ([]row, error) {
	src, err := os.ReadFile(filepath.Join(d.out, "results", name+".json"))
	if err != nil {
		return nil, err
	}
	var t struct {
		Rows []map[string]json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(src, &t); err != nil {
		return nil, err
	}
	var out []row
	for _, fields := range t.Rows {
		r := row{strikes: number(fields["strikes"]), meanCost: number(fields["mean_cost"])}
		for name, raw := range fields {
			if name != "strikes" && name != "mean_cost" {
				_ = json.Unmarshal(raw, &r.key)
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// number is nil for a suppressed cell.
func number(raw json.RawMessage) *float64 {
	var v float64
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return &v
}

// attackByDifference plays the analyst who subtracts the shown phases from the
// total by size.
func (d *demo) attackByDifference() error {
	sizes, err := d.rowsOf("size")
	if err != nil {
		return err
	}
	phases, err := d.rowsOf("phase")
	if err != nil {
		return err
	}
	var totalCount, totalCost, shownCount, shownCost float64
	for _, r := range sizes {
		if r.strikes == nil || r.meanCost == nil {
			return fmt.Errorf("by size, %s is suppressed", r.key)
		}
		totalCount += *r.strikes
		totalCost += *r.strikes * *r.meanCost
	}
	var hiddenCounts, hiddenCosts []string
	for _, r := range phases {
		if r.strikes == nil {
			hiddenCounts = append(hiddenCounts, r.key)
		} else {
			shownCount += *r.strikes
		}
		if r.meanCost == nil {
			hiddenCosts = append(hiddenCosts, r.key)
		} else {
			shownCost += *r.strikes * *r.meanCost
		}
	}
	say("the attacker subtracts the shown phases from the total by size:")
	say("  about %.0f strikes in %s together; %.0f dollars in %s together", totalCount-shownCount, strings.Join(hiddenCounts, " + "), totalCost-shownCost, strings.Join(hiddenCosts, " + "))
	say("  each sum is over cells of so many airlines that it meets the airlines' own rule; no single hidden cell can be told")
	if len(hiddenCounts) < 2 || len(hiddenCosts) < 2 {
		return errors.New("a single hidden cell could be computed")
	}
	return nil
}

func (d *demo) beside(ctx context.Context) error {
	a := d.airline("american_airlines")
	who := &analyst{name: a.Name, fingerprint: a.Fingerprint}
	if err := d.propose(ctx, who, patience, "pool.strikes", a.Name+".strikes"); err != nil {
		return err
	}
	market, err := d.ask(ctx, "american-market", who, "Phase of flight", byPhase)
	if err != nil {
		return err
	}
	own, err := d.ask(ctx, "american-own", who, "Phase of flight", strings.Replace(byPhase, "pool.strikes", a.Name+".strikes", 1))
	if err != nil {
		return err
	}
	say("the market's cells hold over the other 17 airlines: whoever knows American's rows can't get at theirs")
	return d.show(ctx, "result", "open", own.Digest, "--beside", market.Digest, "--home", d.home(a.Name))
}

func (d *demo) rows(ctx context.Context) error {
	before, err := d.ledgerLines(ctx, d.airlines[0].Name)
	if err != nil {
		return err
	}
	_, err = d.cordon(ctx, "query", "run", "--quiet", "--home", d.home(instituteName), "--contract", d.institute.contract, ofRows)
	var refused *failure
	if !errors.As(err, &refused) || refused.exit != 6 {
		return fmt.Errorf("the query for rows was not refused: %v", err)
	}
	for _, line := range strings.Split(refused.stderr, "\n") {
		fmt.Println("   | " + line)
	}
	after, err := d.ledgerLines(ctx, d.airlines[0].Name)
	if err == nil && after != before {
		err = errors.New("an owner's ledger changed: it was asked for a key")
	}
	return err
}
