package cli

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

//go:embed terms/preset.yaml
var termsPreset []byte

//go:embed terms/schema.json
var termsSchema []byte

// NewTermsCommand makes `cordon terms` with its verbs. They need no agent: terms are a file.
func NewTermsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "terms", Short: "Write terms of an offer, and check them against its policy"}
	cmd.AddCommand(newTermsNew(), newTermsCheck(), newTermsSchema())
	return cmd
}

func newTermsNew() *cobra.Command {
	return printed("new", "Print terms with comments to begin with", "Print terms with comments, to be made one's own.", "cordon terms new > terms.yaml", termsPreset)
}

func newTermsSchema() *cobra.Command {
	return printed("schema", "Print a JSON Schema of terms, for editors",
		"Print a JSON Schema (draft 2020-12) of terms, for editors that complete and check YAML.\n'terms check' sees more.", "cordon terms schema > terms.schema.json", termsSchema)
}

func printed(use, short, long, example string, text []byte) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long + "\n\nExit codes: 0 done, 2 usage.", Example: "  " + example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && use == "new" {
				return printJSON(cmd.OutOrStdout(), map[string]string{"terms": string(text)})
			}
			_, err := cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newTermsCheck() *cobra.Command {
	var asJSON bool
	var policyFile, builds string
	cmd := &cobra.Command{
		Use:   "check FILE --policy FILE",
		Short: "Say whether terms are well formed and within a policy, and where not",
		Long: `Read terms as publishing does, beside the policy that they go with, and say whether they
are valid, or line, column and what to do.

Exit codes: 0 valid, 2 usage, 3 a file can't be read or is not valid.`,
		Example: `  cordon terms check terms.yaml --policy policy.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if policyFile == "" {
				return fault.New(fault.Usage, "no policy given", "give --policy FILE", nil)
			}
			text, err := readResolved(cmd, policyFile, builds)
			if err != nil {
				return policyFault(policyFile, err)
			}
			_, t, err := readTerms(args[0], text)
			if err != nil {
				return policyFault(args[0], err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), t)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: valid, access by %s\n", args[0], t.Access)
			return err
		},
	}
	cmd.Flags().StringVar(&policyFile, "policy", "", "policy file that the terms go with (required)")
	buildsFlag(cmd, &builds)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// readTerms reads a file of terms, and checks it against the text of a policy.
func readTerms(path string, policyText []byte) ([]byte, *statement.Terms, error) {
	text, err := readBounded(path, maxPolicy)
	if err != nil {
		return nil, nil, fault.New(fault.Input, "can't read the terms", "check the path", err)
	}
	p, err := policy.Parse(policyText)
	if err != nil {
		return nil, nil, fault.New(fault.Input, "the policy is not valid", "see 'cordon policy check'", err)
	}
	t, err := policy.ParseTerms(text, p)
	return text, t, err
}

// writeTerms prints terms for people; none print nothing.
func writeTerms(w io.Writer, terms *statement.Terms) error {
	if terms == nil {
		return nil
	}
	t := newTable(w)
	for _, n := range []struct {
		of    int64
		label string
		text  string
	}{
		{terms.PerDay, "per day", "credits for each day (UTC) with a query under one contract"},
		{terms.Flat, "flat", "credits for one contract, with its first query"},
		{terms.OfContract, "quota", "queries under one contract"},
		{terms.OfMonth, "quota", "queries of one organisation in a calendar month (UTC)"},
	} {
		if n.of > 0 {
			t.row(n.label, fmt.Sprintf("%d %s", n.of, n.text))
		}
	}
	for _, p := range terms.Purposes {
		t.row("purpose", p)
	}
	for _, s := range terms.Statistics {
		text := ""
		if s.Distinct > 0 {
			text = fmt.Sprintf("at most %d different values ", s.Distinct)
		}
		if s.MinYear > 0 {
			text += fmt.Sprintf("from %d to %d ", s.MinYear, s.MaxYear)
		}
		t.row("column "+s.Column, text+"(its owner's word)")
	}
	if l := terms.Licence; l != nil {
		t.row("licence", l.Name+" "+string(l.Digest))
		if err := t.end(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, l.Text)
		return err
	}
	return t.end()
}
