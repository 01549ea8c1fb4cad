package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/stripe"
)

// cardFlags name an account with Stripe.
type cardFlags struct {
	key, secret, price, back, api string
}

func (f *cardFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.key, "stripe-key-file", "", "file of the secret API key of a Stripe account, for payments by card; none if it is not given")
	fl.StringVar(&f.secret, "stripe-webhook-secret-file", "", "file of the secret that Stripe signs its events with, sent to /stripe/webhook")
	fl.StringVar(&f.price, "stripe-price", "", "what a credit costs: a currency and its smallest units, as in eur:100")
	fl.StringVar(&f.back, "stripe-return", "", "URL that a browser goes to after paying")
	fl.StringVar(&f.api, "stripe-api", "", "URL of another API than Stripe's, for tests")
}

// account is the one that the flags name, or nil.
func (f *cardFlags) account(scope string) (*stripe.Account, error) {
	if f.key == "" {
		return nil, nil
	}
	if f.price == "" || f.back == "" {
		return nil, fault.New(fault.Usage, "payments by card need a price and a page to return to", "add --stripe-price and --stripe-return", nil)
	}
	o := stripe.Options{Return: f.back, Scope: scope, URL: f.api}
	var err error
	if o.Currency, o.Unit, err = stripe.ParsePrice(f.price); err != nil {
		return nil, err
	}
	if o.Key, err = stripe.ReadSecret(f.key); err != nil {
		return nil, err
	}
	if f.secret != "" {
		if o.Secret, err = stripe.ReadSecret(f.secret); err != nil {
			return nil, err
		}
	}
	return stripe.New(o)
}

func newExchangeCreditRefund() *cobra.Command {
	var o exchangeCredit
	var in wire.PaymentRefund
	cmd := &cobra.Command{
		Use:   "refund --home DIR --session ID --amount N --reference TEXT",
		Short: "Pay credits back to the card that they were bought with",
		Long: `Pay credits back to the card that they were bought with: they leave the party's account,
then Stripe pays the money back. The same command again, after no answer or a crash, goes on
where it was, and pays nothing twice, however much later. What Stripe refuses gives the
credits back, and its --reference does nothing any more: take another.

Exit codes: 0 done, or was done before, 2 usage, 6 fewer credits than that, not a payment of
that much, or Stripe refused, 7 exchange or Stripe do not answer.`,
		Example: `  cordon exchange credit refund --home /srv/cordon --session cs_… --amount 50 --reference wish-3`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Session == "" || in.Amount < 1 || in.Reference == "" {
				return fault.New(fault.Usage, "session, amount or reference is missing", "give --session, --amount and --reference", nil)
			}
			var out wire.CreditMoved
			if err := o.ask(cmd.Context(), http.MethodPost, "/refund", in, &out); err != nil {
				return err
			}
			if o.json {
				return jsonLine(cmd.OutOrStdout(), out)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "paid back: balance %d\n", out.Balance)
			return err
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&in.Session, "session", "", "Checkout session of the payment (required)")
	cmd.Flags().Int64Var(&in.Amount, "amount", 0, "credits (required)")
	cmd.Flags().StringVar(&in.Reference, "reference", "", "name of this refund, in visible ASCII (required)")
	return cmd
}
