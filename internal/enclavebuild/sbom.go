package enclavebuild

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
)

// bom is a CycloneDX 1.6 bill of materials, as far as one is needed here. It has no serial number and no time: the same build
// gives the same bytes.
type bom struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Tools struct {
		Components []component `json:"components"`
	} `json:"tools"`
	Component component `json:"component"`
}

type component struct {
	Type       string      `json:"type"`
	Ref        string      `json:"bom-ref,omitempty"`
	Name       string      `json:"name"`
	Version    string      `json:"version,omitempty"`
	PURL       string      `json:"purl,omitempty"`
	Hashes     []hash      `json:"hashes,omitempty"`
	Properties []property  `json:"properties,omitempty"`
	Components []component `json:"components,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// sumProperty has the hash of go.sum: of a module's whole content, by the rules of golang.org/x/mod/sumdb/dirhash.
const sumProperty = "cordon:go.sum"

// newBOM lists the Go modules of a program and what else the linker read.
func newBOM(program File, m *Manifest, modules []*debug.Module, inputs []input) ([]byte, error) {
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1}
	b.Metadata.Component = component{
		Type: "application", Ref: program.Name, Name: program.Name, Version: m.Source.Commit,
		Hashes: []hash{{"SHA-256", strings.TrimPrefix(string(program.Digest), "sha256:")}},
	}
	b.Metadata.Tools.Components = []component{
		{Type: "application", Name: "go", Version: strings.TrimPrefix(m.Go.Version, "go")},
		{Type: "application", Name: m.Compiler}, {Type: "application", Name: m.Linker},
	}
	b.Components = append(b.Components, component{
		Type: "library", Ref: "pkg:golang/std@" + strings.TrimPrefix(m.Go.Version, "go"), Name: "std", Version: strings.TrimPrefix(m.Go.Version, "go"),
		PURL: "pkg:golang/std@" + strings.TrimPrefix(m.Go.Version, "go"),
	})
	b.Components = append(b.Components, modulesOf(modules, inputs)...)
	b.Components = append(b.Components, packagesOf(inputs)...)
	root := dependency{Ref: program.Name}
	for _, c := range b.Components {
		root.DependsOn = append(root.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{root}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(b)
	return out.Bytes(), err
}

// modulesOf: each with its hash of go.sum, and the archives of it that were linked.
func modulesOf(modules []*debug.Module, inputs []input) []component {
	var out []component
	for _, m := range modules {
		version := m.Version
		c := component{Type: "library", Name: m.Path, Version: version, PURL: "pkg:golang/" + m.Path + "@" + url.QueryEscape(version)}
		c.Ref = c.PURL
		c.Properties = []property{{sumProperty, m.Sum}}
		for _, in := range inputs {
			if in.module == m.Path+"@"+version {
				c.Components = append(c.Components, fileComponent(c.Ref, in))
			}
		}
		out = append(out, c)
	}
	return out
}

func packagesOf(inputs []input) []component {
	var out []component
	for _, in := range inputs {
		if in.module != "" {
			continue
		}
		ref := "pkg:deb/debian/" + in.pack.name + "@" + url.QueryEscape(in.pack.version) + "?arch=" + in.pack.arch
		at := slices.IndexFunc(out, func(c component) bool { return c.Ref == ref })
		if at < 0 {
			at = len(out)
			out = append(out, component{
				Type: "library", Ref: ref, Name: in.pack.name, Version: in.pack.version, PURL: ref,
				Properties: []property{{"cordon:debian-source", in.pack.source}},
			})
		}
		out[at].Components = append(out[at].Components, fileComponent(ref, in))
	}
	return out
}

func fileComponent(of string, in input) component {
	return component{Type: "file", Ref: of + "#" + in.name, Name: path.Base(in.name), Hashes: []hash{{"SHA-256", in.digest}}}
}

// strayInputs are of a module that is not in the program: Go says nothing of their hash.
func strayInputs(modules []*debug.Module, inputs []input) bool {
	for _, in := range inputs {
		if in.module != "" && !slices.ContainsFunc(modules, func(m *debug.Module) bool { return in.module == m.Path+"@"+m.Version && m.Sum != "" }) {
			return true
		}
	}
	return false
}
