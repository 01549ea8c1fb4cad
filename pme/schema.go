package pme

import (
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// node is one element of the schema. Groups know where their subtree ends.
type node struct {
	element  record
	dotted   string // path from below the root
	end      int    // index behind the last element of its subtree
	children int
	leaf     int // ordinal of the column, -1 for groups
}

// leaf is one column.
type leaf struct {
	node              int
	path              []string
	dotted            string
	typ               int64
	physical, logical string
}

// schema is the tree of a file, flattened depth first as in the file.
type schema struct {
	nodes  []node
	leaves []leaf
	byPath map[string]int // index of the element of a dotted path
}

// parseSchema reads the schema of a FileMetaData. Paths must be unique: keys are named by them.
func parseSchema(meta record) (*schema, error) {
	items, ok, err := meta.list(fmSchema, wireStruct)
	if err != nil || !ok || len(items) < 2 || len(items) > maxSchemaNodes {
		return nil, malformed("schema")
	}
	p := schemaParser{items: items, s: &schema{byPath: make(map[string]int, len(items))}}
	if err := p.parse(nil, 0); err != nil {
		return nil, err
	}
	if len(p.s.nodes) != len(items) || len(p.s.leaves) > maxColumns {
		return nil, malformed("schema")
	}
	return p.s, nil
}

type schemaParser struct {
	items [][]byte
	s     *schema
}

// parse reads the next element and its subtree. path is its parent's.
func (p *schemaParser) parse(path []string, depth int) error {
	i := len(p.s.nodes)
	if i >= len(p.items) || depth > maxSchemaDepth {
		return malformed("schema")
	}
	el, err := wholeRecord(p.items[i])
	if err != nil {
		return malformed("schema")
	}
	children, err := el.optional(seNumChildren, wireI32)
	if err != nil || children > int64(len(p.items)) {
		return malformed("schema")
	}
	if depth > 0 {
		if path, err = p.named(path, el); err != nil {
			return err
		}
	}
	p.s.nodes = append(p.s.nodes, node{element: el, dotted: strings.Join(path, "."), children: int(children), leaf: -1})
	if children == 0 {
		err = p.leaf(i, path)
	} else if el.has(seType) {
		err = malformed("schema")
	}
	for range children {
		if err == nil {
			err = p.parse(path, depth+1)
		}
	}
	p.s.nodes[i].end = len(p.s.nodes)
	return err
}

func (p *schemaParser) named(path []string, el record) ([]string, error) {
	name, ok, err := el.binary(seName)
	if err != nil || !ok || !utf8.Valid(name) || len(name) == 0 {
		return nil, malformed("schema")
	}
	path = append(path[:len(path):len(path)], string(name))
	dotted := strings.Join(path, ".")
	if _, taken := p.s.byPath[dotted]; taken {
		return nil, unsupported("two columns of one name")
	}
	p.s.byPath[dotted] = len(p.s.nodes)
	return path, nil
}

func (p *schemaParser) leaf(i int, path []string) error {
	el := p.s.nodes[i].element
	typ, err := el.size(seType, wireI32)
	if err != nil || len(path) == 0 {
		return malformed("schema")
	}
	l := leaf{node: i, path: path, dotted: p.s.nodes[i].dotted, typ: typ}
	l.physical, l.logical = typeNames(typ, el)
	p.s.nodes[i].leaf = len(p.s.leaves)
	p.s.leaves = append(p.s.leaves, l)
	return nil
}

// typeNames puts a column's types into words, for people and offers. The bytes were measured before, so the library's
// decoder cannot be made to allocate more than they hold; what it does not know has no logical name.
func typeNames(typ int64, el record) (physical, logical string) {
	physical = format.Type(typ).String()
	var se format.SchemaElement
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), appendRecord(nil, el), &se); err != nil {
		return physical, ""
	}
	if logical = se.LogicalType.String(); logical == "" && se.ConvertedType.Valid {
		logical = convertedName(int(se.ConvertedType.V))
	}
	return physical, logical
}

