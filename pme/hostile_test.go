package pme

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The owner of the keys may be the attacker: these tests change what is inside a sealed file and seal it again.

const (
	hostileFooterKey = "0123456789012345"
	// testdata/uniform_encryption: one row group of eight columns under the footer key, with page indexes.
	hostileFile = "testdata/uniform_encryption.parquet.encrypted"
)

func hostileOptions() OpenOptions {
	return OpenOptions{Keys: Keys{Footer: []byte(hostileFooterKey)}, AllWithKeys: true}
}

// openBytes opens at once, and through a view, which must come to the same.
func openBytes(b []byte, opt OpenOptions) ([]byte, error) {
	out, _, err := Open(context.Background(), Bytes(b), int64(len(b)), opt)
	viewed, err2 := throughView(b, opt)
	if !bytes.Equal(out, viewed) && err2 == nil || (err == nil) != (err2 == nil) {
		return nil, fmt.Errorf("opened at once: %v; through a view: %v", err, err2)
	}
	return out, err
}

// refooter opens the footer of a file, lets change edit it, and seals it again.
func refooter(t testing.TB, b []byte, change func(meta record) record) []byte {
	t.Helper()
	size := int64(len(b))
	tl, err := splitTail(b, size)
	if err != nil {
		t.Fatal(err)
	}
	key, err := newBoxKey([]byte(hostileFooterKey))
	if err != nil {
		t.Fatal(err)
	}
	aad, err := tl.algorithm.aad(nil)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := tl.openFooter(key, aad)
	if err != nil {
		t.Fatal(err)
	}
	footer := slices.Clone(tl.crypto)
	footer = key.seal(footer, appendRecord(nil, change(meta)), aad.footer())
	out := append(slices.Clone(b[:tl.start]), footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, magicEncrypted...)
}

// inGroup edits the only row group, inChunk one of its column chunks, inMeta that chunk's metadata.
func inGroup(change func(record) record) func(record) record {
	return func(meta record) record {
		items, _, _ := meta.list(fmRowGroups, wireStruct)
		rg, _ := wholeRecord(items[0])
		return meta.with(listField(fmRowGroups, wireStruct, [][]byte{appendRecord(nil, change(rg))}))
	}
}

func inChunk(i int, change func(record) record) func(record) record {
	return inGroup(func(rg record) record {
		cols, _, _ := rg.list(rgColumns, wireStruct)
		cc, _ := wholeRecord(cols[i])
		cols[i] = appendRecord(nil, change(cc))
		return rg.with(listField(rgColumns, wireStruct, cols))
	})
}

func inMeta(i int, change func(record) record) func(record) record {
	return inChunk(i, func(cc record) record {
		m, _, _ := cc.nested(ccMetaData)
		return cc.with(structField(ccMetaData, change(m)))
	})
}

func set(f field) func(record) record { return func(r record) record { return r.with(f) } }
func drop(ids ...int16) func(record) record {
	return func(r record) record { return r.without(ids...) }
}
func number(r record, id int16) int64         { v, _, _ := r.number(id, wireI64); return v }
func element(name string, fs ...field) []byte { return appendRecord(nil, elementRecord(name, fs...)) }

func elementRecord(name string, fs ...field) record {
	r := record{binaryField(seName, []byte(name))}
	for _, f := range fs {
		r = r.with(f)
	}
	return r
}

