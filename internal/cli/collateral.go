package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/exhibit"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/home"
)

type collateralFlags struct {
	home, at       string
	json           bool
	fmspc, ca, tee string
	line, baseURL  string
}

func (f *collateralFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	cmd.Flags().StringVar(&f.at, "at", "", "time to judge it at, 2026-01-31T12:00:00Z; default now")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *collateralFlags) open() (*collateral.Cache, time.Time, error) {
	at := time.Now()
	if f.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return nil, at, fault.New(fault.Usage, fmt.Sprintf("not a time: %.40q", f.at), "write --at 2026-01-31T12:00:00Z", nil)
		}
	}
	dir, err := home.Open(f.home)
	if err != nil {
		return nil, at, err
	}
	c, err := collateral.Open(dir, collateral.Anchors{})
	return c, at, err
}

func newCollateral() *cobra.Command {
	cmd := &cobra.Command{Use: "collateral", Short: "Keep what Intel and AMD say about machines, for verifying without a network"}
	cmd.AddCommand(newCollateralFetch(), newCollateralImport(), newCollateralList())
	requireVerb(cmd)
	return cmd
}

func newCollateralFetch() *cobra.Command {
	var f collateralFlags
	cmd := &cobra.Command{
		Use:   "fetch [FILE...]",
		Short: "Get collateral from Intel's and AMD's services",
		Long: `Get collateral for the machine that a quote or a report in FILE is of, or for Intel
machines of one FMSPC. From Intel (PCS, version 4): TCB info, identity of quoting
enclaves, revocation lists of the PCK CA and the root. From AMD (KDS): the VCEK of the
chip at its TCB, and the revocation list. All that comes is verified under the pinned
roots before it is kept, and must be current; the service, its TLS and a mirror are not
relied on. Redirects are not followed. The service learns which machine is asked for.

Exit codes: 0 kept, 2 usage, 3 FILE or an answer is malformed, or no party in the folder,
4 what came is not genuine, not current, older than what is kept or for another machine,
7 the service does not give it, 8 the home can't be written.`,
		Example: `  cordon evidence collateral fetch --home ./delta quote.bin
  cordon evidence collateral fetch --home ./delta --fmspc 00606a000000 --ca platform --tee sgx`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.fetch(cmd, args) },
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.fmspc, "fmspc", "", "family of Intel's machines, 12 hex digits")
	fl.StringVar(&f.ca, "ca", "platform", "with --fmspc: who issued the machines' certificates, platform or processor")
	fl.StringVar(&f.tee, "tee", "tdx", "with --fmspc: sgx or tdx")
	fl.StringVar(&f.line, "line", "", "line of AMD's processor, where a report does not say: Milan, Genoa, Turin")
	fl.StringVar(&f.baseURL, "base-url", "", "address of a mirror, instead of the vendors' services")
	return cmd
}

func (f *collateralFlags) fetch(cmd *cobra.Command, files []string) error {
	c, at, err := f.open()
	if err != nil {
		return err
	}
	if len(files) == 0 && f.fmspc == "" {
		return fault.New(fault.Usage, "nothing to fetch for", "name a file with a quote or a report, or --fmspc", nil)
	}
	g, err := collateral.NewFetcher(c, f.baseURL, at)
	if err != nil {
		return fault.New(fault.Usage, "not the address of a service", "write --base-url https://mirror.example", err)
	}
	defer g.Close()
	var got []*collateral.Item
	if f.fmspc != "" {
		m := collateral.Machine{TEE: strings.ToUpper(f.tee), FMSPC: strings.ToLower(f.fmspc), CA: f.ca}
		if !m.Valid() {
			return fault.New(fault.Usage, "not a family of machines", "write --fmspc with 12 hex digits, --tee sgx or tdx, --ca platform or processor", nil)
		}
		i, err := g.Intel(cmd.Context(), m)
		if err != nil {
			return collateralFault(cmd.Context(), err)
		}
		got = append(got, i)
	}
	for _, name := range files {
		items, err := f.fetchFor(cmd.Context(), g, name)
		if err != nil {
			return collateralFault(cmd.Context(), err)
		}
		got = append(got, items...)
	}
	return f.print(cmd, got)
}

// fetchFor fetches for the machine that the evidence in a file says it is of.
func (f *collateralFlags) fetchFor(ctx context.Context, g *collateral.Fetcher, name string) ([]*collateral.Item, error) {
	src, err := readBounded(name, exhibit.MaxFile)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read "+ascii(name), "name a file with a quote or a report", err)
	}
	e, err := exhibit.Open(src, "")
	if err != nil {
		return nil, err
	}
	switch e.Kind {
	case exhibit.SGX, exhibit.TDX:
		q, err := dcap.Parse(e.Raw)
		if err != nil {
			return nil, err
		}
		i, err := g.Intel(ctx, collateral.MachineOf(q))
		return []*collateral.Item{i}, err
	case exhibit.SNP:
		return g.AMD(ctx, e.Raw, f.line)
	}
	return nil, fault.New(fault.Usage, "evidence of kind "+string(e.Kind)+" needs no collateral", "name a file with a quote of SGX or TDX, or an SEV-SNP report", nil)
}

