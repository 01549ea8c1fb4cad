package cli

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/policy/owner"
	"github.com/cordon-exchange/cordon/statement"
)

// NewPolicyCommand makes `cordon policy` with its verbs. They need no agent: a policy is a file.
func NewPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Write policies, check them, and read what they permit"}
	cmd.AddCommand(newPolicyCheck(), newPolicyExplain(), newPolicyNew(), newPolicySchema())
	return cmd
}

// checked is what there is to say of one file.
type checked struct {
	File    string `json:"file"`
	Valid   bool   `json:"valid"`
	Dataset string `json:"dataset,omitempty"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func newPolicyCheck() *cobra.Command {
	var asJSON bool
	var builds string
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Say whether policies are well formed, and where not",
		Long: `Read policies as publishing does, and say for each whether it is valid, or line, column
and what to do. - is standard input. Whether it fits the columns of a table, publishing
says.

evidence.builds may list published names of builds beside digests. Which build a name
means is in a file of lines "sha256:... NAME": --builds, or builds.txt beside the policy.
Publishing writes the digests into the policy that it signs. An unknown name is refused.

Exit codes: 0 all are valid, 2 usage, 3 a file can't be read or is not valid.`,
		Example: `  cordon policy check policy.yaml
  cordon policy check policies/*.yaml --json
  cordon policy check policy.yaml --builds published-builds.txt`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return policyCheck(cmd, args, builds, asJSON) },
	}
	buildsFlag(cmd, &builds)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func policyCheck(cmd *cobra.Command, files []string, builds string, asJSON bool) error {
	var all []checked
	bad := 0
	for _, f := range files {
		text, err := readResolved(cmd, f, builds)
		c := checkPolicy(f, text, err)
		if c == nil {
			return err
		}
		if !c.Valid {
			bad++
		}
		all = append(all, *c)
	}
	var err error
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), map[string][]checked{"policies": all})
	} else {
		err = writeChecked(cmd.OutOrStdout(), all)
	}
	if err == nil && bad > 0 {
		err = fault.New(fault.Input, fmt.Sprintf("%d of %d policies not valid", bad, len(all)), "correct the places above; docs/policy.md has examples", nil)
	}
	return err
}

// checkPolicy parses what was read, if it was; nil for a file that was not.
func checkPolicy(file string, text []byte, err error) *checked {
	var p *policy.Policy
	if err == nil {
		p, err = policy.Parse(text)
	}
	var s *policy.SyntaxError
	switch {
	case errors.As(err, &s):
		return &checked{File: file, Line: s.Line, Col: s.Col, Error: s.Msg, Hint: s.Hint}
	case err != nil:
		return nil
	}
	return &checked{File: file, Valid: true, Dataset: p.Dataset()}
}

func writeChecked(w io.Writer, all []checked) error {
	for _, c := range all {
		text := fmt.Sprintf("%s: valid, for data set %s\n", c.File, c.Dataset)
		if !c.Valid {
			text = fmt.Sprintf("%s:%d:%d: %s\n  hint: %s\n", c.File, c.Line, c.Col, c.Error, c.Hint)
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// readPolicyFile reads a file, or standard input for "-".
func readPolicyFile(cmd *cobra.Command, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPolicy))
	}
	b, err := readBounded(path, maxPolicy)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the policy", "check its path", err)
	}
	return b, nil
}

