package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/query"
	"github.com/cordon-exchange/cordon/statement"
)

// NewQueryCommand makes `cordon query` with its verbs.
func NewQueryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "query", Short: "Explain and run queries"}
	cmd.AddCommand(newQueryExplain(), newQueryRun(), newQueryStatus())
	return cmd
}

type queryFlags struct {
	agentFlags
	contract string
	params   []string
	pins     []string
	in       api.Query
}

func (f *queryFlags) add(cmd *cobra.Command) {
	f.agentFlags.add(cmd)
	cmd.Flags().StringVar(&f.contract, "contract", "", "digest of the contract")
	cmd.Flags().StringArrayVar(&f.params, "param", nil, "value of $1, $2 … as TYPE:VALUE (repeatable)")
}

// read takes SQL from the argument, or from standard input for "-".
func (f *queryFlags) read(cmd *cobra.Command, arg string) error {
	f.in.SQL = arg
	if arg == "-" {
		b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
		if err != nil {
			return err
		}
		f.in.SQL = string(b)
	}
	if strings.TrimSpace(f.in.SQL) == "" {
		return fault.New(fault.Usage, "no query given", "write it as one argument, in quotes, or - for standard input", nil)
	}
	var err error
	if f.contract != "" {
		if f.in.Contract, err = parseDigest(f.contract); err != nil {
			return err
		}
	}
	for _, s := range f.params {
		p, err := query.ParseParam(s)
		if err != nil {
			return err
		}
		f.in.Params = append(f.in.Params, p)
	}
	f.in.Pins, err = parsePins(f.pins)
	return err
}

func newQueryExplain() *cobra.Command {
	var f queryFlags
	cmd := &cobra.Command{
		Use:   "explain SQL --contract DIGEST",
		Short: "Say what a query would open and release, or why it is refused, before anything is spent",
		Long: `Judge a query with the compiler that owners and enclave run: which columns it opens,
which rules each cell faces, how results are rounded, what it costs. A refusal names
rule, place and whose policy. No key is asked for, and nobody is told.

Without a contract, --data and --purpose judge the query as if one existed.

Exit codes: 0 allowed, 2 usage, 3 no such data, 4 something does not verify, 6 refused,
7 agent or exchange do not answer.`,
		Example: `  cordon query explain --contract sha256:… "SELECT size, count(*) FROM pool.strikes GROUP BY size"
  cordon query explain --data pool.strikes --purpose benchmarking "SELECT size, avg(cost) FROM pool.strikes GROUP BY size"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.read(cmd, args[0]); err != nil {
				return err
			}
			return call(cmd, &f.agentFlags, api.PathExplain, f.in, explainText)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&f.in.Data, "data", nil, "instead of a contract: pool.NAME or PARTY.DATASET (repeatable)")
	cmd.Flags().StringVar(&f.in.Purpose, "purpose", "", "with --data: what the results are for")
	cmd.Flags().StringArrayVar(&f.pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	return cmd
}

func explainText(w io.Writer, e *api.Explained) error {
	fmt.Fprint(w, e.Text)
	if _, err := fmt.Fprintf(w, "price: %d credits at most\n", e.Price); err != nil {
		return err
	}
	if len(e.Missing) > 0 {
		_, err := fmt.Fprintf(w, "not granted yet by: %s\n", strings.Join(e.Missing, ", "))
		return err
	}
	return nil
}

type runFlags struct {
	queryFlags
	wait, expire time.Duration
	detach       bool
	quiet        bool
	open         bool
	output       resultFlags
}

func newQueryRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SQL --contract DIGEST",
		Short: "Run a query in an enclave, and wait for its result",
		Long: `Run a query. It is judged here first: what a policy refuses is refused before any key
is asked for. Then the job is signed, its text sealed to the brokers concerned, and
followed by stage until it ends; the wait is bounded, and what is missing is named.
The job's digest is what 'result open' and 'receipt show' want.

Exit codes: 0 there is a result, 2 usage, 3 malformed input, 4 something is not genuine,
6 refused by a policy or an owner, 7 no answer in time.`,
		Example: `  cordon query run --contract sha256:… "SELECT size, count(*) AS strikes FROM pool.strikes GROUP BY size"
  cordon query run --contract sha256:… --open "SELECT phase, avg(cost) FROM pool.strikes GROUP BY phase"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.read(cmd, args[0]); err != nil {
				return err
			}
			return queryRun(cmd, f)
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.in.Class, "class", "", "resource class; default "+query.DefaultClass)
	fl.DurationVar(&f.wait, "wait", 2*time.Minute, "wait at most this long")
	fl.DurationVar(&f.expire, "expire", 15*time.Minute, "nobody may start the job after this time")
	fl.BoolVar(&f.detach, "detach", false, "submit only; follow it with 'query status'")
	fl.BoolVar(&f.quiet, "quiet", false, "show no progress")
	fl.BoolVar(&f.open, "open", false, "open the result at once")
	f.output.add(cmd)
	return cmd
}

func queryRun(cmd *cobra.Command, f runFlags) error {
	if f.in.Contract == "" {
		return fault.New(fault.Usage, "no contract given", "give --contract; 'cordon contract list' shows them", nil)
	}
	if f.expire <= 0 || !f.detach && f.wait <= 0 {
		return fault.New(fault.Usage, "--wait and --expire must be positive", "leave them away for the defaults", nil)
	}
	f.in.ExpireMS = f.expire.Milliseconds()
	if !f.detach {
		f.in.WaitMS = f.wait.Milliseconds()
	}
	p := &progress{w: cmd.ErrOrStderr(), quiet: f.quiet}
	job, err := stream[api.Job](cmd.Context(), &f.agentFlags, api.PathRun, f.in, p.job)
	p.end()
	if err != nil {
		return err
	}
	if f.open && !f.detach {
		return openResult(cmd, &f.agentFlags, api.JobRef{Job: job.Digest}, f.output)
	}
	return show(cmd, &f.agentFlags, job, func(w io.Writer, j *api.Job) error {
		_, err := fmt.Fprintln(w, j.Digest)
		return err
	})
}

func newQueryStatus() *cobra.Command {
	return contractVerb("status JOB", "Show how far a job is, and who refused",
		`Show how far a job is, and the refusals that reached this party.

Exit codes: 0 done, 2 usage, 3 no such job, 7 agent or exchange do not answer.`,
		"cordon query status sha256:…",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathJob, api.JobRef{Job: d}, jobText)
		})
}

func jobText(w io.Writer, j *api.Job) error {
	t := newTable(w)
	t.row("job", string(j.Digest))
	t.row("state", strings.TrimSpace(j.State+" "+j.Code))
	t.row("attempts", number(j.Attempts))
	for _, s := range j.Stages {
		t.row("stage", s.Stage, at(s.AtMS))
	}
	for _, r := range j.Refusals {
		t.row("refused", r.Party, r.Stage, r.Code, r.Why)
	}
	return t.end()
}
