package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/fault"
)

// NewExchangeCommand makes `cordon exchange` with its verbs.
func NewExchangeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exchange",
		Short: "Run the exchange: catalog, mailboxes, jobs and lake",
	}
	cmd.AddCommand(newExchangeServe(), newExchangeSettler(), newExchangeCredit(), newExchangeBackup(), newExchangeRestore(), newExchangeFsck())
	return cmd
}

const lakeUsage = "where sealed files lie, s3://BUCKET[/PREFIX]?endpoint=URL&region=NAME; lake/ in the home if it is not given"

type exchangeServe struct {
	home   string
	store  string
	lake   string
	listen string
	lease  time.Duration
	limits string
	watch  exchangeWatch
	key    string
	card   cardFlags
	grace  time.Duration
	json   bool
	debug  bool
}

func newExchangeServe() *cobra.Command {
	var o exchangeServe
	cmd := &cobra.Command{
		Use:   "serve --home DIR",
		Short: "Serve an exchange from a folder",
		Long: `Serve an exchange from a folder: statements, mailboxes and jobs in SQLite, sealed
files beside them, or in a bucket of an S3 server (--lake). It holds no key, no value
and no query. Credentials of the bucket come from AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, or from the file that AWS_SHARED_CREDENTIALS_FILE names.

With --store, statements, mailboxes and jobs are in a PostgreSQL database instead,
over which several exchanges may work that also see one lake. The password comes
from PGPASSFILE or PGPASSWORD, not from the URL. A database on another machine must
show a certificate of its name, unless the URL says sslmode otherwise.

It prints one line when it is ready, and stops on SIGINT or SIGTERM after the
calls that are running. Logs go to standard error. It speaks plain HTTP: calls are
signed and what they carry is sealed; put TLS in front of it where names and sizes
must not be seen on the way. GET /healthz and GET /readyz say whether it lives, and
whether store and lake answer.

No party can use more than its share: calls a second, storage, open jobs, statements a
day, what waits in mailboxes. --limits sets it.

Exit codes: 0 stopped, 2 usage, 3 limits malformed, home in use, damaged or from a newer version, or
a bucket whose server writes over objects, 7 address can't be listened on, or database
or lake does not answer, 8 home can't be written or disk full.`,
		Example: `  cordon exchange serve --home /srv/cordon --listen 127.0.0.1:7400
  cordon exchange serve --home ./exchange --listen 127.0.0.1:0 --json
  cordon exchange serve --home /srv/cordon --store postgres://cordon@db.example/exchange`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.home, "home", "", "folder of the exchange; made if it is not there (required, unless store and lake are elsewhere)")
	f.StringVar(&o.store, "store", "", "URL of a PostgreSQL database, without a password; default: SQLite in the home")
	f.StringVar(&o.lake, "lake", "", lakeUsage)
	f.StringVar(&o.listen, "listen", "127.0.0.1:7400", "address and port; port 0 takes a free one")
	f.DurationVar(&o.lease, "lease", 10*time.Second, "how long a host may be silent before its job goes to another")
	f.StringVar(&o.key, "settlement-key", "", "file of the key that signs settlements; settlement.key in the home, if it is there, else no order is settled here")
	o.card.add(cmd)
	f.DurationVar(&o.grace, "order-grace", 24*time.Hour, "how long after an order's end its owner may charge what it released before")
	f.StringVar(&o.watch.metrics, "metrics", "", "address and port of figures for Prometheus, for the operator alone; none if it is not given")
	f.StringVar(&o.watch.otlp, "otlp", "", "URL of an OTLP endpoint (HTTP) for traces; OTEL_EXPORTER_OTLP_ENDPOINT if it is not given")
	f.StringVar(&o.limits, "limits", "", "file of what one party may use; built-in limits if it is not given")
	f.BoolVar(&o.json, "json", false, "print the ready line as JSON, and log in JSON")
	f.BoolVar(&o.debug, "debug", false, "log refused calls as well")
	return cmd
}

func (o *exchangeServe) run(ctx context.Context, out, log io.Writer) (err error) {
	if o.home == "" && (o.store == "" || o.lake == "") {
		return fault.New(fault.Usage, "no home given", "add --home DIR, or both --store and --lake", nil)
	}
	if o.lease < time.Second || o.lease > time.Hour {
		return fault.New(fault.Usage, "lease is not between 1s and 1h", "leave --lease away for 10s", nil)
	}
	limits, err := readLimits(o.limits)
	if err != nil {
		return err
	}
	home, err := exchange.Open(ctx, exchange.Place{Home: o.home, Store: o.store, Lake: o.lake})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, home.Close()) }()
	logger := slog.New(o.logs(log))
	opts := exchange.Options{Store: home.Store, Lake: home.Lake, Lease: o.lease, Log: logger, OrderGrace: o.grace, LogDir: home.LogDir, Limits: limits}
	if opts.Settler, err = o.settler(); err != nil {
		return err
	}
	account, err := o.card.account(home.Store.ID())
	if err != nil {
		return err
	}
	if account != nil {
		opts.Payments = account
	}
	w, err := o.watch.begin(ctx, logger, &opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	srv, err := exchange.New(ctx, opts)
	if err != nil {
		return exchange.StartError(err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fault.New(fault.Unavailable, "address can't be listened on", "give a free one with --listen", err)
	}
	w.serving(srv, home.Store)
	if err := o.ready(out, l.Addr(), w.addr(), home.Store.ID()); err != nil {
		return errors.Join(err, l.Close())
	}
	err = o.serveBoth(ctx, srv, l, logger)
	logger.Info("stopped")
	return err
}

func (o *exchangeServe) logs(w io.Writer) slog.Handler {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if o.debug {
		opts.Level = slog.LevelDebug
	}
	if o.json {
		return slog.NewJSONHandler(w, opts)
	}
	return slog.NewTextHandler(w, opts)
}

// ready tells whoever started us where we are; programs wait for this line.
func (o *exchangeServe) ready(w io.Writer, addr net.Addr, metrics, id string) error {
	url := "http://" + addr.String()
	if !o.json {
		_, err := fmt.Fprintf(w, "exchange ready at %s (id %s)\n", url, id)
		return err
	}
	return jsonLine(w, struct {
		Event   string `json:"event"`
		URL     string `json:"url"`
		ID      string `json:"id"`
		Metrics string `json:"metrics,omitempty"`
	}{"ready", url, id, metrics})
}
