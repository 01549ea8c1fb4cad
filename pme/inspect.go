package pme

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"unicode"
	"unicode/utf8"
)

// Inspection is what a file shows to everyone, without any key. Nothing in it is verified.
type Inspection struct {
	// Size of the file, and of its footer with everything up to the end.
	Size       int64 `json:"size"`
	FooterSize int64 `json:"footer_size"`
	// Footer is "encrypted", "signed" (in clear, with a signature) or "plain" (the file uses no encryption).
	Footer string `json:"footer"`
	// Algorithm is "AES_GCM_V1", "AES_GCM_CTR_V1" or empty.
	Algorithm string `json:"algorithm,omitempty"`
	// AADPrefix is "stored", "supplied" (readers must have it) or "none"; empty without encryption.
	AADPrefix string `json:"aad_prefix,omitempty"`
	// StoredAADPrefix and FooterKeyMetadata as text; bytes that are not printable text as "hex:...".
	StoredAADPrefix   string `json:"stored_aad_prefix,omitempty"`
	FooterKeyMetadata string `json:"footer_key_metadata,omitempty"`
	// FileIdentifier is the random part of the file's AADs, in hexadecimal.
	FileIdentifier string `json:"file_identifier,omitempty"`
	// Modules can be counted and measured by anyone where everything in front of the footer is modules.
	Modules *VisibleModules `json:"modules,omitempty"`
	// Layout is what a Layout in clear tells.
	Layout *VisibleLayout `json:"layout,omitempty"`
	// The rest is in clear only with a footer in clear.
	Contents *VisibleContents `json:"contents,omitempty"`
}

// VisibleModules is what lengths in clear tell about encrypted modules.
type VisibleModules struct {
	Count   int64 `json:"count"`
	Largest int64 `json:"largest"`
}

// VisibleLayout is what a Layout tells: how many column chunks of which size there are.
type VisibleLayout struct {
	Columns   int `json:"columns"`
	RowGroups int `json:"row_groups"`
}

// VisibleContents is what a footer in clear tells.
type VisibleContents struct {
	Rows      int64    `json:"rows"`
	RowGroups int      `json:"row_groups"`
	CreatedBy string   `json:"created_by,omitempty"`
	Keys      []string `json:"key_value_keys,omitempty"`
	// Columns in schema order.
	Columns []VisibleColumn `json:"columns"`
}

// VisibleColumn is what a footer in clear tells about a column.
type VisibleColumn struct {
	Path     string `json:"path"`
	Physical string `json:"physical_type"`
	Logical  string `json:"logical_type,omitempty"`
	// Protection is "none", "footer key" or "column key", the weakest of its row groups.
	Protection  string `json:"protection"`
	KeyMetadata string `json:"key_metadata,omitempty"`
	// Statistics says that least and greatest values are in clear, in some row group.
	Statistics bool `json:"statistics_in_clear"`
	// Bytes of the column's pages in the file, as far as the footer says.
	Bytes int64 `json:"bytes"`
}