// convertedName names the older annotation of a column, from before logical types.
func convertedName(t int) string {
	names := [...]string{"UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS",
		"TIMESTAMP_MILLIS", "TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32",
		"INT_64", "JSON", "BSON", "INTERVAL"}
	if t < 0 || t >= len(names) {
		return ""
	}
	return names[t]
}

// leavesUnder lists the columns that a dotted path stands for.
func (s *schema) leavesUnder(dotted string) []int {
	if i, ok := s.byPath[dotted]; ok {
		return s.leavesIn(i)
	}
	return nil
}

func (s *schema) leavesIn(i int) []int {
	var out []int
	for _, n := range s.nodes[i:s.nodes[i].end] {
		if n.leaf >= 0 {
			out = append(out, n.leaf)
		}
	}
	return out
}

// prune returns the schema elements that lead to the wanted columns, re-encoded with their new numbers of children.
func (s *schema) prune(want map[int]bool) [][]byte {
	var out [][]byte
	var walk func(i int)
	walk = func(i int) {
		n := s.nodes[i]
		at := len(out)
		out = append(out, nil)
		kept := int64(0)
		for j := i + 1; j < n.end; j = s.nodes[j].end {
			if s.wanted(j, want) {
				kept++
				walk(j)
			}
		}
		el := n.element
		if n.leaf < 0 {
			el = el.with(i32Field(seNumChildren, kept))
		}
		out[at] = appendRecord(nil, el)
	}
	walk(0)
	return out
}

// wanted says whether a subtree leads to a wanted column.
func (s *schema) wanted(i int, want map[int]bool) bool {
	for _, l := range s.leavesIn(i) {
		if want[l] {
			return true
		}
	}
	return false
}

// Annotations that give a group a meaning it loses when parts of it are left out.
const (
	convertedMap         = 1
	convertedMapKeyValue = 2
	convertedList        = 3
	logicalMap           = 2
	logicalList          = 3
	logicalVariant       = 16
)

// whole checks that the selection takes no map, variant or list element apart in a way that changes what the rest means.
func (s *schema) whole(want map[int]bool) error {
	for i := 1; i < len(s.nodes); i++ {
		n := s.nodes[i]
		if n.leaf >= 0 || !s.wanted(i, want) {
			continue
		}
		if !s.keepsMeaning(i, want) {
			return inColumn(n.dotted, &partError{"a part of it has no meaning alone", ErrColumns})
		}
	}
	return nil
}

func (s *schema) keepsMeaning(i int, want map[int]bool) bool {
	converted, logical := s.annotation(i)
	first := i + 1 // the repeated group of a list or map
	switch {
	case logical == logicalVariant:
		return s.kept(s.leavesIn(i), want)
	case converted == convertedMap || converted == convertedMapKeyValue || logical == logicalMap:
		return s.nodes[first].leaf >= 0 || s.keptChildren(first, want) == s.nodes[first].children
	case converted == convertedList || logical == logicalList:
		// A repeated group of several fields is the element itself; cut down to one it would read as a wrapper.
		return s.nodes[first].children < 2 || s.keptChildren(first, want) > 1
	}
	return true
}

func (s *schema) annotation(i int) (converted, logical int64) {
	converted, ok, err := s.nodes[i].element.number(seConverted, wireI32)
	if err != nil || !ok {
		converted = -1
	}
	if union, ok, err := s.nodes[i].element.nested(seLogical); err == nil && ok && len(union) == 1 {
		logical = int64(union[0].id)
	}
	return converted, logical
}

func (s *schema) kept(leaves []int, want map[int]bool) bool {
	for _, l := range leaves {
		if !want[l] {
			return false
		}
	}
	return true
}

func (s *schema) keptChildren(i int, want map[int]bool) int {
	kept := 0
	for j := i + 1; j < s.nodes[i].end; j = s.nodes[j].end {
		if s.wanted(j, want) {
			kept++
		}
	}
	return kept
}
