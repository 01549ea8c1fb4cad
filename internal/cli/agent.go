package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// agentFlags are the flags of every verb that talks to the party's agent.
type agentFlags struct {
	home string
	json bool
}

func (f *agentFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *agentFlags) client() (*api.Client, error) {
	dir, err := home.Open(f.home)
	if err != nil {
		return nil, err
	}
	return api.New(dir)
}

// call makes one call and prints its answer: as JSON, or by text.
func call[Out any](cmd *cobra.Command, f *agentFlags, path string, in any, text func(io.Writer, *Out) error) error {
	c, err := f.client()
	if err != nil {
		return err
	}
	out := new(Out)
	err = withOfficers(cmd, c, func() error { return c.Call(cmd.Context(), path, in, out) })
	if err != nil {
		return err
	}
	return show(cmd, f, out, text)
}

func show[Out any](cmd *cobra.Command, f *agentFlags, out *Out, text func(io.Writer, *Out) error) error {
	if f.json {
		return printJSON(cmd.OutOrStdout(), out)
	}
	return text(cmd.OutOrStdout(), out)
}

// stream makes a call that tells its progress, on standard error.
func stream[Out any](ctx context.Context, f *agentFlags, path string, in any, tell func(api.Progress)) (*Out, error) {
	c, err := f.client()
	if err != nil {
		return nil, err
	}
	out := new(Out)
	return out, c.Stream(ctx, path, in, out, tell)
}

// table prints rows in columns.
type table struct {
	tw  *tabwriter.Writer
	err error
}

func newTable(w io.Writer, head ...string) *table {
	t := &table{tw: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

func (t *table) row(cells ...string) {
	if t.err == nil {
		_, t.err = fmt.Fprintln(t.tw, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
}

func (t *table) end() error {
	if t.err != nil {
		return t.err
	}
	return t.tw.Flush()
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func at(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000Z") }

func names(list []api.Party) string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name)
	}
	return strings.Join(out, ", ")
}

// parsePins reads NAME=FINGERPRINT.
func parsePins(list []string) ([]api.Party, error) {
	var out []api.Party
	for _, s := range list {
		name, fp, ok := strings.Cut(s, "=")
		p := api.Party{Name: name, Fingerprint: statement.Fingerprint(fp)}
		if !ok || !statement.ValidName(name) || !p.Fingerprint.Valid() {
			return nil, fault.New(fault.Usage, "not a pin: "+s, "write --pin NAME=FINGERPRINT", nil)
		}
		out = append(out, p)
	}
	return out, nil
}

func parseFingerprints(list []string) ([]statement.Fingerprint, error) {
	var out []statement.Fingerprint
	for _, s := range list {
		f := statement.Fingerprint(s)
		if !f.Valid() {
			return nil, fault.New(fault.Usage, "not a fingerprint: "+s, "a fingerprint is cordon1 and 64 hex digits", nil)
		}
		out = append(out, f)
	}
	return out, nil
}

func parseDigest(s string) (statement.Digest, error) {
	d := statement.Digest(s)
	if !d.Valid() {
		return "", fault.New(fault.Usage, "not a digest: "+s, "a digest is sha256: and 64 hex digits", nil)
	}
	return d, nil
}

// parseUntil reads a moment, or a time from now such as 30d, 12h or 90m.
func parseUntil(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.Parse("2006-01-02", s); err == nil {
		return t, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100000 {
			return now.Add(time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fault.New(fault.Usage, "not a time: "+s, "write a date, 2026-12-31T00:00:00Z, or a time from now: 30d, 12h", nil)
}
