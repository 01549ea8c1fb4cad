package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// settler is the key that signs settlements, if there is one.
func (o *exchangeServe) settler() (*exchange.Settler, error) {
	if o.key != "" {
		return exchange.ReadSettler(o.key)
	}
	if o.home == "" {
		return nil, nil
	}
	file := filepath.Join(o.home, exchange.SettlerFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return exchange.ReadSettler(file)
}

// serveBoth serves parties, and the operator over the socket in the home.
func (o *exchangeServe) serveBoth(ctx context.Context, srv *exchange.Server, l net.Listener, log *slog.Logger) error {
	if o.home == "" {
		return srv.Run(ctx, l)
	}
	socket, err := exchange.ListenOperator(o.home)
	if err != nil {
		log.Warn("cordon exchange credit does not work: no socket for the operator", "err", err)
		return srv.Run(ctx, l)
	}
	g, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error { return srv.RunOperator(ctx, socket) })
	g.Go(func() error {
		defer stop()
		return srv.Run(ctx, l)
	})
	return g.Wait()
}

func newExchangeSettler() *cobra.Command {
	var home string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "settler --home DIR",
		Short: "Make the key that signs settlements, and print its fingerprint",
		Long: `Make the key that signs settlements in the home of an exchange, unless there is one, and
print its fingerprint, which owners name in their rule for purchases. "exchange serve" uses
it from its next start on. Exchanges over one database share one key: copy the file, or
give --settlement-key. Whoever has it can make settlements up: owners believe them as far
as their rules say, and no further.

Exit codes: 0 done, 2 usage, 5 the key can't be read, 8 home can't be written.`,
		Example: `  cordon exchange settler --home /srv/cordon`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if home == "" {
				return fault.New(fault.Usage, "no home given", "add --home DIR", nil)
			}
			s, err := exchange.MakeSettler(filepath.Join(home, exchange.SettlerFile))
			if err != nil {
				return err
			}
			if asJSON {
				return jsonLine(cmd.OutOrStdout(), map[string]statement.Fingerprint{"settler": s.Public().Fingerprint()})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), s.Public().Fingerprint())
			return err
		},
	}
	cmd.Flags().StringVar(&home, "home", "", "folder of the exchange (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type exchangeCredit struct {
	home  string
	json  bool
	party string
	move  wire.CreditMove
}

func newExchangeCredit() *cobra.Command {
	cmd := &cobra.Command{Use: "credit", Short: "Pay credits in and out, as the operator of a running exchange"}
	cmd.AddCommand(newExchangeCreditMove("deposit", "Pay credits in to a party's account"), newExchangeCreditMove("payout", "Pay credits out of a party's account"), newExchangeCreditRefund(), newExchangeCreditShow())
	return cmd
}

func (o *exchangeCredit) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.home, "home", "", "folder of the exchange (required)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func newExchangeCreditMove(kind, short string) *cobra.Command {
	o := exchangeCredit{move: wire.CreditMove{Kind: kind}}
	cmd := &cobra.Command{
		Use:   kind + " --home DIR --party FINGERPRINT --amount N --reference TEXT",
		Short: short,
		Long: short + `, on the machine of an exchange
that runs. The reference is that of the payment: the same command again moves nothing, and
the same reference with another amount or party is refused.

Exit codes: 0 done, or was done before, 2 usage, 6 fewer credits than that, or another
posting has this reference, 7 the exchange does not answer.`,
		Example: `  cordon exchange credit ` + kind + ` --home /srv/cordon --party cordon1… --amount 500 --reference invoice-17`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.move.Party = statement.Fingerprint(o.party)
			if !o.move.Party.Valid() || o.move.Amount < 1 || o.move.Reference == "" {
				return fault.New(fault.Usage, "party, amount or reference is missing", "give --party FINGERPRINT, --amount N and --reference TEXT", nil)
			}
			var out wire.CreditMoved
			if err := o.ask(cmd.Context(), http.MethodPost, "/credit", o.move, &out); err != nil {
				return err
			}
			if o.json {
				return jsonLine(cmd.OutOrStdout(), out)
			}
			said := "done"
			if !out.Added {
				said = "was done before"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: balance %d\n", said, out.Balance)
			return err
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.party, "party", "", "fingerprint of the party (required)")
	cmd.Flags().Int64Var(&o.move.Amount, "amount", 0, "credits (required)")
	cmd.Flags().StringVar(&o.move.Reference, "reference", "", "of the payment, in visible ASCII (required)")
	return cmd
}

func newExchangeCreditShow() *cobra.Command {
	var o exchangeCredit
	cmd := &cobra.Command{
		Use:   "show --home DIR",
		Short: "Show all accounts that are not empty",
		Long: `Show all accounts of an exchange that runs, and their balances: of parties, of orders for
which credits are set aside, and the operator's, which is below zero by what it owes to all.

Exit codes: 0 done, 2 usage, 7 the exchange does not answer.`,
		Example: `  cordon exchange credit show --home /srv/cordon`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var out wire.CreditAccounts
			if err := o.ask(cmd.Context(), http.MethodGet, "/accounts", nil, &out); err != nil {
				return err
			}
			if o.json {
				return jsonLine(cmd.OutOrStdout(), out)
			}
			t := newTable(cmd.OutOrStdout(), "ACCOUNT", "CREDITS")
			for _, a := range out.Accounts {
				t.row(a.Name, number(a.Balance))
			}
			return t.end()
		},
	}
	o.flags(cmd)
	return cmd
}

// ask calls the exchange over the socket in its home.
func (o *exchangeCredit) ask(ctx context.Context, method, path string, in, out any) error {
	if o.home == "" {
		return fault.New(fault.Usage, "no home given", "add --home DIR", nil)
	}
	socket, err := exchange.SocketIn(o.home)
	if err != nil {
		return fault.New(fault.Usage, "the path of the home is too long for a socket", "choose a --home of fewer than 90 characters", err)
	}
	var body io.Reader
	if in != nil {
		b, err := statement.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://exchange"+path, body)
	if err != nil {
		return err
	}
	var d net.Dialer
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) }}}
	resp, err := c.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "the exchange does not answer", "start it: 'cordon exchange serve --home DIR'", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxJSON))
	if err != nil {
		return fault.New(fault.Unavailable, "the exchange's answer was cut off", "say it again: nothing is moved twice", err)
	}
	if resp.StatusCode != http.StatusOK {
		var e wire.Error
		if json.Unmarshal(b, &e) != nil || e.Text == "" {
			return fault.New(fault.Internal, "the exchange's answer can't be read", "exchange and command must be of one version", nil)
		}
		code := fault.Refused
		if resp.StatusCode >= 500 {
			code = fault.Unavailable
		}
		return fault.New(code, e.Text, e.Hint, nil)
	}
	return json.Unmarshal(b, out)
}
