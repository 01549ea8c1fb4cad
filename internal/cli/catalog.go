package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

// NewCatalogCommand makes `cordon catalog` with its verbs.
func NewCatalogCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "catalog", Short: "Find data sets, and read what they are offered for"}
	cmd.AddCommand(newCatalogSearch(), newCatalogShow())
	return cmd
}

type searchFlags struct {
	agentFlags
	in    api.CatalogSearch
	price int64
	pins  []string
}

func newCatalogSearch() *cobra.Command {
	var f searchFlags
	cmd := &cobra.Command{
		Use:   "search [WORD...]",
		Short: "Search the data sets on offer, of all owners",
		Long: `Search the data sets on offer, of all owners: the newest version of each that is not
retired. Every WORD must stand in the name of the owner, of the data set or of a column.
Every offer is verified; names of owners are the exchange's word, fingerprints are not.

Exit codes: 0 done, also if nothing was found, 2 usage, 3 no such owner, 7 agent or
exchange do not answer.`,
		Example: `  cordon catalog search strikes --purpose research --price-at-most 10
  cordon catalog search --column cost --type 'decimal(18,2)' --limit 20 --json`,
		RunE: func(cmd *cobra.Command, args []string) error { return catalogSearch(cmd, args, f) },
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.in.Owner, "owner", "", "name or fingerprint of the owner")
	fl.StringVar(&f.in.Purpose, "purpose", "", "only what may be used for this purpose")
	fl.StringVar(&f.in.Access, "access", "", "only what is got this way: free, approval or purchase")
	fl.Int64Var(&f.price, "price-at-most", 0, "credits that a query costs at most, with what its day and contract cost")
	fl.StringVar(&f.in.Column, "column", "", "part of a column's name")
	fl.StringVar(&f.in.Type, "type", "", "type of that column, or of any")
	fl.Int64Var(&f.in.Limit, "limit", 0, "data sets on a page; default 500, which is the most")
	fl.StringVar(&f.in.After, "after", "", "go on behind this place, which the page before ended with")
	fl.StringArrayVar(&f.pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	return cmd
}

func catalogSearch(cmd *cobra.Command, words []string, f searchFlags) error {
	var err error
	if f.in.Pins, err = parsePins(f.pins); err != nil {
		return err
	}
	f.in.Words = words
	if cmd.Flags().Changed("price-at-most") {
		f.in.Price = &f.price
	}
	if f.price < 0 || f.in.Limit < 0 {
		return fault.New(fault.Usage, "a price and a limit are not negative", "leave the flag out for any", nil)
	}
	if a := f.in.Access; a != "" && a != statement.AccessFree && a != statement.AccessApproval && a != statement.AccessPurchase {
		return fault.New(fault.Usage, fmt.Sprintf("no such access: %.80q", a), "free, approval or purchase", nil)
	}
	return call(cmd, &f.agentFlags, api.PathCatalogSearch, f.in, func(w io.Writer, c *api.Catalog) error {
		t := newTable(w, "DATA SET", "VERSION", "ACCESS", "PRICE", "COLUMNS", "PURPOSES", "OWNER", "OFFER")
		for _, d := range c.Datasets {
			t.row(d.Owner.Name+"."+d.Name, d.Version, d.Access, number(d.Price), number(int64(len(d.Schema))), strings.Join(d.Purposes, ", "), d.Owner.Fingerprint.Short(), d.Offer.Short())
		}
		if err := t.end(); err != nil || c.Next == "" {
			return err
		}
		_, err := fmt.Fprintf(w, "%d of %d; go on with --after %s\n", len(c.Datasets), c.Found, c.Next)
		return err
	})
}

func newCatalogShow() *cobra.Command {
	var f agentFlags
	var in api.CatalogShow
	var pins []string
	cmd := &cobra.Command{
		Use:   "show PARTY.DATASET[@DIGEST]",
		Short: "Show a data set: schema, versions, policy in words, what a contract needs",
		Long: `Show a data set as its owner signed it: schema, all its versions with the retired ones,
its policy in plain words, and what a contract over it must name. Without @DIGEST the
newest version that is not retired.

Exit codes: 0 done, 2 usage, 3 no such data set, 4 it does not verify, 7 agent or exchange
do not answer.`,
		Example: `  cordon catalog show delta.strikes`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.Pins, err = parsePins(pins); err != nil {
				return err
			}
			in.Data = args[0]
			return call(cmd, &f, api.PathCatalogShow, in, writeListing)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	return cmd
}

func writeListing(w io.Writer, l *api.ListingDetail) error {
	t := newTable(w)
	t.row("data set", l.Owner.Name+"."+l.Name)
	t.row("owner", string(l.Owner.Fingerprint))
	t.row("version", l.Version+state(&l.Dataset))
	t.row("offer", string(l.Offer))
	t.row("rows", number(l.Rows))
	t.row("access", l.Access)
	t.row("price", number(l.Price)+" credits a query")
	err := errors.Join(t.end(), writeTerms(w, l.Terms))
	t = newTable(w, "\nCOLUMN", "TYPE", "NULL")
	for _, c := range l.Schema {
		null := "never"
		if c.Nullable {
			null = "possible"
		}
		t.row(c.Name, c.Type, null)
	}
	err = errors.Join(err, t.end())
	t = newTable(w, "\nVERSION", "ROWS", "PRICE", "SINCE", "STATE", "OFFER")
	for _, v := range l.Versions {
		t.row(v.Version, number(v.Rows), number(v.Price), at(v.CreatedMS), strings.TrimPrefix(state(&v), ", "), string(v.Offer))
	}
	err = errors.Join(err, t.end())
	_, werr := fmt.Fprintf(w, "\npolicy\n%s\na contract over it needs\n", l.PolicyText)
	return errors.Join(err, werr, writeNeeds(w, &l.Needs))
}

// state of a version, behind its number.
func state(d *api.Dataset) string {
	switch {
	case d.Retired:
		return ", retired"
	case d.ReplacedBy != "":
		return ", replaced by " + d.ReplacedBy
	}
	return ", offered"
}

func writeNeeds(w io.Writer, n *api.Needs) error {
	t := newTable(w)
	if !n.Analyst {
		t.row("analyst", "this party is not among those who may ask: its owner would have to publish another policy")
	}
	t.row("purpose", "one of "+strings.Join(n.Purposes, ", "))
	for _, b := range n.Builds {
		t.row("build", b)
	}
	for _, o := range n.Operators {
		t.row("operator", o)
	}
	t.row("evidence", strings.Join(n.Evidence, ", "))
	t.row("perimeter", strings.Join(n.Perimeters, ", "))
	t.row("until", "before "+at(n.UntilMS))
	for _, r := range n.Rules {
		t.row("granted", "by a standing rule "+r)
	}
	if len(n.Rules) == 0 {
		t.row("granted", "by its owner, by hand")
	}
	return t.end()
}
