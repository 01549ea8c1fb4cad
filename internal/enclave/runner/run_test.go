package runner

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/statement"
)

func TestJob(t *testing.T) {
	w := newWorld(t)
	h := newFakeHost(w)
	if err := h.run(); err != nil {
		t.Fatal(err, cause(nil))
	}
	if h.finish == nil || h.finish.State != channel.Done {
		t.Fatalf("finish %+v", h.finish)
	}
	table, report := h.open(w.institute)
	var got bytes.Buffer
	if err := table.WriteCSV(&got); err != nil {
		t.Fatal(err)
	}
	// 60 rows of each size; Large: (20-4 unknown costs) of 1000, 1001 and 1002; Small: 20 of 10, 11, 12.
	want := "\"size\",\"n\",\"c\"\r\n\"Large\",60,48050\r\n\"Small\",60,660\r\n"
	if got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
	for _, o := range w.owners {
		r := h.wantReceipt(o, statement.OutcomeResult)
		for _, e := range r.Exposures {
			if e.Bytes == 0 {
				t.Errorf("no bytes for %s", e.Column)
			}
			if e.Column == "weight" || e.Column == "report_id" {
				t.Errorf("column %s was opened, and no query reads it", e.Column)
			}
		}
		if _, ok := h.artifacts[channel.ArtifactBundle+string(o.fp())]; !ok {
			t.Errorf("no account for %s", o.name)
		}
	}
	c := report.Receipt.Clear
	if c.Micros <= 0 || c.ByteMilliseconds <= 0 || c.PeakMemory <= 0 {
		t.Errorf("clear: %+v", c)
	}
	for _, s := range report.Receipt.Stages {
		t.Logf("%-8s %6d us", s.Name, s.Micros)
	}
	if !report.Simulated() {
		t.Error("not marked as simulated")
	}
}

// A query that names no column opens the unit's of every owner, whose keys are all released.
func TestCountOfRows(t *testing.T) {
	w := (&world{t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[]]", rows: 40}).populate()
	w.ask(w.institute, "SELECT count(*) AS n FROM pool.strikes")
	h := newFakeHost(w)
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	table, _ := h.open(w.institute)
	var got bytes.Buffer
	if err := table.WriteCSV(&got); err != nil {
		t.Fatal(err)
	}
	if want := "\"n\"\r\n120\r\n"; got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
	for _, o := range w.owners {
		var columns []string
		for _, e := range h.wantReceipt(o, statement.OutcomeResult).Exposures {
			if e.Owner == o.fp() {
				columns = append(columns, e.Column)
			}
		}
		if !slices.Contains(columns, "report_id") {
			t.Errorf("%s: opened %v", o.name, columns)
		}
	}
}

// Objects larger than what is fetched ahead, of several row groups: all row groups of the columns read are fetched, and
// nothing else.
func TestLargeObjects(t *testing.T) {
	w := (&world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]",
		rows: 150_000, scatter: true,
	}).populate()
	h := newFakeHost(w)
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	table, _ := h.open(w.institute)
	var got bytes.Buffer
	if err := table.WriteCSV(&got); err != nil {
		t.Fatal(err)
	}
	if want := w.expected(); got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
	for _, o := range w.owners {
		object := objectOf(o)
		read, size := h.bytesRead[object], int64(len(w.lake[object]))
		if size < 1<<20 || read > size*2/3 {
			t.Errorf("%s: read %d of %d bytes", o.name, read, size)
		}
	}
}

// A class that has room for what is fetched, and not for whole objects, is enough.
func TestLargeObjectsInLittleRoom(t *testing.T) {
	w := (&world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]",
		rows: 450_000, scatter: true,
	}).populate()
	h := newFakeHost(w)
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	var fetched int64
	for _, n := range h.bytesRead {
		fetched += n
	}
	h = newFakeHost(w)
	w.ask(w.institute, testSQL)
	h.limits.MemoryBytes = fetched * 10 / dataShare
	if err := h.run(); err != nil {
		t.Fatalf("%v: %v", err, cause(nil))
	}
	if table, _ := h.open(w.institute); len(table.Rows) != 2 {
		t.Errorf("%d rows", len(table.Rows))
	}
}

// expected recomputes the answer without any code of the exchange.
func (w *world) expected() string {
	count, sum := map[int]int64{}, map[int]int64{}
	for n := range w.owners {
		for i := range w.rows {
			count[i%2]++
			if i%10 != 0 {
				sum[i%2] += scattered(n, i)
			}
		}
	}
	four := func(v int64) int64 {
		unit := int64(1)
		for v/unit >= 10_000 {
			unit *= 10
		}
		return (v + unit/2) / unit * unit
	}
	return fmt.Sprintf("\"size\",\"n\",\"c\"\r\n\"Large\",%d,%d\r\n\"Small\",%d,%d\r\n", count[0], four(sum[0]), count[1], four(sum[1]))
}

// TestOutOfTimeAndMemory: a job that needs more than its class has ends with a code that says nothing of the data, its exposures
// closed by a receipt.
func TestOutOfTimeAndMemory(t *testing.T) {
	for name, c := range map[string]struct {
		code  string
		limit func(*channel.Limits)
	}{
		"time":   {"timed-out", func(l *channel.Limits) { l.RunMS = 1 }},
		"memory": {"engine", func(l *channel.Limits) { l.MemoryBytes = 1 << 16 }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := newFakeHost(w)
			c.limit(&h.limits)
			h.wantFailure(c.code)
			for _, o := range w.owners {
				h.wantReceipt(o, statement.OutcomeFailed+c.code)
			}
		})
	}
}
