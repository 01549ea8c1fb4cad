package main

import (
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

func TestExposures(t *testing.T) {
	var x exposures
	r := &statement.Receipt{Exposures: []statement.Exposure{{Column: statement.FooterKey, Bytes: 900}, {Column: "a", Bytes: 60}, {Column: "b", Bytes: 40}}}
	r.Clear = statement.Clear{ByteMilliseconds: 3000, Micros: 3000, PeakMemory: 1e6}
	x.add(&job{receipt: r, stages: map[string]float64{"run": 20}})
	f := x.figures()
	if f[0].Value != 1.5 || !f[0].Missed || f[1].Value != 3000 {
		t.Error(f[0].Line(), f[1].Line())
	}
}
