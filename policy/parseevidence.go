package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-exchange/cordon/evidence"
)

// DebugAllowed is what debug must say: what accepting such an enclave means. There is no other value.
const DebugAllowed = "host-can-read-enclave-memory"

var (
	isAdvisory  = pattern(`^[A-Z][A-Z0-9-]{0,63}$`)
	isBuildName = pattern(`^[a-z][a-z0-9._-]{0,63}$`)
)

// Keys about the machine, by the vendor whose kinds need them.
var (
	intelKeys = []string{"tcb_status", "min_tcb_date", "min_tcb_evaluation", "advisories"}
	amdKeys   = []string{"min_tcb_snp"}
)

func (r *reader) evidence(n *yaml.Node, p *Policy) {
	if r.err != nil {
		return
	}
	s := r.section(n, "evidence", append(append([]string{"accept", "builds", "perimeters", "debug"}, intelKeys...), amdKeys...)...)
	p.evidence = Evidence{
		Accept:     r.texts(r.need(s, "accept", "accept: [simulated] or kinds of real hardware"), "accept", isKind, "kinds are "+strings.Join(kinds(), ", ")),
		Builds:     r.texts(r.need(s, "builds", "builds: [sha256:...] names the enclave builds that get keys"), "builds", isDigest, "a digest is sha256: and 64 hex digits; a published name needs a file that says which build it is: see 'cordon policy check --help'"),
		Perimeters: r.texts(r.need(s, "perimeters", "perimeters: [process] names the kinds of perimeter"), "perimeters", isWord, "use lower-case letters, digits and -"),
		Debug:      r.debug(s.vals["debug"]),
	}
	if r.err != nil {
		return
	}
	intel, amd := evidence.Needs(p.evidence.Accept)
	r.idle(s, intel, "Intel", intelKeys)
	r.idle(s, amd, "AMD", amdKeys)
	if intel {
		r.intel(s, &p.evidence)
	}
	if amd {
		p.evidence.MinTCBSNP = r.minSNP(r.need(s, "min_tcb_snp", "min_tcb_snp: {milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}} is the least TCB that AMD's machines may report; it is required for "+evidence.SNP))
	}
}

// kinds that a policy can accept.
func kinds() []string {
	return []string{evidence.SGX, evidence.TDX, evidence.SNP, evidence.Nitro, evidence.AzureSNP, evidence.AzureTDX, evidence.TPMSoftware, evidence.Simulated}
}

func isKind(s string) bool { return contains(kinds(), s) }

// debug is absent, or says what it means.
func (r *reader) debug(n *yaml.Node) bool {
	if n == nil || r.err != nil {
		return false
	}
	if t := r.text(n, "debug"); r.err == nil && t != DebugAllowed {
		r.fail(n, "not a value of debug: "+fmt.Sprintf("%.80q", t), "leave debug out; debug: "+DebugAllowed+" accepts enclaves that protect nothing from their host")
	}
	return r.err == nil
}

// idle refuses keys that would seem to demand something, and don't.
func (r *reader) idle(s section, used bool, vendor string, keys []string) {
	for _, k := range keys {
		if at := s.keys[k]; at != nil && !used {
			r.fail(at, k+" is about machines of "+vendor+", and no kind of theirs is accepted", "remove it, or add the kind to accept")
		}
	}
}

func (r *reader) intel(s section, e *Evidence) {
	statuses := evidence.IntelStatuses()
	e.TCBStatus = r.texts(r.need(s, "tcb_status", "tcb_status: [UpToDate] names Intel's words on a machine that are accepted; it is required for kinds of Intel's"), "tcb_status",
		func(t string) bool { return contains(statuses, t) }, "Intel's words are "+strings.Join(statuses, ", "))
	e.MinTCBDate = r.date(r.need(s, "min_tcb_date", "min_tcb_date: 2024-11-13, the oldest TCB level of Intel's that is accepted; it is required for kinds of Intel's"), "min_tcb_date")
	e.MinTCBEvaluation = r.integer(r.need(s, "min_tcb_evaluation", "min_tcb_evaluation: 18, the earliest tcbEvaluationDataNumber of Intel's that is accepted; it is required for kinds of Intel's"),
		"min_tcb_evaluation", 1, math.MaxInt32)
	if n := s.vals["advisories"]; n != nil {
		e.Advisories = r.texts(n, "advisories", isAdvisory, "an advisory is as INTEL-SA-00615")
	}
}