// Inspect reads what the format leaves in clear. It needs no key and verifies nothing.
func Inspect(src io.ReaderAt, size int64) (*Inspection, error) {
	end, err := readTail(src, size)
	if err != nil {
		return nil, err
	}
	t, err := splitTail(end, size)
	if err != nil {
		return nil, err
	}
	in := &Inspection{Size: size, FooterSize: size - t.start, Footer: "encrypted", FooterKeyMetadata: printable(t.keyMeta)}
	if a := t.algorithm; a != nil {
		in.describe(a)
	}
	if t.encrypted {
		l, start, err := layoutIn(src, t.start)
		if err != nil {
			return nil, err
		}
		if l != nil {
			in.Layout = &VisibleLayout{Columns: l.columns, RowGroups: len(l.chunks) / l.columns}
		}
		in.Modules, err = countModules(src, start)
		return in, err
	}
	if in.Footer = "signed"; t.algorithm == nil {
		in.Footer = "plain"
	}
	in.Contents, err = inspectContents(t)
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (in *Inspection) describe(a *algorithm) {
	in.Algorithm, in.AADPrefix = "AES_GCM_V1", "none"
	if a.ctr {
		in.Algorithm = "AES_GCM_CTR_V1"
	}
	if a.supplyPrefix {
		in.AADPrefix = "supplied"
	}
	if len(a.prefix) > 0 {
		in.AADPrefix, in.StoredAADPrefix = "stored", printable(a.prefix)
	}
	in.FileIdentifier = hex.EncodeToString(a.unique)
}

// countModules walks over the lengths in front of the footer. Where it does not come out at the footer, some of the file
// is not modules, and nothing is said.
func countModules(src io.ReaderAt, end int64) (*VisibleModules, error) {
	var v VisibleModules
	var head [lengthSize]byte
	pos := int64(magicSize)
	for pos < end {
		if end-pos < gcmOverhead-tagSize {
			return nil, nil
		}
		if n, err := src.ReadAt(head[:], pos); n != len(head) {
			return nil, readError(err)
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if n < nonceSize || n > end-pos-lengthSize {
			return nil, nil
		}
		v.Count, v.Largest = v.Count+1, max(v.Largest, n+lengthSize)
		pos += lengthSize + n
	}
	return &v, nil
}

func inspectContents(t *tail) (*VisibleContents, error) {
	sc, err := parseSchema(t.meta)
	if err != nil {
		return nil, err
	}
	groups, rows, err := parseRowGroups(t.meta, len(sc.leaves))
	if err != nil {
		return nil, err
	}
	v := &VisibleContents{Rows: rows, RowGroups: len(groups)}
	createdBy, _, err := t.meta.binary(fmCreatedBy)
	if err != nil {
		return nil, malformed("footer")
	}
	v.CreatedBy = printable(createdBy)
	pairs, err := keyValues(t.meta)
	if err != nil {
		return nil, err
	}
	for _, kv := range pairs {
		v.Keys = append(v.Keys, printable([]byte(kv.key)))
	}
	for i := range sc.leaves {
		col, err := inspectColumn(&sc.leaves[i], i, groups)
		if err != nil {
			return nil, inColumn(sc.leaves[i].dotted, err)
		}
		v.Columns = append(v.Columns, col)
	}
	return v, nil
}

func inspectColumn(l *leaf, i int, groups []rowGroup) (VisibleColumn, error) {
	v := VisibleColumn{Path: l.dotted, Physical: l.physical, Logical: l.logical}
	weakest := columnKeyed
	if len(groups) == 0 {
		weakest = plainColumn
	}
	for _, g := range groups {
		cc, err := columnChunk(nil, g.columns[i])
		if err != nil {
			return v, err
		}
		p, err := protectionOf(cc, *l)
		if err != nil {
			return v, err
		}
		weakest = min(weakest, p)
		if err := v.add(cc, p); err != nil {
			return v, err
		}
	}
	v.Protection = [...]string{plainColumn: "none", footerKeyed: "footer key", columnKeyed: "column key"}[weakest]
	return v, nil
}

// add notes what one chunk tells.
func (v *VisibleColumn) add(cc record, p protection) error {
	if p == columnKeyed {
		union, _, _ := cc.nested(ccCrypto)
		ck, _, _ := union.nested(cryptoColumnKey)
		b, _, err := ck.binary(ckKeyMetadata)
		if err != nil {
			return malformed("crypto metadata")
		}
		v.KeyMetadata = printable(b)
	}
	meta, ok, err := cc.nested(ccMetaData)
	if err != nil {
		return malformed("column metadata")
	}
	if !ok {
		return nil
	}
	n, err := meta.size(cmCompressedSize, wireI64)
	if err != nil || n > 1<<62-v.Bytes {
		return malformed("column metadata")
	}
	v.Bytes += n
	v.Statistics = v.Statistics || meta.has(cmStatistics) || p == plainColumn && cc.has(ccColumnIndexOffset)
	return nil
}

// printable turns bytes of the file into text that is safe to show.
func printable(b []byte) string {
	ok := utf8.Valid(b)
	for _, r := range string(b) {
		ok = ok && unicode.IsPrint(r)
	}
	if !ok {
		return "hex:" + hex.EncodeToString(b)
	}
	return string(b)
}
