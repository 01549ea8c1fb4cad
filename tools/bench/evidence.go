package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

// The goals for verifying one quote on one processor, with collateral and lists where the kind has them.
const (
	goalDCAP  = 4
	goalSNP   = 4
	goalNitro = 10
)

// rounds of each recording: one is a millisecond or a few.
const evidenceRounds = 200

// recording is a real machine's quote, and the line that it gives.
type recording struct {
	name, kind, folder, id string
	goal                   float64
	note                   string
}

func recordings() []recording {
	return []recording{
		{"evidence SGX v3", evidence.SGX, "sgx", "tlsn-quote9/2025-06-11-eval17", goalDCAP, "with collateral and CRLs"},
		{"evidence TDX v4", evidence.TDX, "tdx", "dcapqvl-tdx/2025-06-23", goalDCAP, "with collateral and CRLs"},
		{"evidence TDX v5", evidence.TDX, "tdx", "v5-google/2026-02-04", goalDCAP, "with collateral and CRLs"},
		{"evidence SNP v5", evidence.SNP, "snp", "bergamo-genoa-v5", goalSNP, "VCEK under pinned ASK and ARK; recorded without a revocation list"},
		{"evidence Nitro", evidence.Nitro, "nitro", "dstack-2025", goalNitro, "certificates and document"},
	}
}

// evidenceRows verifies recordings of real machines as a broker does, on one processor.
func evidenceRows(ctx context.Context, b *bench, r *figure.Report) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	anchors, err := kinds.Vendors()
	if err != nil {
		return err
	}
	o := kinds.Options{Anchors: anchors, SNPWithoutList: true}
	r.Settings = []string{"One processor"}
	for _, c := range recordings() {
		r.Machine.Sample()
		ms, err := c.measure(ctx, o, b.o.evidence)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		r.Add(figure.At(c.name, figure.Millis, ms, 0.5, figure.Goal{AtMost: c.goal}).In("evidence", "%s; a recording of a real machine", c.note))
	}
	return nil
}

func (r *recording) measure(ctx context.Context, o kinds.Options, folder string) (out []float64, err error) {
	c, err := find(filepath.Join(folder, r.folder), r.id)
	if err != nil {
		return nil, err
	}
	quote, err := c.Read(c.File)
	if err != nil {
		return nil, err
	}
	var endorsements [][]byte
	for _, name := range append(append([]string{}, c.Endorsements...), c.Collateral) {
		if name == "" {
			continue
		}
		b, err := c.Read(name)
		if err != nil {
			return nil, err
		}
		endorsements = append(endorsements, b)
	}
	verify := o.Machine(r.kind)
	for range evidenceRounds {
		began := time.Now()
		_, err := verify(ctx, quote, endorsements, c.At)
		out = append(out, milliseconds(time.Since(began)))
		if err != nil && !errors.Is(err, kinds.ErrUnbound) { // the last check: this recording binds 64 zeros
			return nil, err
		}
	}
	return out, nil
}

func find(dir, id string) (*cases.Case, error) {
	list, err := cases.Load(dir)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("no recording %s", id)
}
