package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
)

// NewBudgetCommand makes `cordon budget` with its verb.
func NewBudgetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "budget", Short: "See what differential privacy budgets have left"}
	cmd.AddCommand(newBudgetShow())
	return cmd
}

func newBudgetShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the privacy budgets of data sets whose policy says output: dp",
		Long: `Show the privacy budgets of data sets whose policy says output: dp: what the newest policy
allows over the data set's lifetime, what was charged, and what is left: rho adds up, and
epsilon is the sum of charges or what their rho stands for, whichever is less; then
organisations, and the last charges. A question costs once: asked again it has the same noise.

Of others' data sets, where this party has a contract, it shows what their policies allow.
What is left of them only their owners know: ask them, or ask and see.

Exit codes: 0 done, 2 usage, 7 agent or exchange do not answer.`,
		Example: `  cordon budget show
  cordon budget show --home ./delta --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathBudget, api.Empty{}, printBudgets)
		},
	}
	f.add(cmd)
	return cmd
}

func printBudgets(w io.Writer, v *api.Budgets) error {
	if len(v.Own)+len(v.Others) == 0 {
		_, err := fmt.Fprintln(w, "no data set here has a policy with output: dp")
		return err
	}
	for i := range v.Own {
		if err := printBudget(w, &v.Own[i]); err != nil {
			return err
		}
	}
	if len(v.Others) == 0 {
		return nil
	}
	t := newTable(w, "DATA SET OF OTHERS", "EPSILON", "DELTA", "ONE QUERY", "ONE ORGANISATION", "LEFT")
	for _, o := range v.Others {
		t.row(o.Owner.Name+"."+o.Dataset, o.Epsilon, o.Delta, o.EpsilonMaxQuery, perOrg(&o), "its owner knows")
	}
	return t.end()
}

func perOrg(t *api.BudgetTerms) string {
	switch {
	case t.PerOrg == "":
		return "-"
	case t.PeriodDays > 0:
		return fmt.Sprintf("%s in %d days", t.PerOrg, t.PeriodDays)
	}
	return t.PerOrg
}

func printBudget(w io.Writer, b *api.Budget) error {
	t := newTable(w, b.Owner.Name+"."+b.Dataset, "EPSILON", "RHO", "DELTA")
	for _, line := range []struct {
		name string
		a    api.BudgetAmounts
	}{{"total", b.Total}, {"spent", b.Spent}, {"left", b.Left}} {
		t.row(line.name, line.a.Epsilon, line.a.Rho, line.a.Delta)
	}
	if b.GivenUp {
		t.row("left", "given up when the ledger was repaired: how much was spent is not known any more")
	}
	if err := t.end(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "one query: epsilon %s at most; one organisation: %s; epsilon is at delta %s\n\n", b.EpsilonMaxQuery, perOrg(&b.BudgetTerms), b.Delta); err != nil {
		return err
	}
	if len(b.Charges) == 0 {
		return nil
	}
	t = newTable(w, "ORGANISATION", "QUESTIONS", "RHO", "DELTA")
	names := map[string]string{}
	for _, o := range b.Organisations {
		names[string(o.Fingerprint)] = o.Name
		t.row(o.Name, number(o.Charges), o.Spent.Rho, o.Spent.Delta)
	}
	if err := t.end(); err != nil {
		return err
	}
	t = newTable(w, "CHARGE", "ORGANISATION", "EPSILON", "RHO", "DELTA", "QUESTION", "JOB")
	for _, e := range b.Charges {
		t.row(at(e.AtMS), names[string(e.Requester)], string(e.Epsilon), string(e.Rho), string(e.Delta), e.Release.Short(), e.Job.Short())
	}
	if err := t.end(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
