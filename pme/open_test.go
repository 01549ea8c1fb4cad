package pme_test

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/cordon-exchange/cordon/pme"
)

func TestQuick(t *testing.T) {
	for _, name := range []string{"encrypt_columns_and_footer", "encrypt_columns_and_footer_aad", "encrypt_columns_and_footer_ctr", "encrypt_columns_and_footer_disable_aad_storage", "encrypt_columns_plaintext_footer", "uniform_encryption"} {
		b, err := os.ReadFile("testdata/" + name + ".parquet.encrypted")
		if err != nil {
			t.Fatal(err)
		}
		opt := pme.OpenOptions{Keys: pme.Keys{Footer: []byte("0123456789012345"), Columns: map[string][]byte{"double_field": []byte("1234567890123450"), "float_field": []byte("1234567890123451")}}, AllWithKeys: true, Unauthenticated: true}
		if name == "encrypt_columns_and_footer_disable_aad_storage" {
			opt.AADPrefix = []byte("tester")
		}
		out, res, err := pme.Open(context.Background(), pme.Bytes(b), int64(len(b)), opt)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s %+v", name, res)
		r, err := file.NewParquetReader(bytes.NewReader(out))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := 0; i < r.MetaData().Schema.NumColumns(); i++ {
			cr, err := r.RowGroup(0).Column(i)
			if err != nil {
				t.Fatal(err)
			}
			if c, ok := cr.(*file.Float64ColumnChunkReader); ok {
				v := make([]float64, 60)
				d := make([]int16, 60)
				_, n, err := c.ReadBatch(60, v, d, nil)
				t.Log(r.MetaData().Schema.Column(i).Path(), n, err, v[:n])
			}
		}
	}
}
