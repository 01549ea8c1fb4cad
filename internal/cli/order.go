package cli

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

// NewOrderCommand makes `cordon order` with its verbs.
func NewOrderCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "order", Short: "Buy the use of data, and say whose settlements count"}
	cmd.AddCommand(newOrderPlace(), newOrderShow(), newOrderList(), newOrderCancel(), newOrderSettle(), newOrderRefund(), newOrderRule(), newOrderReceived())
	return cmd
}

func newOrderPlace() *cobra.Command {
	var f agentFlags
	var in api.OrderPlace
	var until string
	var wait time.Duration
	var pins []string
	cmd := &cobra.Command{
		Use:   "place CONTRACT --most CREDITS",
		Short: "Order from the owners of a contract whose data is sold",
		Long: `Place a signed order with each owner of the contract whose offers are sold. With credits,
the exchange sets --most aside for each and signs a settlement; an owner whose rule believes
it grants the contract. Each query is charged to the order, by its price, until --until or
the end of the contract; what is left comes back when the order ends.

Said again, it sets nothing aside twice: an order that goes on, for as much of the same, is
shown again, whatever end is asked for, with a line that says so. To place another: --again.

Exit codes: 0 done, 2 usage, or nothing of it is sold, 3 no such contract, 4 something does
not verify, 6 refused: too few credits, or the exchange settles no orders, 7 agent or
exchange do not answer, or --wait ended before all owners had granted.`,
		Example: `  cordon order place sha256:… --most 500 --until 30d --wait 10s`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Contract, err = parseDigest(args[0]); err != nil {
				return err
			}
			if in.Most < 1 || in.Most > statement.MaxAmount {
				return fault.New(fault.Usage, "no amount given", "give --most, the credits that may be charged", nil)
			}
			if until != "" {
				end, err := parseUntil(until, time.Now())
				if err != nil {
					return err
				}
				in.UntilMS = end.UnixMilli()
			}
			if in.Pins, err = parsePins(pins); err != nil {
				return err
			}
			in.WaitMS = wait.Milliseconds()
			c, err := f.client()
			if err != nil {
				return err
			}
			var out api.Orders
			if err := c.Call(cmd.Context(), api.PathOrderPlace, in, &out); err != nil {
				return err
			}
			err = show(cmd, &f, &out, placedText)
			if err == nil && wait > 0 && len(out.Missing) > 0 {
				return fault.New(fault.Unavailable, "not granted yet by "+names(out.Missing), "see 'cordon order show' and 'cordon contract show'", nil)
			}
			return err
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.Int64Var(&in.Most, "most", 0, "credits that each owner may charge (required)")
	fl.StringVar(&in.Owner, "owner", "", "order from this owner alone: name or fingerprint")
	fl.StringVar(&in.Provider, "provider", statement.ProviderCredits, "who settles it: credits, or stripe: paid to the owner's own account, which the owner confirms")
	fl.StringVar(&until, "until", "", "end: a date, or a time from now such as 30d; default that of the contract")
	fl.BoolVar(&in.Again, "again", false, "place another, beside one for as much of the same that goes on")
	fl.StringArrayVar(&pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	fl.DurationVar(&wait, "wait", 0, "wait until all owners of the contract have granted, at most this long")
	return cmd
}

// placedText says of which orders nothing new was set aside.
func placedText(w io.Writer, l *api.Orders) error {
	err := ordersText(w, l)
	for _, o := range l.Orders {
		if err == nil && o.Before {
			_, err = fmt.Fprintf(w, "before: %s was placed by an earlier call, and nothing is set aside again; --again places another\n", o.Digest)
		}
	}
	return err
}

func ordersText(w io.Writer, l *api.Orders) error {
	t := newTable(w, "ORDER", "OWNER", "BUYER", "MOST", "CHARGED", "REFUNDED", "STATE", "UNTIL", "WHY, OR WHERE TO PAY")
	for _, o := range l.Orders {
		t.row(string(o.Digest), o.Owner.Name, o.Buyer.Name, number(o.Most), number(o.Charged), number(o.Refunded), o.State, at(o.ExpiresMS), cmp.Or(o.Reason, o.PayAt))
	}
	return t.end()
}

func newOrderShow() *cobra.Command {
	return contractVerb("show ORDER", "Show an order, and what was charged to it",
		`Show an order that this party placed, or that is for its data.

Exit codes: 0 done, 2 usage, 3 no such order, 4 it does not verify, 7 agent or exchange do
not answer.`, "cordon order show sha256:…",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathOrders, api.About{Digest: d}, ordersText)
		})
}

