package policy

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// reader walks a YAML tree and keeps the first fault. After a fault every method returns zero values, and Parse refuses.
type reader struct {
	err     *SyntaxError
	what    string // the file is
	maxText int    // bytes of one text
}

func (r *reader) fail(n *yaml.Node, msg, hint string) {
	if r.err != nil {
		return
	}
	p := Pos{Line: 1, Col: 1}
	if n != nil && n.Line > 0 {
		p = Pos{Line: n.Line, Col: n.Column}
	}
	r.err = &SyntaxError{Pos: p, Msg: msg, Hint: hint}
}

// document parses one YAML document whose nodes are plain: no anchors, aliases, tags or merge keys.
func (r *reader) document(src []byte) *yaml.Node {
	if len(src) > maxPolicyBytes {
		r.fail(nil, r.what+" is larger than 256 KiB", "split the data set, or list fewer values")
		return nil
	}
	if !utf8.Valid(src) || bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		r.fail(nil, r.what+" is not UTF-8 without byte order mark", "save the file as UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		r.yamlFault(err)
		return nil
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		r.fail(&more, "more than one YAML document", "keep one "+r.what+" in a file")
		return nil
	}
	r.plain(&doc, 0)
	if r.err != nil || len(doc.Content) != 1 {
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func (r *reader) yamlFault(err error) {
	at := &yaml.Node{Line: 1, Column: 1}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
	}
	msg := r.what + " is empty"
	if !errors.Is(err, io.EOF) {
		msg = "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
	}
	r.fail(at, msg, "check indentation, brackets and quotes at this line")
}

func (r *reader) plain(n *yaml.Node, depth int) {
	switch {
	case depth > maxPolicyDepth:
		r.fail(n, "nested too deeply", "the format has no such depth")
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.fail(n, "anchors and aliases are not allowed", "write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(n, "explicit tags are not allowed", "write the plain value, in quotes if it is text")
	case n.Kind == yaml.ScalarNode && len(n.Value) > r.maxText:
		r.fail(n, "text is longer than "+strconv.Itoa(r.maxText)+" bytes", "the format has no text of such length")
	}
	for _, c := range n.Content {
		if r.err != nil {
			return
		}
		r.plain(c, depth+1)
	}
}

// section is a mapping whose keys are known, each at most once.
type section struct {
	node *yaml.Node
	vals map[string]*yaml.Node
	keys map[string]*yaml.Node
}

// section reads a mapping that may hold the named keys and no other.
func (r *reader) section(n *yaml.Node, what string, known ...string) section {
	s := r.mapping(n, what)
	for _, k := range sortedKeys(s.keys) {
		if !contains(known, k) {
			r.fail(s.keys[k], "unknown key "+strconv.Quote(k)+" in "+what, "known here: "+strings.Join(known, ", "))
		}
	}
	return s
}

// mapping reads a mapping with free keys.
func (r *reader) mapping(n *yaml.Node, what string) section {
	s := section{node: n, vals: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}}
	if r.err != nil {
		return s
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, what+" must be a mapping", "write key: value lines, or {key: value}")
		return s
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag != "!!str" {
			r.fail(k, "keys must be plain text", "put the key in quotes")
			return s
		}
		if _, dup := s.vals[k.Value]; dup {
			r.fail(k, "key "+strconv.Quote(k.Value)+" is there twice", "keep one of them")
			return s
		}
		s.vals[k.Value], s.keys[k.Value] = n.Content[i+1], k
	}
	return s
}

// need returns a value that must be there.
func (r *reader) need(s section, key, hint string) *yaml.Node {
	v := s.vals[key]
	if v == nil {
		r.fail(s.node, key+" is missing", hint)
	}
	return v
}

func (r *reader) text(n *yaml.Node, what string) string {
	if r.err != nil || n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || n.Value == "" {
		r.fail(n, what+" must be text", "put it in quotes")
		return ""
	}
	return n.Value
}

var isPlainInt = pattern(`^(0|-?[1-9][0-9]*)$`)

func (r *reader) integer(n *yaml.Node, what string, lo, hi int64) int64 {
	if r.err != nil || n == nil {
		return 0
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Style != 0 || !isPlainInt(n.Value) || err != nil || v < lo || v > hi {
		r.fail(n, what+" must be a whole number from "+strconv.FormatInt(lo, 10)+" to "+strconv.FormatInt(hi, 10), "write it in plain digits")
		return 0
	}
	return v
}

func (r *reader) boolean(n *yaml.Node, what string) bool {
	if r.err != nil || n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || (n.Value != "true" && n.Value != "false") {
		r.fail(n, what+" must be true or false", "write it without quotes")
		return false
	}
	return n.Value == "true"
}

// items reads a list that is not empty.
func (r *reader) items(n *yaml.Node, what string) []*yaml.Node {
	if r.err != nil || n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, what+" must be a list", "write [a, b]")
		return nil
	}
	if len(n.Content) == 0 {
		r.fail(n, what+" is empty", "an empty list refuses everything; name what is allowed")
		return nil
	}
	return n.Content
}

// texts reads a list of distinct texts, each of which valid accepts.
func (r *reader) texts(n *yaml.Node, what string, valid func(string) bool, hint string) []string {
	var out []string
	seen := map[string]bool{}
	items := r.items(n, what)
	if len(items) > maxList {
		r.fail(n, what+" has more than 1024 entries", "name fewer, or leave the list for another policy")
		return nil
	}
	for _, c := range items {
		t := r.text(c, "each of "+what)
		if r.err != nil {
			return nil
		}
		if !valid(t) {
			r.fail(c, "not allowed in "+what+": "+strconv.Quote(t), hint)
			return nil
		}
		if seen[t] {
			r.fail(c, strconv.Quote(t)+" is there twice in "+what, "keep one of them")
			return nil
		}
		seen[t] = true
		out = append(out, t)
	}
	return out
}
