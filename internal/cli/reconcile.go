package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/orders"
)

// NewReconcileCommand makes `cordon reconcile`.
func NewReconcileCommand() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Prove that orders, charges, the ledger, receipts and the exchange's postings are equal",
		Long: `Compare, order by order, all that was said of this party's orders: what was ordered, the
owner's signed charges, refunds and closings, the exchange's postings, the releases that the
verified receipts are about and, for an owner, its own ledger. A line names each leg that
differs: order, settlement, ledger, charges, postings or receipts.

Exit codes: 0 all are equal, 2 usage, 4 something differs, or does not verify, 7 agent or
exchange do not answer.`,
		Example: `  cordon reconcile
  cordon reconcile --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			var r orders.Report
			if err := c.Call(cmd.Context(), api.PathReconcile, api.Empty{}, &r); err != nil {
				return err
			}
			if err := show(cmd, &f, &r, reconcileText); err != nil || r.Equal {
				return err
			}
			return fault.New(fault.Untrusted, "not all that was said of the orders is equal", "the lines name what differs; ask who said it", nil)
		},
	}
	f.add(cmd)
	return cmd
}

func reconcileText(w io.Writer, r *orders.Report) error {
	for _, x := range r.Faults {
		about := "order " + x.Order.Short()
		if x.Job != "" {
			about += ", job " + x.Job.Short()
		}
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", x.Leg, about, x.Text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d orders of %d credits: %d charged, %d given back, %d returned; %d charges compared with receipts, %d without one yet; %d differences\n",
		r.Orders, r.Amount, r.Charged, r.Refunded, r.Returned, r.Receipts, r.Open, len(r.Faults))
	return err
}