func newOrderList() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the orders that this party placed, and those for its data",
		Long: `List the orders that this party placed, and those for its data.

Exit codes: 0 done, 2 usage, 7 agent or exchange do not answer.`,
		Example: `  cordon order list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathOrders, api.About{}, ordersText)
		},
	}
	f.add(cmd)
	return cmd
}

func newOrderCancel() *cobra.Command {
	var reason string
	cmd := contractVerb("cancel ORDER", "Take back an order of one's own",
		`Take back an order of one's own. Its owner charges what it released until then, closes
it, and what is left comes back.

Exit codes: 0 done, 2 usage, 3 no such order, 4 it does not verify, 7 agent or exchange do
not answer.`, "cordon order cancel sha256:…",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathOrderCancel, api.About{Digest: d, Reason: reason}, ordersText)
		})
	cmd.Flags().StringVar(&reason, "reason", "", "text for the owner")
	return cmd
}

func newOrderSettle() *cobra.Command {
	var reference string
	cmd := contractVerb("settle ORDER --reference TEXT", "Say that an order was paid to this party's own account",
		`Say that an order of another provider than credits was paid to this party's own account.
It signs a settlement, which it believes without a rule, and grants the contract.

Exit codes: 0 done, 2 usage, or not an order that is paid to this party, 3 no such order,
6 the policy refuses, or the order is over, 7 agent or exchange do not answer.`, "cordon order settle sha256:… --reference \"bank 2026-11-29\"",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			if reference == "" {
				return fault.New(fault.Usage, "no reference given", "give --reference: of the payment", nil)
			}
			return call(cmd, f, api.PathOrderSettle, api.About{Digest: d, Reason: reference}, ordersText)
		})
	cmd.Flags().StringVar(&reference, "reference", "", "of the payment (required)")
	return cmd
}

func newOrderRefund() *cobra.Command {
	in := api.OrderRefund{}
	cmd := contractVerb("refund ORDER --amount CREDITS --reason TEXT", "Give back some of what an order was charged",
		`Give back some of what an order for this party's data was charged. The party's ledger has
it first; the agent posts it, and it moves from this party's credits to the buyer's. Of an
order that was paid by card on a page of the agent's, it goes back to the card.

Exit codes: 0 done, 2 usage, or the order was not charged that much, 3 no such order,
7 agent or exchange do not answer.`, "cordon order refund sha256:… --amount 5 --reason \"the job failed\"",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			in.Order = d
			if in.Amount < 1 || in.Reason == "" {
				return fault.New(fault.Usage, "amount or reason is missing", "give --amount and --reason", nil)
			}
			return call(cmd, f, api.PathOrderRefund, in, ordersText)
		})
	cmd.Flags().Int64Var(&in.Amount, "amount", 0, "credits (required)")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "text for the buyer (required)")
	return cmd
}

func newOrderRule() *cobra.Command {
	var f agentFlags
	var settler string
	var in api.OrderRule
	cmd := &cobra.Command{
		Use:   "rule [--settler FINGERPRINT --max-unsettled CREDITS]",
		Short: "Say whose settlements count for orders for this party's data, and how far",
		Long: `Say whose settlements this party believes, and up to how many credits: what a settler owes
on its word, or may come to owe, never passes its --max-unsettled. That much a settler that
lies can cost. Without flags: show the rule, and what each owes now. An order that a settler
within its limit settles grants its contract by itself, where the policy allows all of it.