func newPolicyExplain() *cobra.Command {
	var asJSON bool
	var builds string
	cmd := &cobra.Command{
		Use:   "explain FILE",
		Short: "Say in plain words what a policy permits and what it does not promise",
		Long: `Say what may be asked under a policy, what each number that leaves must satisfy, what
never leaves, what is not promised, the budget, who may ask, where, and until when. It
follows from the file alone. - is standard input.

Exit codes: 0 done, 2 usage, 3 the file can't be read or is not valid.`,
		Example: `  cordon policy explain policy.yaml
  cordon policy new --preset patients | cordon policy explain -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readResolved(cmd, args[0], builds)
			c := checkPolicy(args[0], text, err)
			if c == nil {
				return err
			}
			if !c.Valid {
				return fault.New(fault.Input, fmt.Sprintf("%s:%d:%d: %s", c.File, c.Line, c.Col, c.Error), c.Hint, nil)
			}
			p, err := policy.Parse(text)
			if err != nil {
				return err
			}
			e := owner.Explain(p)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), e)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), e.Text())
			return err
		},
	}
	buildsFlag(cmd, &builds)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type newFlags struct {
	draft owner.Draft
	from  string
	json  bool
}

func newPolicyNew() *cobra.Command {
	var f newFlags
	cmd := &cobra.Command{
		Use:   "new --preset NAME",
		Short: "Print a policy with comments to begin with",
		Long: `Print a policy with comments, to be made one's own: competitors (pooled data, a lattice),
patients (noise and a budget), audience (two parties that trust each other join). What no
flag fills stands as a word in capitals, which 'policy check' points at. --evidence of a
kind of hardware writes what its machines must be, in strict values to be kept up to date.

The numbers of a preset are a beginning, no advice: the one for competitors follows a
"safety zone" that the US antitrust agencies withdrew in 2023.

Exit codes: 0 done, 2 usage.`,
		Example: `  cordon policy new --preset competitors --dataset loans > policy.yaml
  cordon policy new --preset audience --partner media.views --analyst cordon1… --operator cordon1… \
    --build sha256:… --evidence simulated --perimeter process
  cordon policy new --preset patients --evidence tdx-dcap --evidence snp --perimeter tdx --build cordon-1.0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return policyNew(cmd, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.draft.Preset, "preset", "", "competitors, patients or audience (required)")
	fl.StringVar(&f.draft.Dataset, "dataset", "", "name of the data set; default an example's")
	fl.StringArrayVar(&f.draft.Analysts, "analyst", nil, "fingerprint of who may ask, or any (repeatable)")
	fl.StringArrayVar(&f.draft.Operators, "operator", nil, "fingerprint of a hosts' operator (repeatable)")
	fl.StringArrayVar(&f.draft.Contributors, "contributor", nil, "fingerprint of another owner of the pool (repeatable)")
	fl.StringArrayVar(&f.draft.Builds, "build", nil, "digest of an enclave build, or its published name (repeatable)")
	fl.StringArrayVar(&f.draft.Evidence, "evidence", nil, "kind of evidence that is accepted (repeatable)")
	fl.StringArrayVar(&f.draft.Perimeters, "perimeter", nil, "kind of perimeter that is accepted (repeatable)")
	fl.StringVar(&f.draft.Partner, "partner", "", "PARTY.DATASET that may be joined")
	fl.StringVar(&f.from, "from", "", "first day in force, as 2026-01-01; default today; it ends after a year")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func policyNew(cmd *cobra.Command, f newFlags) error {
	if err := f.valid(); err != nil {
		return err
	}
	f.draft.From = time.Now()
	if f.from != "" {
		var err error
		if f.draft.From, err = time.Parse(time.DateOnly, f.from); err != nil {
			return fault.New(fault.Usage, "--from is not a date", "write it as 2026-01-01", nil)
		}
	}
	text, err := owner.New(f.draft)
	if errors.Is(err, owner.ErrPreset) {
		return fault.New(fault.Usage, fmt.Sprintf("no such preset: %.80q", f.draft.Preset), "give --preset competitors, patients or audience", nil)
	}
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), map[string]string{"preset": f.draft.Preset, "policy": string(text)})
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

var (
	isWord      = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`).MatchString
	isBuildName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,63}$`).MatchString
	isPartner   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,31}$`).MatchString
)

// valid refuses values that a policy could not hold: they are written into it as they are.
func (f *newFlags) valid() error {
	isParty := func(s string) bool { return statement.Fingerprint(s).Valid() }
	isAnalyst := func(s string) bool { return s == policy.Any || isParty(s) }
	isBuild := func(s string) bool { return statement.Digest(s).Valid() || isBuildName(s) }
	one := func(s string) []string { return []string{s} }
	for _, c := range []struct {
		flag   string
		values []string
		valid  func(string) bool
		hint   string
	}{
		{"analyst", f.draft.Analysts, isAnalyst, "a fingerprint, as 'cordon party show' prints it, or any"},
		{"operator", f.draft.Operators, isParty, "a fingerprint, as 'cordon party show' prints it"},
		{"contributor", f.draft.Contributors, isParty, "a fingerprint, as 'cordon party show' prints it"},
		{"build", f.draft.Builds, isBuild, "a digest, as 'cordon host serve' prints it, or a published name"},
		{"evidence", f.draft.Evidence, isWord, "a word, as simulated"},
		{"perimeter", f.draft.Perimeters, isWord, "a word, as process"},
		{"dataset", one(f.draft.Dataset), func(s string) bool { return s == "" || statement.ValidName(s) }, "lower-case letters, digits and _"},
		{"partner", one(f.draft.Partner), func(s string) bool { return s == "" || isPartner(s) }, "PARTY.DATASET"},
	} {
		for _, v := range c.values {
			if !c.valid(v) {
				return fault.New(fault.Usage, fmt.Sprintf("--%s can't be %.80q", c.flag, v), c.hint, nil)
			}
		}
	}
	return nil
}

func newPolicySchema() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of policy files, for editors",
		Long: `Print a JSON Schema (draft 2020-12) of policy files, for editors that complete and check
YAML. It refuses nothing that is valid; 'policy check' sees more.

Exit codes: 0 done, 2 usage.`,
		Example: `  cordon policy schema > policy.schema.json
  # yaml-language-server: $schema=policy.schema.json   (as the first line of the policy)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(owner.Schema())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the schema is JSON with and without it")
	return cmd
}