// TestHostileFooters: one thing wrong per case, all of it authenticated.
func TestHostileFooters(t *testing.T) {
	src, err := os.ReadFile(hostileFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openBytes(refooter(t, src, func(m record) record { return m }), hostileOptions()); err != nil {
		t.Fatal("unchanged footer:", err)
	}
	huge := func(id int16, v int64) func(record) record { return inMeta(0, set(i64Field(id, v))) } // has no dictionary
	root := element("schema", i32Field(seNumChildren, 1))
	cases := map[string]struct {
		change func(record) record
		want   error
	}{
		"no schema":                 {drop(fmSchema), ErrMalformed},
		"schema of no columns":      {set(listField(fmSchema, wireStruct, [][]byte{root})), ErrMalformed},
		"schema with more elements": {func(m record) record { return addElement(m, element("x", i32Field(seType, 1))) }, ErrMalformed},
		"children without end": {set(listField(fmSchema, wireStruct,
			[][]byte{element("schema", i32Field(seNumChildren, math.MaxInt32)), element("a", i32Field(seType, 1))})), ErrMalformed},
		"negative children": {set(listField(fmSchema, wireStruct,
			[][]byte{element("schema", i32Field(seNumChildren, -1)), element("a", i32Field(seType, 1))})), ErrMalformed},
		"deep schema":                    {set(listField(fmSchema, wireStruct, deepSchema(500))), ErrMalformed},
		"column without type":            {set(listField(fmSchema, wireStruct, [][]byte{root, element("a")})), ErrMalformed},
		"name that is no text":           {set(listField(fmSchema, wireStruct, [][]byte{root, element("\xff", i32Field(seType, 1))})), ErrMalformed},
		"two columns of one name":        {set(listField(fmSchema, wireStruct, twins())), ErrUnsupported},
		"no row groups":                  {drop(fmRowGroups), ErrMalformed},
		"row groups of numbers":          {set(listField(fmRowGroups, wireI32, [][]byte{{2}})), ErrMalformed},
		"rows do not add up":             {set(i64Field(fmNumRows, 51)), ErrMalformed},
		"negative rows":                  {set(i64Field(fmNumRows, -50)), ErrMalformed},
		"rows of a group":                {inGroup(set(i64Field(rgNumRows, math.MaxInt64))), ErrMalformed},
		"ordinal of another":             {inGroup(set(i16Field(rgOrdinal, 1))), ErrMalformed},
		"a column less":                  {inGroup(func(rg record) record { return rg.with(listField(rgColumns, wireStruct, nil)) }), ErrMalformed},
		"sorted by no column":            {inGroup(set(listField(rgSorting, wireStruct, [][]byte{appendRecord(nil, record{i32Field(scColumn, 99)})}))), ErrMalformed},
		"order of other columns":         {set(listField(fmColumnOrders, wireStruct, [][]byte{{0}})), ErrMalformed},
		"data in another file":           {inChunk(3, set(binaryField(ccFilePath, []byte("/etc/passwd")))), ErrUnsupported},
		"no metadata":                    {inChunk(3, drop(ccMetaData)), ErrMalformed},
		"crypto metadata empty":          {inChunk(3, set(structField(ccCrypto, nil))), ErrMalformed},
		"crypto metadata unknown":        {inChunk(3, set(structField(ccCrypto, record{structField(7, nil)}))), ErrUnsupported},
		"key of another column":          {inChunk(3, set(structField(ccCrypto, record{structField(cryptoColumnKey, record{listField(ckPath, wireBinary, [][]byte{binaryValue([]byte("x"))})})}))), ErrMalformed},
		"plain column":                   {inChunk(3, drop(ccCrypto)), ErrUnauthenticated},
		"plain, with metadata encrypted": {inChunk(3, set(binaryField(ccEncryptedMetaData, make([]byte, 60)))), ErrTampered},
		"path of another":                {inMeta(3, set(listField(cmPath, wireBinary, [][]byte{binaryValue([]byte("boolean_field"))}))), ErrMalformed},
		"type of another":                {inMeta(3, set(i32Field(cmType, 0))), ErrMalformed},
		"fewer values":                   {inMeta(3, set(i64Field(cmNumValues, 49))), ErrMalformed},
		"negative values":                {inMeta(3, set(i64Field(cmNumValues, -1))), ErrMalformed},
		"offset zero":                    {huge(cmDataPageOffset, 0), ErrMalformed},
		"offset in the magic":            {huge(cmDataPageOffset, 3), ErrMalformed},
		"negative offset":                {huge(cmDataPageOffset, -5), ErrMalformed},
		"offset beyond":                  {huge(cmDataPageOffset, math.MaxInt64), ErrMalformed},
		"size beyond":                    {huge(cmCompressedSize, math.MaxInt64), ErrMalformed},
		"size into the footer":           {inMeta(7, func(m record) record { return m.with(i64Field(cmCompressedSize, 5000)) }), ErrMalformed},
		"negative size":                  {huge(cmCompressedSize, -1), ErrMalformed},
		"size one less":                  {inMeta(3, func(m record) record { return m.with(i64Field(cmCompressedSize, number(m, cmCompressedSize)-1)) }), ErrTampered},
		"size one more":                  {inMeta(3, func(m record) record { return m.with(i64Field(cmCompressedSize, number(m, cmCompressedSize)+1)) }), ErrMalformed},
		"pages of another":               {inMeta(1, set(i64Field(cmDataPageOffset, 4))), ErrMalformed},
		"no pages":                       {inMeta(0, set(i64Field(cmCompressedSize, 0))), ErrMalformed},
		"index beyond":                   {inChunk(0, set(i64Field(ccColumnIndexOffset, math.MaxInt64))), ErrMalformed},
		"index negative":                 {inChunk(3, set(i32Field(ccOffsetIndexLength, -1))), ErrMalformed},
		"index cut":                      {inChunk(0, set(i32Field(ccColumnIndexLength, 20))), ErrTampered},
		"index over pages":               {inChunk(0, set(i64Field(ccColumnIndexOffset, 10))), ErrMalformed},
		"bloom filter of nothing":        {inMeta(3, func(m record) record { return m.with(i64Field(cmBloomOffset, 4)).with(i32Field(cmBloomLength, 10)) }), ErrMalformed},
		"metadata of other types":        {inMeta(3, set(binaryField(cmNumValues, nil))), ErrMalformed},
		"key-value of numbers":           {set(listField(fmKeyValue, wireI32, [][]byte{{2}})), ErrMalformed},
		"false binding":                  {set(listField(fmKeyValue, wireStruct, [][]byte{appendRecord(nil, record{binaryField(kvKey, []byte(bindingKey)), binaryField(kvValue, []byte("x"))})})), ErrTampered},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := openBytes(refooter(t, src, c.change), hostileOptions())
			if !errors.Is(err, c.want) || out != nil {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
}

func addElement(m record, el []byte) record {
	items, _, _ := m.list(fmSchema, wireStruct)
	return m.with(listField(fmSchema, wireStruct, append(slices.Clone(items), el)))
}

func deepSchema(n int) [][]byte {
	var out [][]byte
	for range n {
		out = append(out, element("g", i32Field(seNumChildren, 1)))
	}
	return append(out, element("leaf", i32Field(seType, 1)))
}

// twins have one dotted path: a column "a.b", and a column b in a group a.
func twins() [][]byte {
	return [][]byte{element("schema", i32Field(seNumChildren, 2)), element("a.b", i32Field(seType, 1)),
		element("a", i32Field(seNumChildren, 1)), element("b", i32Field(seType, 1))}
}

// rechunk seals the pages of column i again after change, in place of the old ones; both take the same room.
func rechunk(t *testing.T, b []byte, i int, change func(header record, page []byte) (record, []byte)) []byte {
	t.Helper()
	p, err := NewPlan(b, int64(len(b)), hostileOptions())
	if err != nil {
		t.Fatal(err)
	}
	c := p.chunks[i]
	var w window
	if err := w.over(Bytes(b), c.pages); err != nil {
		t.Fatal(err)
	}
	box, _, _ := w.module()
	ht, pt := dataHeaderModule, dataPageModule
	header, err := c.key.open(nil, box, p.aad.page(nil, ht, c.at, 0))
	if err != nil {
		t.Fatal(err)
	}
	box, _, _ = w.module()
	page, err := c.key.open(nil, box, p.aad.page(nil, pt, c.at, 0))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := wholeRecord(header)
	if err != nil {
		t.Fatal(err)
	}
	rec, page = change(rec, page)
	out := slices.Clone(b[:c.pages.Off])
	out = c.key.seal(out, appendRecord(nil, rec), p.aad.page(nil, ht, c.at, 0))
	out = c.key.seal(out, page, p.aad.page(nil, pt, c.at, 0))
	if int64(len(out)) != c.pages.Off+c.pages.Len {
		t.Fatalf("pages take %d bytes, not %d", int64(len(out))-c.pages.Off, c.pages.Len)
	}
	return append(out, b[len(out):]...)
}

// TestHostilePages: page headers that say what is not so, authenticated.
func TestHostilePages(t *testing.T) {
	src, err := os.ReadFile(hostileFile)
	if err != nil {
		t.Fatal(err)
	}
	const column = 0 // one page without dictionary
	header := func(f field) func(record, []byte) (record, []byte) {
		return func(h record, page []byte) (record, []byte) { return h.with(f), page }
	}
	same := func(h record, page []byte) (record, []byte) { return h, page }
	if _, err := openBytes(rechunk(t, src, column, same), hostileOptions()); err != nil {
		t.Fatal("unchanged page:", err)
	}
	for name, c := range map[string]struct {
		change func(record, []byte) (record, []byte)
		want   error
	}{
		"dictionary among data": {header(i32Field(phType, dictPage)), ErrMalformed},
		"index page":            {header(i32Field(phType, 1)), ErrMalformed},
		"other version":         {header(i32Field(phType, dataPageV2)), ErrMalformed},
		"negative size":         {header(i32Field(phUncompressedSize, -6)), ErrMalformed},
		"smaller page":          {header(i32Field(phCompressedSize, 30)), ErrTampered},
		"field of another type": {func(h record, page []byte) (record, []byte) {
			return h.with(field{phType, wireByte, []byte{0}}), page
		}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := openBytes(rechunk(t, src, column, c.change), hostileOptions()); !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
}

// TestPagesOnly: of all that is the writer's word about the values, nothing is left in the footer.
func TestPagesOnly(t *testing.T) {
	src, err := os.ReadFile(hostileFile)
	if err != nil {
		t.Fatal(err)
	}
	const column = 0
	src = refooter(t, src, func(meta record) record {
		meta = meta.with(listField(fmKeyValue, wireStruct, [][]byte{appendRecord(nil, record{binaryField(kvKey, []byte("k"))})}))
		meta = inGroup(set(listField(rgSorting, wireStruct, [][]byte{appendRecord(nil, record{i32Field(scColumn, column), boolField(2, false), boolField(3, false)})})))(meta)
		return inMeta(column, set(field{16, wireStruct, []byte{wireStop}}))(meta) // size statistics
	})
	for _, pagesOnly := range []bool{false, true} {
		opt := hostileOptions()
		opt.PagesOnly = pagesOnly
		plain, err := openBytes(src, opt)
		if err != nil {
			t.Fatal(err)
		}
		for what, there := range claims(t, plain, column) {
			if there == pagesOnly {
				t.Errorf("pages only %v: %s there: %v", pagesOnly, what, there)
			}
		}
	}
	opt := hostileOptions()
	opt.PagesOnly, opt.Unauthenticated = true, true
	if _, err := openBytes(src, opt); !errors.Is(err, ErrOptions) {
		t.Error("plain pages are copied with what their headers say:", err)
	}
}

// claims says which claims about values an opened file has for a column of its only row group.
func claims(t *testing.T, plain []byte, column int) map[string]bool {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(plain[len(plain)-8:]))
	meta, err := wholeRecord(plain[len(plain)-8-n : len(plain)-8])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{"key-value metadata": meta.has(fmKeyValue)}
	inGroup(func(rg record) record { out["sorting columns"] = rg.has(rgSorting); return rg })(meta)
	inChunk(column, func(cc record) record {
		out["column index"], out["offset index"] = cc.has(ccColumnIndexOffset), cc.has(ccOffsetIndexOffset)
		return cc
	})(meta)
	inMeta(column, func(m record) record {
		out["statistics"], out["what is not known"] = m.has(cmStatistics), m.has(16)
		return m
	})(meta)
	return out
}

// TestCTRPlaintextFooter: other writers do not make this combination as the format says it, so a file is re-signed here.
func TestCTRPlaintextFooter(t *testing.T) {
	b, err := os.ReadFile("testdata/encrypt_columns_and_footer_ctr.parquet.encrypted")
	if err != nil {
		t.Fatal(err)
	}
	keys := Keys{Footer: []byte(hostileFooterKey), Columns: map[string][]byte{
		"double_field": []byte("1234567890123450"), "float_field": []byte("1234567890123451"),
	}}
	opt := OpenOptions{Keys: keys, AllWithKeys: true, Unauthenticated: true}
	want, err := openBytes(b, opt)
	if err != nil {
		t.Fatal(err)
	}
	signed := signFooter(t, b)
	got, err := openBytes(signed, opt)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("outputs differ")
	}
	opt.Unauthenticated, opt.PlaintextParts = false, true
	if _, err := openBytes(signed, opt); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("accepted: %v", err)
	}
	opt.Unauthenticated = true
	start := int(binary.LittleEndian.Uint32(signed[len(signed)-8:]))
	for i := len(signed) - 8 - start; i < len(signed); i++ {
		signed[i] ^= 2
		if _, err := openBytes(signed, opt); err == nil {
			t.Errorf("byte %d of the signed footer changes unnoticed", i)
		}
		signed[i] ^= 2
	}
}

// signFooter makes a plaintext, signed footer of an encrypted one.
func signFooter(t *testing.T, b []byte) []byte {
	t.Helper()
	tl, err := splitTail(b, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := newBoxKey([]byte(hostileFooterKey))
	if err != nil {
		t.Fatal(err)
	}
	aad, err := tl.algorithm.aad(nil)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := tl.openFooter(key, aad)
	if err != nil {
		t.Fatal(err)
	}
	crypto, err := wholeRecord(tl.crypto)
	if err != nil {
		t.Fatal(err)
	}
	alg, _ := crypto.find(fcAlgorithm)
	footer := appendRecord(nil, meta.with(field{fmAlgorithm, wireStruct, alg.raw}))
	box := key.seal(nil, footer, aad.footer())
	footer = append(footer, box[lengthSize:lengthSize+nonceSize]...)
	footer = append(footer, box[len(box)-tagSize:]...)
	out := append([]byte(magicPlain), b[magicSize:tl.start]...)
	out = append(out, footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, magicPlain...)
}

// TestHostileTails: ends of files that nothing authenticates, of which none may cost more than its own size.
func TestHostileTails(t *testing.T) {
	crypto := appendRecord(nil, record{structField(fcAlgorithm, record{structField(algGCM, record{binaryField(aesFileUnique, []byte("unique"))})})})
	end := func(footer []byte, magic string) []byte {
		b := append([]byte(magic), footer...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
		return append(b, magic...)
	}
	list := func(n uint64) []byte { return binary.AppendUvarint([]byte{0x29, 0xfc}, n) } // field 2: a list of n structures
	algorithm := func(fs ...field) []byte {
		return append(appendRecord(nil, record{structField(fcAlgorithm, record(fs))}), make([]byte, 60)...)
	}
	for name, b := range map[string][]byte{
		"empty":                    nil,
		"magic alone":              []byte("PARE"),
		"two magics":               []byte("PAREPARE"),
		"no magic":                 make([]byte, 100),
		"length beyond":            append(append([]byte("PARE"), 0xff, 0xff, 0xff, 0xff), "PARE"...),
		"length over the head":     append(append([]byte("PARE"), 4, 0, 0, 0), "PARE"...),
		"list without end":         end(list(math.MaxInt32), magicPlain),
		"list beyond 32 bits":      end(list(math.MaxUint32), magicPlain),
		"deep nesting":             end(bytes.Repeat([]byte{0x1c}, 1<<20), magicPlain),
		"deep lists":               end(append([]byte{0x19}, bytes.Repeat([]byte{0x19}, 1<<20)...), magicPlain),
		"deep maps":                end(append([]byte{0x1b}, bytes.Repeat([]byte{1, 0xbb}, 1<<19)...), magicPlain),
		"long name":                end(append([]byte{0x18}, 0xff, 0xff, 0xff, 0xff, 0x07), magicPlain),
		"field twice":              end([]byte{0x15, 2, 0x05, 2, 2, 0}, magicPlain),
		"crypto metadata alone":    end(crypto, magicEncrypted),
		"footer without a tag":     end(append(slices.Clone(crypto), 5, 0, 0, 0, 1, 2, 3, 4, 5), magicEncrypted),
		"no algorithm":             end(append([]byte{0}, make([]byte, 60)...), magicEncrypted),
		"unknown algorithm":        end(algorithm(structField(5, nil)), magicEncrypted),
		"two algorithms":           end(algorithm(structField(algGCM, nil), structField(algCTR, nil)), magicEncrypted),
		"no identifier":            end(algorithm(structField(algGCM, nil)), magicEncrypted),
		"long identifier":          end(algorithm(structField(algGCM, record{binaryField(aesFileUnique, make([]byte, 2000))})), magicEncrypted),
		"unknown in crypto":        end(append(appendRecord(nil, record{binaryField(fcKeyMetadata, nil), binaryField(9, nil)}), make([]byte, 60)...), magicEncrypted),
		"prefix stored and not":    end(algorithm(structField(algGCM, record{binaryField(aesPrefix, []byte("p")), binaryField(aesFileUnique, []byte("u")), boolField(aesSupplyPrefix, true)})), magicEncrypted),
		"unknown in the algorithm": end(algorithm(structField(algGCM, record{binaryField(aesFileUnique, []byte("u")), boolField(4, true)})), magicEncrypted),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out, err := openBytes(b, hostileOptions())
			runtime.ReadMemStats(&after)
			if err == nil || out != nil {
				t.Error("opened")
			}
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrTampered) {
				t.Errorf("error is %v", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20+uint64(20*len(b)) {
				t.Errorf("%d bytes allocated for a file of %d", grown, len(b))
			}
			if in, err := Inspect(Bytes(b), int64(len(b))); (err == nil) == (in == nil) {
				t.Error("inspection and error")
			}
			if strings.HasPrefix(name, "crypto") || strings.HasPrefix(name, "footer") {
				return
			}
			if _, err := Inspect(Bytes(b), int64(len(b))); err == nil {
				t.Error("inspected")
			}
		})
	}
}

// However large pages are of which the beginning is read, little of them is kept.
func TestBegunPagesAreFew(t *testing.T) {
	for name, size := range map[string]int64{"small": 100, "large": 1 << 20, "larger than all that is kept": maxBegunBytes + 1} {
		var g begun
		opened := 0
		for at := range 80 {
			b, err := g.take(at, size, func(b []byte) error { opened++; return nil })
			if err != nil || int64(len(b)) != size {
				t.Fatal(len(b), err)
			}
			g.keep(at, b, false)
			held, spare := 0, 0
			for _, p := range g.pages {
				held += cap(p.clear)
			}
			for _, b := range g.free {
				spare += cap(b)
			}
			if held != g.bytes || spare != g.spare || max(held, spare) > maxBegunBytes || max(len(g.pages), len(g.free)) > maxBegun {
				t.Fatalf("%s: %d pages of %d bytes are kept, %d counted; %d bytes free, %d counted", name, len(g.pages), held, g.bytes, spare, g.spare)
			}
		}
		if kept := g.has(79); opened != 80 || kept != (size <= maxBegunBytes) {
			t.Errorf("%s: opened %d, the last is kept: %v", name, opened, kept)
		}
	}
}

// What is kept of pages is erased when it is no longer needed, and a view that forgot is read no more.
func TestViewForgets(t *testing.T) {
	v := &View{size: 1, plan: &Plan{}, pieces: []piece{{size: 1}}, known: [][]byte{{1}}}
	g := &v.begun
	var all [][]byte
	page := func(at int, size int64) []byte {
		b, err := g.take(at, size, func(b []byte) error {
			for i := range b {
				b[i] = 1
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
		return b
	}
	g.keep(0, page(0, 100), true)
	g.keep(1, page(1, 200), false) // in other memory than the first
	for at := range 2 * maxBegun {
		g.keep(at+2, page(at+2, 1<<20), false)
	}
	g.keep(1000, page(1000, maxBegunBytes+1), false)
	v.Forget()
	for i, b := range all {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("page %d is still there", i)
		}
	}
	if n, err := v.ReadAt(make([]byte, 1), 0); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if len(g.pages) > 0 || g.bytes != 0 || g.spare != 0 {
		t.Error("something is kept")
	}
}
