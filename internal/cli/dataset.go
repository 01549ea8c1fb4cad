package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

const maxPolicy = 1 << 20

// NewDatasetCommand makes `cordon dataset` with its verbs.
func NewDatasetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dataset", Short: "Publish data sets, sealed, and retire them"}
	cmd.AddCommand(newDatasetPublish(), newDatasetList(), newDatasetRekey(), newDatasetRetire())
	return cmd
}

type publishFlags struct {
	agentFlags
	policy string
	terms  string
	builds string
	call   api.Publish
	quiet  bool
}

func newDatasetPublish() *cobra.Command {
	var f publishFlags
	cmd := &cobra.Command{
		Use:   "publish FILE --name NAME --policy FILE",
		Short: "Seal a table and offer it",
		Long: `Seal a table and offer it. FILE is CSV (UTF-8, a header line, an empty field is NULL),
Parquet or Arrow IPC. Every value is checked against the policy: measures are exact and
within their clamp, dimensions within their declared values, rows that are units occur
once. The table becomes Parquet in the agent's memory, each column is encrypted under a
fresh key, and only ciphertext leaves; the wrapped keys stay in the home folder.

A version replaces those before: standing rules of their policies end; contracts that
were granted over them stay until revoked. Rows that the newest version has already are
refused, since the other members of a pool would count them as a change;
--even-if-unchanged publishes them again under fresh keys or another policy.

Names of builds in the policy are replaced by the digests that --builds, or builds.txt
beside the policy, says they have: what is published names programs, not names.

Types: a measure has the type that the policy's scale needs; other columns of a CSV have
the narrowest type that all values fit. --schema overrides both; "!" behind a type means
never NULL.

Exit codes: 0 done, 2 usage, 3 the file or the policy is malformed or a value is not
allowed (with line and column), 5 keys of an earlier version do not open, 6 the newest
version has the same rows already, 7 agent or exchange do not answer, 8 disk full.`,
		Example: `  cordon dataset publish strikes.csv --name strikes --policy policy.yaml
  cordon dataset publish all.csv --name strikes --policy policy.yaml --row-id report_id \
    --column "Wildlife Size=size" --column "Phase of flight=phase" --column "Cost Total $=cost" \
    --where-equals "Aircraft Airline Operator=DELTA AIR LINES" --schema "size:varchar!,phase:varchar!"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return datasetPublish(cmd, args[0], f) },
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.call.Dataset, "name", "", "name of the data set (required)")
	fl.StringVar(&f.policy, "policy", "", "policy file (required)")
	fl.StringVar(&f.terms, "terms", "", "file of terms: access, prices, quotas, licence ('cordon terms new')")
	buildsFlag(cmd, &f.builds)
	fl.StringVar(&f.call.Version, "version", "", "version; default the next number")
	fl.StringVar(&f.call.Schema, "schema", "", "types that override inference: column:type,…")
	fl.StringArrayVar(&f.call.Columns, "column", nil, "publish this column, as \"Name in the file=name\" (repeatable; default all)")
	fl.StringArrayVar(&f.call.Where, "where-equals", nil, "publish only rows with \"Column=Text\" (repeatable)")
	fl.StringVar(&f.call.RowID, "row-id", "", "add a column of this name that numbers the rows")
	fl.BoolVar(&f.call.EvenIfUnchanged, "even-if-unchanged", false, "publish although the newest version has the same rows")
	fl.BoolVar(&f.quiet, "quiet", false, "show no progress")
	return addOfficers(cmd)
}

func datasetPublish(cmd *cobra.Command, file string, f publishFlags) error {
	if f.call.Dataset == "" || f.policy == "" {
		return fault.New(fault.Usage, "name or policy missing", "give --name and --policy", nil)
	}
	var err error
	if f.call.Policy, err = readResolved(cmd, f.policy, f.builds); err != nil {
		return policyFault(f.policy, err)
	}
	if f.terms != "" {
		if f.call.Terms, _, err = readTerms(f.terms, f.call.Policy); err != nil {
			return policyFault(f.terms, err)
		}
	}
	if f.call.Path, err = filepath.Abs(file); err != nil {
		return err
	}
	if _, err := os.Stat(f.call.Path); err != nil {
		return fault.New(fault.Input, "can't read the file", "check its path", err)
	}
	p := &progress{w: cmd.ErrOrStderr(), quiet: f.quiet}
	c, err := f.client()
	if err != nil {
		return err
	}
	d := new(api.Dataset)
	err = withOfficers(cmd, c, func() error { return c.Stream(cmd.Context(), api.PathPublish, f.call, d, p.publishing) })
	p.end()
	if err != nil {
		return err
	}
	return show(cmd, &f.agentFlags, d, writePublished)
}

func writePublished(w io.Writer, d *api.Dataset) error {
	_, err := fmt.Fprintf(w, "published %s.%s version %s\n  rows    %d\n  sealed  %d bytes\n  offer   %s\n",
		d.Owner.Name, d.Name, d.Version, d.Rows, d.Bytes, d.Offer)
	return errors.Join(err, writeNotes(w, d.Notes))
}

// writeNotes prints what the party should know.
func writeNotes(w io.Writer, notes []string) error {
	for _, n := range notes {
		if _, err := fmt.Fprintln(w, "note: "+n); err != nil {
			return err
		}
	}
	return nil
}

// progress prints what happens. On a terminal the line of a stage moves; files
// and pipes get the last line of each stage.
type progress struct {
	w     io.Writer
	quiet bool
	stage string
	line  string // of the stage, not printed yet or still moving
}

func (p *progress) publishing(e api.Progress) {
	bytes := humanize.Bytes(uint64(max(e.Bytes, 0)))
	if e.Total > 0 {
		bytes += " of " + humanize.Bytes(uint64(e.Total))
	}
	p.tell(e.Stage, fmt.Sprintf("%-8s %d rows, %s", e.Stage, e.Rows, bytes))
}

func (p *progress) job(e api.Progress) {
	p.tell(e.Stage+e.Note, strings.TrimRight(e.Stage+"  "+e.Note, " "))
	if !terminal(p.w) {
		p.end() // a stage of a job is a moment: it shows as it comes
	}
}

func (p *progress) tell(stage, line string) {
	if p.quiet {
		return
	}
	if stage != p.stage {
		p.end()
	}
	p.stage, p.line = stage, line
	if terminal(p.w) {
		fmt.Fprintf(p.w, "\r\033[K%s", line)
	}
}

// end finishes the line of the stage.
func (p *progress) end() {
	switch {
	case p.quiet || p.line == "":
	case terminal(p.w):
		fmt.Fprintln(p.w)
	default:
		fmt.Fprintln(p.w, p.line)
	}
	p.line = ""
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func newDatasetList() *cobra.Command {
	var f agentFlags
	var in api.List
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the party's data sets, or another's",
		Long: `List the party's data sets with all versions, or those that another party offers.
A version that a newer one has replaced can still be asked under contracts that were
granted, but no standing rule of its policy grants new ones; a retired one gets no keys.

Exit codes: 0 done, 2 usage, 3 no such party, 7 agent or exchange do not answer.`,
		Example: `  cordon dataset list
  cordon dataset list --of delta --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Of != "" && !statement.ValidName(in.Of) && !statement.Fingerprint(in.Of).Valid() {
				return fault.New(fault.Usage, fmt.Sprintf("not a name or fingerprint of a party: %q", in.Of), "a name has lower-case letters, digits and _; 'cordon party show' prints a fingerprint", nil)
			}
			return call(cmd, &f, api.PathDatasets, in, func(w io.Writer, l *api.Datasets) error {
				t := newTable(w, "DATA SET", "VERSION", "ROWS", "BYTES", "STATE", "OFFER")
				for _, d := range l.Datasets {
					state := "offered"
					switch {
					case d.Retired:
						state = "retired"
					case d.ReplacedBy != "":
						state = "replaced by " + d.ReplacedBy
					}
					t.row(d.Owner.Name+"."+d.Name, d.Version, number(d.Rows), number(d.Bytes), state, string(d.Offer))
				}
				return t.end()
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.Of, "of", "", "name or fingerprint of another party")
	return cmd
}

func newDatasetRekey() *cobra.Command {
	var f agentFlags
	var in api.Retire
	var quiet bool
	cmd := &cobra.Command{
		Use:   "rekey NAME",
		Short: "Publish the newest version of a data set anew, under other keys",
		Long: `Publish the newest version of a data set anew, under other keys for every column, and
retire the one before. Its sealed file is fetched and opened in the agent's memory; rows,
schema and policy stay the same. Contracts over the version before, and pools with it, are
to be made anew. An enclave that was broken into keeps what it was given of the old one.

Exit codes: 0 done, 2 usage, 3 no such data set on offer, 4 what lies in the lake is not
what was published, 5 its keys do not open, 6 officers have to approve, 7 agent or exchange
do not answer, 8 disk full.`,
		Example: `  cordon dataset rekey strikes --home ./delta`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			p := &progress{w: cmd.ErrOrStderr(), quiet: quiet}
			c, err := f.client()
			if err != nil {
				return err
			}
			d := new(api.Dataset)
			// Its offer waits for one request, its keys for another.
			err = withOfficersFor(cmd, c, 2, func() error { return c.Stream(cmd.Context(), api.PathRekey, in, d, p.publishing) })
			p.end()
			if err != nil {
				return err
			}
			return show(cmd, &f, d, writePublished)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&quiet, "quiet", false, "show no progress")
	return addOfficers(cmd)
}

func newDatasetRetire() *cobra.Command {
	var f agentFlags
	var in api.Retire
	cmd := &cobra.Command{
		Use:   "retire NAME",
		Short: "Withdraw a data set: no key of it is released from now on",
		Long: `Withdraw a data set, or one version of it. From the moment this returns, no key of it
is released, and the exchange refuses new contracts over it.

Exit codes: 0 done, 2 usage, 3 no such version, 7 agent or exchange do not answer.`,
		Example: `  cordon dataset retire strikes --version 1`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			return call(cmd, &f, api.PathRetire, in, func(w io.Writer, d *api.Digests) error {
				_, err := fmt.Fprintf(w, "retired %d versions\n", len(d.Digests))
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.Version, "version", "", "one version; default all")
	return cmd
}
