package main

import (
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

const goalExposure = 1.2

// exposures are what receipts say: clear bytes by their time over the least that a job could have, and memory by that time.
type exposures struct{ clear, floor, memory []float64 }

func (x *exposures) add(j *job) {
	c := j.receipt.Clear
	x.clear = append(x.clear, float64(c.ByteMilliseconds))
	x.floor = append(x.floor, float64(columnBytes(j.receipt))*j.stages["run"])
	x.memory = append(x.memory, float64(c.PeakMemory)*float64(c.Micros)/1e6)
}

// columnBytes are those of columns alone: a footer is opened, but no query asks for it.
func columnBytes(r *statement.Receipt) (n int64) {
	for _, e := range r.Exposures {
		if e.Column != statement.FooterKey {
			n += e.Bytes
		}
	}
	return n
}

func (x *exposures) figures() []*figure.Figure {
	var ratios []float64
	for i := range x.clear {
		ratios = append(ratios, x.clear[i]/x.floor[i])
	}
	f := figure.At("clear byte-time over its floor", figure.Ratio, ratios, 0.5, figure.Goal{AtMost: goalExposure})
	f.A, f.B, f.Of = figure.Median(x.clear)/1000, figure.Median(x.floor)/1000, "B·s"
	return []*figure.Figure{f.In("exposure", "receipts' clear byte-time; floor: bytes of the columns by the time of stage run"),
		figure.At("peak memory by time in clear", figure.Bytes, x.memory, 0.5, figure.Goal{}).In("exposure", "byte-seconds, of the whole enclave")}
}