func newCollateralImport() *cobra.Command {
	var f collateralFlags
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Keep collateral from files, where there is no internet",
		Long: `Keep collateral from files: Intel's in the JSON form of docs/spec/evidence.md,
section 7.2; a VCEK or a revocation list of AMD's (DER). It is verified under the
pinned roots, must be current, and no older than what is kept.

Exit codes: 0 kept, 2 usage, 3 malformed, or no party in the folder, 4 not genuine, not current
or older than what is kept, 8 the home can't be written.`,
		Example: `  cordon evidence collateral import --home ./delta collateral.json vcek.der milan.crl`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := f.open()
			if err != nil {
				return err
			}
			var got []*collateral.Item
			for _, name := range args {
				src, err := readBounded(name, exhibit.MaxFile)
				if err != nil {
					return fault.New(fault.Input, "can't read "+ascii(name), "name files of collateral", err)
				}
				i, err := c.Put(src, at)
				if err != nil {
					return collateralFault(cmd.Context(), fmt.Errorf("%s: %w", name, err))
				}
				got = append(got, i)
			}
			return f.print(cmd, got)
		},
	}
	f.add(cmd)
	return cmd
}

func newCollateralList() *cobra.Command {
	var f collateralFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show what is kept, and until when it holds",
		Long: `Show what is kept, and until when it holds. What is not current, or damaged, is said
in capitals, and is given to nobody.

Exit codes: 0 done, 2 usage, 3 no party in the folder, 8 the home can't be read.`,
		Example: `  cordon evidence collateral list --home ./delta`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := f.open()
			if err != nil {
				return err
			}
			list, err := c.List(at)
			if err != nil {
				return err
			}
			return f.print(cmd, list)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *collateralFlags) print(cmd *cobra.Command, list []*collateral.Item) error {
	if f.json {
		if list == nil {
			list = []*collateral.Item{}
		}
		return printJSON(cmd.OutOrStdout(), struct {
			Collateral []*collateral.Item `json:"collateral"`
		}{list})
	}
	if len(list) == 0 {
		_, err := io.WriteString(cmd.OutOrStdout(), "nothing is kept: see 'cordon evidence collateral fetch' and 'import'\n")
		return err
	}
	t := newTable(cmd.OutOrStdout(), "WHAT", "OF", "STATE", "UNTIL")
	for _, i := range list {
		switch {
		case i.Damaged != "":
			t.row(ascii(i.File), "", "DAMAGED: "+ascii(i.Damaged))
		case !i.Current:
			t.row(i.Kind, i.Of, "STALE", i.Expires.UTC().Format(time.RFC3339))
		default:
			t.row(i.Kind, i.Of, "current", i.Expires.UTC().Format(time.RFC3339))
		}
	}
	return t.end()
}

// collateralFault is the exit code of what did not come, or may not be kept.
func collateralFault(ctx context.Context, err error) error {
	var coded interface{ ExitCode() int }
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &coded):
		return err
	case errors.Is(err, collateral.ErrService):
		return fault.New(fault.Unavailable, "the service did not give it", "try again, name a mirror with --base-url, or import files", plain(err))
	case errors.Is(err, collateral.ErrNone):
		return fault.New(fault.Usage, "nothing can be asked for", "see --line, --fmspc", plain(err))
	case errors.Is(err, stage.Parse), errors.Is(err, collateral.ErrUnknown):
		return fault.New(fault.Input, "malformed", "give files as the vendors' services do", plain(err))
	}
	return fault.New(fault.Untrusted, "nothing of it is kept", "fetch it from the vendor itself, and look at this machine's clock", plain(err))
}

// fromCache takes current collateral from a party's home, for evidence that came without.
func fromCache(e *exhibit.Exhibit, path string) error {
	dir, err := home.Open(path)
	if err != nil {
		return err
	}
	c, err := collateral.Open(dir, collateral.Anchors{})
	if err != nil {
		return err
	}
	switch {
	case (e.Kind == exhibit.SGX || e.Kind == exhibit.TDX) && len(e.Collateral) == 0:
		if q, perr := dcap.Parse(e.Raw); perr == nil {
			e.Collateral, _, err = c.ForIntel(collateral.MachineOf(q), e.At)
		}
	case e.Kind == exhibit.SNP && len(e.Endorsements) == 0:
		if r, perr := snp.Parse(e.Raw); perr == nil {
			e.Endorsements, _, err = c.ForReport(r, e.At)
		}
	}
	if err != nil {
		return fault.New(fault.Untrusted, "the home has no current collateral for this machine", "'cordon evidence collateral fetch' or 'import' gets it; 'list' shows what there is", plain(err))
	}
	return nil
}
