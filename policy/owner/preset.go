package owner

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
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
	Builds       []string  // digests of enclave builds, or names that a file of builds resolves
	Evidence     []string  // kinds that are accepted; those of hardware bring what their machines must be
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
		"MACHINES\n", d.machines(),
		"with: PARTNER", "with: "+orElse(d.Partner, "PARTNER"),
		"from: FROM", "from: "+day(d.From),
		"until: UNTIL", "until: "+day(d.From.AddDate(1, 0, 0)),
	)
	return []byte(fill.Replace(string(text))), nil
}

// machines is the evidence section. The values for hardware are strict ones of the time of writing: an owner keeps them up to date.
func (d Draft) machines() string {
	accept, builds, perimeters := list(d.Evidence, "EVIDENCE"), list(d.Builds, "BUILD"), list(d.Perimeters, "PERIMETER")
	intel, amd := evidence.Needs(d.Evidence)
	if !intel && !amd {
		return fmt.Sprintf("evidence: {accept: %s, builds: %s, perimeters: %s}\n", accept, builds, perimeters)
	}
	out := fmt.Sprintf("evidence:\n  accept: %s\n  builds: %s\n  perimeters: %s\n", accept, builds, perimeters)
	if intel {
		out += intelMachines
	}
	if amd {
		out += amdMachines
	}
	return out
}

const intelMachines = `  # Intel's word on the machine. Many that are well kept are SWHardeningNeeded, with advisories that name what the program must do
  # about it: accept them one by one, by "advisories: [INTEL-SA-00615]".
  tcb_status: [UpToDate]
  # The TCB level and the collateral may not be older: raise both when Intel publishes what matters to you.
  min_tcb_date: 2024-11-13
  min_tcb_evaluation: 18
`

const amdMachines = `  # The least firmware, by line of processors: AMD's bulletin SB-3019. A line that is not listed is refused.
  min_tcb_snp:
    milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}
    genoa: {bootloader: 10, tee: 0, snp: 23, microcode: 84}
`

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