Exit codes: 0 done, 2 usage, 4 the rule is damaged, 6 officers have to approve it, 7 the
agent does not answer, 8 home can't be written.`,
		Example: `  cordon order rule --settler cordon1… --max-unsettled 1000
  cordon order rule`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.Settler = statement.Fingerprint(settler)
			if settler != "" && (!in.Settler.Valid() || in.Remove == (in.MaxUnsettled > 0)) {
				return fault.New(fault.Usage, "not a rule", "give --settler FINGERPRINT, and either --max-unsettled CREDITS or --remove", nil)
			}
			return call(cmd, &f, api.PathOrderRule, in, orderRuleText)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&settler, "settler", "", "fingerprint of the settler, as the exchange's operator told it")
	cmd.Flags().Int64Var(&in.MaxUnsettled, "max-unsettled", 0, "credits that it may owe on its word")
	cmd.Flags().BoolVar(&in.Remove, "remove", false, "believe it no more")
	return addOfficers(cmd)
}

func orderRuleText(w io.Writer, r *api.OrderRules) error {
	t := newTable(w, "SETTLER", "MAX UNSETTLED", "OUTSTANDING")
	for _, s := range r.Settlers {
		t.row(string(s.Settler), number(s.MaxUnsettled), number(s.Outstanding))
	}
	return t.end()
}

func newOrderReceived() *cobra.Command {
	var f agentFlags
	var settler string
	var in api.OrderReceived
	cmd := &cobra.Command{
		Use:   "received --settler FINGERPRINT --amount CREDITS --reference TEXT",
		Short: "Record that a settler paid out what it owed",
		Long: `Record that a settler paid out: it owes that much less, and may settle that much more. It
is this party's own word, from its own bank.

Exit codes: 0 done, 2 usage, or it does not owe that much, 7 the agent does not answer,
8 the ledger can't be written.`,
		Example: `  cordon order received --settler cordon1… --amount 300 --reference "bank 2026-11-29"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.Settler = statement.Fingerprint(settler)
			if !in.Settler.Valid() || in.Amount < 1 || in.Reference == "" {
				return fault.New(fault.Usage, "settler, amount or reference is missing", "give --settler, --amount and --reference", nil)
			}
			return call(cmd, &f, api.PathOrderReceived, in, orderRuleText)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&settler, "settler", "", "fingerprint of the settler (required)")
	cmd.Flags().Int64Var(&in.Amount, "amount", 0, "credits (required)")
	cmd.Flags().StringVar(&in.Reference, "reference", "", "of the payment (required)")
	return cmd
}

// NewCreditsCommand makes `cordon credits`.
func NewCreditsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "credits", Short: "Show this party's credits at its exchange"}
	cmd.AddCommand(newCreditsShow(), newCreditsBuy())
	return cmd
}

func newCreditsShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the balance, what is set aside for orders, and who settles here",
		Long: `Show this party's credits at its exchange: the balance, what is set aside for its orders,
and the fingerprint of the key that settles them. Take the fingerprint for a rule from the
exchange's operator, not from here.

Exit codes: 0 done, 2 usage, 7 agent or exchange do not answer.`,
		Example: `  cordon credits show`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathCredits, api.Empty{}, func(w io.Writer, c *api.Credits) error {
				_, err := fmt.Fprintf(w, "balance %d\nset aside %d\n", c.Balance, c.Held)
				if err == nil && c.Settler != "" {
					_, err = fmt.Fprintf(w, "settler %s\n", c.Settler)
				}
				return err
			})
		},
	}
	f.add(cmd)
	return cmd
}

func newCreditsBuy() *cobra.Command {
	var f agentFlags
	var in api.CreditsBuy
	cmd := &cobra.Command{
		Use:   "buy --credits N",
		Short: "Get a page on which credits are paid for by card",
		Long: `Get a page of the exchange's payment provider on which a person pays for credits by card.
They are this party's once the provider says that they are paid: see 'credits show'.

Exit codes: 0 done, 2 usage, 3 too many at once, 6 the exchange sells none by card, 7 agent,
exchange or provider do not answer.`,
		Example: `  cordon credits buy --credits 500`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Credits < 1 {
				return fault.New(fault.Usage, "no amount given", "give --credits", nil)
			}
			return call(cmd, &f, api.PathCreditsBuy, in, func(w io.Writer, c *api.Checkout) error {
				_, err := fmt.Fprintln(w, c.URL)
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().Int64Var(&in.Credits, "credits", 0, "how many (required)")
	return cmd
}
