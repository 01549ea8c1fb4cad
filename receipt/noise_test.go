package receipt_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// TestNoiseKeyIsAccountedFor: as any key that was released, under its own name.
func TestNoiseKeyIsAccountedFor(t *testing.T) {
	for _, listed := range []bool{true, false} {
		a := receipttest.New(t, receipttest.Edit{
			Offer: func(o *statement.Offer) {
				o.Commitments = append(o.Commitments, statement.Commitment{Key: statement.NoiseKey, Commit: statement.Sum([]byte("noise"))})
			},
			Release: func(r *statement.Release) { r.Columns[0].Columns = append(r.Columns[0].Columns, statement.NoiseKey) },
			Receipt: func(r *statement.Receipt) {
				for _, e := range r.Exposures {
					if listed && e.Column == statement.FooterKey {
						r.Exposures = append(r.Exposures, statement.Exposure{Owner: e.Owner, Offer: e.Offer, Column: statement.NoiseKey})
					}
				}
			},
		})
		r, err := receipt.Verify(t.Context(), a.Bytes, a.Options())
		if (err == nil) != listed {
			t.Fatalf("listed %v: %v", listed, err)
		}
		if err != nil {
			continue
		}
		var text bytes.Buffer
		if err := r.WriteText(&text); err != nil || strings.Count(text.String(), "(noise key)") != len(a.Owners) {
			t.Errorf("%v\n%s", err, text.String())
		}
	}
}
