package runner

import (
	"bytes"
	"testing"

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
