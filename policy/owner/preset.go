package owner

import (
	"embed"
	"errors"
	"slices"
	"strings"
	"time"
)

//go:embed presets/*.yaml
var presets embed.FS

// ErrPreset says that no preset has the name.
var ErrPreset = errors.New("owner: no such preset")

// Presets names what New knows, and the data set that each writes about unless told otherwise.
func Presets() map[string]string {
	return map[string]string{"competitors": "loans", "patients": "patients", "audience": "sales"}
}

// Draft fills a preset. Lists that are empty leave a word in capitals in their place, which no policy is accepted with.
type Draft struct {
	Preset       string    // required: one of Presets
	Dataset      string    // default: the preset's
	Analysts     []string  // fingerprints, or "any"
	Operators    []string  // fingerprints of hosts' operators
	Contributors []string  // fingerprints of the other owners of a pool
	Builds       []string  // digests of enclave builds
	Evidence     []string  // kinds that are accepted
	Perimeters   []string  // kinds that are accepted
	Partner      string    // party.dataset that may be joined
	From         time.Time // required: the first day in force; it ends after a year
}

// New writes a policy with comments.
func New(d Draft) ([]byte, error) {
	name, ok := Presets()[d.Preset]
	if !ok {
		return nil, ErrPreset
	}
	text, err := presets.ReadFile("presets/" + d.Preset + ".yaml")
	if err != nil {
		return nil, err
	}
	if d.Dataset != "" {
		name = d.Dataset
	}
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	fill := strings.NewReplacer(
		"dataset: DATASET", "dataset: "+name,
		"from: CONTRIBUTORS", "from: "+list(d.Contributors, "CONTRIBUTOR"),
		"analysts: ANALYSTS", "analysts: "+list(d.Analysts, "ANALYST"),
		"operators: OPERATORS", "operators: "+list(d.Operators, "OPERATOR"),
		"accept: EVIDENCE", "accept: "+list(d.Evidence, "EVIDENCE"),
		"builds: BUILDS", "builds: "+list(d.Builds, "BUILD"),
		"perimeters: PERIMETERS", "perimeters: "+list(d.Perimeters, "PERIMETER"),
		"with: PARTNER", "with: "+orElse(d.Partner, "PARTNER"),
		"from: FROM", "from: "+day(d.From),
		"until: UNTIL", "until: "+day(d.From.AddDate(1, 0, 0)),
	)
	return []byte(fill.Replace(string(text))), nil
}

func list(values []string, placeholder string) string {
	quoted := slices.Clone(values)
	for i, v := range quoted {
		if strings.Contains(v, ":") {
			quoted[i] = `"` + v + `"`
		}
	}
	return "[" + orElse(strings.Join(quoted, ", "), placeholder) + "]"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