// minSNP reads the least TCB of each line of processors. A line without entry is refused, and so is one that lacks a component.
func (r *reader) minSNP(n *yaml.Node) map[string]map[string]uint8 {
	if r.err != nil || n == nil {
		return nil
	}
	lines := evidence.AMDLines()
	var known []string
	for line := range lines {
		known = append(known, strings.ToLower(line))
	}
	slices.Sort(known)
	s := r.section(n, "min_tcb_snp", known...)
	if r.err == nil && len(s.keys) == 0 {
		r.fail(n, "min_tcb_snp is empty", "name at least one line of processors: "+strings.Join(known, ", "))
	}
	out := map[string]map[string]uint8{}
	for line, components := range lines {
		if v := s.vals[strings.ToLower(line)]; v != nil && r.err == nil {
			out[line] = r.least(v, strings.ToLower(line), components)
		}
	}
	return out
}

func (r *reader) least(n *yaml.Node, line string, components []string) map[string]uint8 {
	s := r.section(n, line, components...)
	out := map[string]uint8{}
	for _, c := range components {
		out[c] = uint8(r.integer(r.need(s, c, c+": 0, the least version of this part of the firmware"), c, 0, math.MaxUint8))
	}
	return out
}

// ResolveBuilds writes digests in the place of published names of builds in a policy's evidence section: what is published and signed
// says which program, and not what somebody calls it. A name that is not in builds is refused. Nothing else in the text changes, and
// whether the rest is a policy is for Parse to say.
func ResolveBuilds(text []byte, builds map[string]string) ([]byte, error) {
	if len(text) > maxPolicyBytes {
		return text, nil // Parse refuses it
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil {
		return text, nil
	}
	names := buildNames(&doc)
	for _, n := range slices.Backward(names) {
		digest, ok := builds[n.Value]
		if !ok || !isDigest(digest) {
			return nil, &SyntaxError{Pos: Pos{Line: n.Line, Col: n.Column}, Msg: "no build is known as " + fmt.Sprintf("%q", n.Value),
				Hint: "write its digest, or name a file of lines 'sha256:... NAME' with --builds"}
		}
		at := offset(text, n.Line, n.Column)
		quoted := false
		for _, q := range []string{`"`, `'`} {
			quoted = quoted || strings.HasPrefix(string(text[at:]), q+n.Value+q)
		}
		end := at + len(n.Value)
		if quoted {
			end += 2
		}
		if !quoted && !strings.HasPrefix(string(text[at:]), n.Value) {
			return nil, &SyntaxError{Pos: Pos{Line: n.Line, Col: n.Column}, Msg: "a name of a build is not written plainly", Hint: "write it without escapes"}
		}
		text = slices.Concat(text[:at], []byte(`"`+digest+`"`), text[end:])
	}
	return text, nil
}

// buildNames are the entries of evidence.builds that have the form of a name, in the order of the text.
func buildNames(doc *yaml.Node) (out []*yaml.Node) {
	if len(doc.Content) != 1 {
		return nil
	}
	list := child(child(doc.Content[0], "evidence"), "builds")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	for _, n := range list.Content {
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && isBuildName(n.Value) {
			out = append(out, n)
		}
	}
	return out
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// offset of a place, whose column counts characters, in the text.
func offset(text []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		at += strings.IndexByte(string(text[at:]), '\n') + 1
	}
	for i := range string(text[at:]) {
		if column--; column == 0 {
			return at + i
		}
	}
	return len(text)
}
