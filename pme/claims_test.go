package pme_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/cordon-exchange/cordon/pme"
)

// TestPagesOnlySameRows: without the writer's claims a file has the same rows.
func TestPagesOnlySameRows(t *testing.T) {
	s := sealSample(t, 500, parquet.WithBloomFilterEnabled(true), parquet.WithPageIndexEnabled(true))
	opt := s.options()
	opt.PagesOnly = true
	f, all := openMemfile(t, s.file, opt), openMemfile(t, s.file, s.options())
	sameRows(t, duck(t), f.Path(), all.Path(), "id, city, small, name")
	var n int
	err := duck(t).QueryRow(`SELECT count(*) FROM parquet_metadata('` + f.Path() + `') WHERE coalesce(stats_min, stats_max, stats_min_value, stats_max_value,
		CAST(stats_null_count AS VARCHAR), CAST(bloom_filter_offset AS VARCHAR)) IS NOT NULL`).Scan(&n)
	if err != nil || n != 0 {
		t.Errorf("%d chunks with claims (%v)", n, err)
	}
}

// TestPagesOnlyInPageHeaders: of both versions. This writer puts statistics there.
func TestPagesOnlyInPageHeaders(t *testing.T) {
	type row struct {
		ID int64 `parquet:"id"`
	}
	for _, version := range []int{1, 2} {
		var b bytes.Buffer
		w := pq.NewGenericWriter[row](&b, pq.DataPageStatistics(true), pq.DataPageVersion(version))
		if _, err := w.Write([]row{{3}, {7}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		s := sealBytes(t, b.Bytes(), pme.Keys{Footer: testKey("footer", 32), Columns: map[string][]byte{"id": testKey("id", 32)}})
		for _, pagesOnly := range []bool{false, true} {
			opt := s.options()
			opt.PagesOnly = pagesOnly
			if there := pageStatistics(t, mustOpen(t, s.file, opt)); there == pagesOnly {
				t.Errorf("version %d, pages only %v: statistics there: %v", version, pagesOnly, there)
			}
		}
	}
}

// pageStatistics reads the header of the first page, which comes right behind the magic, and of the next, if it is a dictionary.
func pageStatistics(t *testing.T, plain []byte) bool {
	t.Helper()
	var h format.PageHeader
	for at := 4; ; {
		h = format.PageHeader{}
		r := bytes.NewReader(plain[at:])
		p := &thrift.CompactProtocol{}
		if err := thrift.NewDecoder(p.NewReader(r)).Decode(&h); err != nil {
			t.Fatal(err)
		}
		if h.Type != format.DictionaryPage {
			break
		}
		at = len(plain) - r.Len() + int(h.CompressedPageSize)
	}
	switch {
	case h.DataPageHeader.Valid:
		return fmt.Sprint(h.DataPageHeader.V.Statistics) != fmt.Sprint(format.Statistics{})
	case h.DataPageHeaderV2.Valid:
		return fmt.Sprint(h.DataPageHeaderV2.V.Statistics) != fmt.Sprint(format.Statistics{})
	}
	t.Fatal("no data page")
	return false
}
