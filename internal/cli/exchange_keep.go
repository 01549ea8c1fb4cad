package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/backup"
	"github.com/cordon-exchange/cordon/internal/exchange/fsck"
	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/bucket"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/folder"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/internal/fault"
)

type exchangeKeep struct {
	home, store, lake, out string
	objects, json          bool
}

func newExchangeBackup() *cobra.Command {
	var o exchangeKeep
	cmd := &cobra.Command{
		Use:   "backup --home DIR -o DIR",
		Short: "Copy an exchange's store, while it is served",
		Long: `Copy the store of an exchange as it is at one moment; it may be served meanwhile, and
what it confirmed before is in the copy. A manifest beside the copy has digests of all
files, and the objects that offers in force name. Objects never change: keep copies of
the lake by its own means, or copy them as well with --objects.

The backup appears under its name whole, or not at all. What a killed run leaves ends in
.partial, is no backup, and can be removed. A store in PostgreSQL is copied by pg_dump:
given --store, this command says how, and copies nothing.

Exit codes: 0 done, 2 usage, 3 no store there, damaged or from a newer version, something
is at the place of the backup, 7 lake does not answer, 8 disk full or not writable.`,
		Example: `  cordon exchange backup --home /srv/cordon -o /backup/2026-11-28
  cordon exchange backup --home /srv/cordon -o /backup/whole --objects --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.backup(cmd.Context(), cmd.OutOrStdout()) },
	}
	o.flags(cmd)
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "folder for the backup; not there yet, or empty (required)")
	cmd.Flags().BoolVar(&o.objects, "objects", false, "copy the objects of the lake, too")
	return cmd
}

func (o *exchangeKeep) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.home, "home", "", "folder of the exchange (required, unless --store is given)")
	f.StringVar(&o.store, "store", "", "URL of a PostgreSQL database, without a password; default: SQLite in the home")
	f.StringVar(&o.lake, "lake", "", lakeUsage)
	f.BoolVar(&o.json, "json", false, "print JSON")
}

// elsewhere refuses what PostgreSQL's own programs do, and names them. Nonces and the instance that they belong to stand in unlogged
// tables, and must not come back from a copy: what was signed since it was made could be sent again.
func (o *exchangeKeep) elsewhere(verb, how string) error {
	if o.store == "" {
		return nil
	}
	return fault.New(fault.Usage, verb+" is for a store in SQLite, and this one is in PostgreSQL", how+"; see docs/operating-postgresql.md", nil)
}

const (
	dumpHint    = "pg_dump --format=custom --no-unlogged-table-data --file=exchange.dump URL, then copy the lake by its own means"
	restoreHint = "pg_restore --exit-on-error --single-transaction --no-owner --dbname=URL exchange.dump, into an empty database, then cordon exchange fsck --store URL"
)

func (o *exchangeKeep) backup(ctx context.Context, out io.Writer) error {
	if err := o.elsewhere("backup", dumpHint); err != nil {
		return err
	}
	if o.home == "" || o.out == "" {
		return fault.New(fault.Usage, "no home or no place for the backup given", "add --home DIR and -o DIR", nil)
	}
	if err := o.there(); err != nil {
		return err
	}
	opts := backup.Options{StoreDir: filepath.Join(o.home, "store"), Out: o.out, Objects: o.objects, Now: time.Now()}
	if o.objects {
		lk, err := o.view(ctx)
		if err != nil {
			return err
		}
		defer shut(lk)
		opts.Lake = lk
	}
	r, err := backup.Make(ctx, opts)
	if err != nil {
		return backupError(err)
	}
	var sum int64
	for _, f := range r.Objects {
		sum += f.Bytes
	}
	if o.json {
		return jsonLine(out, struct {
			Exchange string `json:"exchange"`
			Manifest string `json:"manifest"`
			Bytes    int64  `json:"bytes"`
			Objects  int    `json:"objects"`
			Copied   bool   `json:"copied"`
			Gone     int    `json:"gone"`
		}{r.Exchange, string(r.Digest), r.Store.Bytes, len(r.Objects), r.Copied, r.Gone})
	}
	copied := "named, not copied"
	if r.Copied {
		copied = "copied"
	}
	_, err = fmt.Fprintf(out, "store: %s\nobjects: %d (%s), %s, %d gone\nmanifest: %s\n",
		humanize.IBytes(uint64(r.Store.Bytes)), len(r.Objects), humanize.IBytes(uint64(sum)), copied, r.Gone, r.Digest)
	return err
}

// there refuses a home without a store, before anything is made of it.
func (o *exchangeKeep) there() error {
	_, err := os.Stat(sqlite.Place(filepath.Join(o.home, "store")))
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Input, "no store of an exchange in this home", "give the --home of cordon exchange serve", nil)
	}
	if err != nil {
		return fault.New(fault.LocalStorage, "home of the exchange can't be read", "check the folder's owner and mode", err)
	}
	return nil
}

// view opens the lake beside whoever serves it.
func (o *exchangeKeep) view(ctx context.Context) (lake.Lake, error) {
	if o.lake != "" {
		return exchange.OpenLake(ctx, exchange.Place{Home: o.home, Lake: o.lake})
	}
	lk, err := folder.View(filepath.Join(o.home, "lake"))
	if err != nil {
		return nil, fault.New(fault.LocalStorage, "lake of the exchange can't be read", "check the folder, or give its --lake", err)
	}
	return lk, nil
}

func shut(l lake.Lake) {
	if c, ok := l.(io.Closer); ok {
		_ = c.Close() // it was read, or every object was confirmed
	}
}

func backupError(err error) error {
	switch {
	case errors.Is(err, backup.ErrNoBackup):
		return fault.New(fault.Input, "no whole backup is there", "give the folder that cordon exchange backup -o made", err)
	case errors.Is(err, backup.ErrNotEmpty):
		return fault.New(fault.Input, "something is at that place already", "give a folder that is not there, or empty; nothing was changed", nil)
	case errors.Is(err, backup.ErrUnfinish):
		return fault.New(fault.Input, "another run is at it, or was killed", "if none runs, remove the folder that ends in .partial", err)
	case errors.Is(err, backup.ErrChanged):
		return fault.New(fault.Untrusted, "a file of the backup is not the one that was written", "use another backup; nothing was restored", err)
	case errors.Is(err, store.ErrNewerSchema):
		return fault.New(fault.Input, "store was written by a newer version of cordon", "use that version", err)
	case errors.Is(err, store.ErrDamaged):
		return fault.New(fault.Input, "store is damaged", "use another one", err)
	case errors.Is(err, lake.ErrUnavailable), errors.Is(err, bucket.ErrNoBucket):
		return fault.New(fault.Unavailable, "lake does not answer", "check the endpoint and the network to it", err)
	case errors.Is(err, lake.ErrExists):
		return fault.New(fault.Input, "the lake has another object at a path of the backup", "restore into an empty lake", err)
	case errors.Is(err, store.ErrFull), errors.Is(err, lake.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EFBIG):
		return fault.New(fault.LocalStorage, "disk is full", "make room and try again; nothing is left of this run", err)
	}
	return fault.New(fault.LocalStorage, "files can't be read or written", "check the folders' owner and mode", err)
}

func newExchangeRestore() *cobra.Command {
	var o exchangeKeep
	cmd := &cobra.Command{
		Use:   "restore BACKUP --home DIR",
		Short: "Make a home from a backup, and check it",
		Long: `Make the home of an exchange from a backup. Every file must have the digest that the
manifest says, and nothing may be at the place of the home. Objects that the backup holds
go to the lake; where the backup has none, the lake has to be there by its own means.
Then everything is checked as by "exchange fsck".

An exchange that goes on from a backup has forgotten what came after it: parties notice
that by their own copies. Never serve two homes of one exchange.

Exit codes: 0 done, 2 usage, 3 no whole backup, from a newer version, or something is at
the place of the home, 4 a file is not the one that was backed up, or the check found
faults, 7 lake does not answer, 8 disk full or not writable.`,
		Example: `  cordon exchange restore /backup/2026-11-28 --home /srv/cordon`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.restore(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *exchangeKeep) restore(ctx context.Context, from string, out io.Writer) error {
	if err := o.elsewhere("restore", restoreHint); err != nil {
		return err
	}
	if o.home == "" {
		return fault.New(fault.Usage, "no home given", "add --home DIR", nil)
	}
	var lk lake.Lake
	if o.lake != "" {
		var err error
		if lk, err = exchange.OpenLake(ctx, exchange.Place{Home: o.home, Lake: o.lake}); err != nil {
			return err
		}
		defer shut(lk)
	}
	m, err := backup.Restore(ctx, from, o.home, lk)
	if err != nil {
		return backupError(err)
	}
	if !o.json {
		if _, err := fmt.Fprintf(out, "restored: %s, schema %d, as it was at %s\n", m.Exchange, m.Schema, time.UnixMilli(m.MadeMS).UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	o.objects = true
	return o.fsck(ctx, out)
}

func newExchangeFsck() *cobra.Command {
	var o exchangeKeep
	cmd := &cobra.Command{
		Use:   "fsck --home DIR",
		Short: "Check all that an exchange keeps",
		Long: `Check all that an exchange keeps: every signature and digest, what statements say of
each other, registrations, jobs with their artifacts, mailboxes, and that the lake has
the objects of offers in force, with their sizes. It repairs nothing.

A store in a home is checked while the exchange is stopped; like "serve" this first
brings the store of an older version up to date. A store in PostgreSQL (--store) is
checked as it is at one moment, whoever serves it meanwhile, and nothing is changed
there; an object that its owner removes during the check is named as missing. Without
--home and --lake, objects are not looked for.

Each fault is a line; the last line counts what was looked at.

Exit codes: 0 everything fits together, 2 usage, 3 home in use, not there, or from a
newer version (database: or an older one), 4 faults were found, 7 lake or database does
not answer, 8 home can't be read.`,
		Example: `  cordon exchange fsck --home /srv/cordon
  cordon exchange fsck --home /srv/cordon --lake 's3://lake?endpoint=https://s3.example' --json
  cordon exchange fsck --home /srv/cordon --store postgres://cordon@db.example/exchange`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.fsck(cmd.Context(), cmd.OutOrStdout()) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.objects, "objects", true, "look for the objects, too")
	return cmd
}

func (o *exchangeKeep) fsck(ctx context.Context, out io.Writer) (err error) {
	home, err := o.kept(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, home.Close()) }()
	opts := fsck.Options{Store: home.Store, Report: func(f fsck.Fault) error {
		if o.json {
			return jsonLine(out, f)
		}
		_, err := fmt.Fprintln(out, f)
		return err
	}}
	if o.objects {
		opts.Lake = home.Lake
	}
	sum, err := fsck.Check(ctx, opts)
	if err != nil {
		return unchecked(err)
	}
	if err := o.summary(out, sum); err != nil {
		return err
	}
	if sum.Faults > 0 {
		return fault.New(fault.Untrusted, "store or lake of the exchange has faults", "restore a backup that has none; what is named is lost or not to be believed", nil)
	}
	return nil
}

// kept opens what is to be checked.
func (o *exchangeKeep) kept(ctx context.Context) (*exchange.Home, error) {
	p := exchange.Place{Home: o.home, Store: o.store, Lake: o.lake}
	if o.store != "" {
		if !o.objects {
			p.Home, p.Lake = "", ""
		}
		return exchange.View(ctx, p)
	}
	if o.home == "" {
		return nil, fault.New(fault.Usage, "no home given", "add --home DIR, or --store URL", nil)
	}
	if err := o.there(); err != nil {
		return nil, err
	}
	return exchange.Open(ctx, p)
}

func (o *exchangeKeep) summary(out io.Writer, sum fsck.Summary) error {
	if o.json {
		return jsonLine(out, sum)
	}
	for _, s := range sum.Storage {
		if _, err := fmt.Fprintf(out, "storage of %s: %d objects, %s\n", s.Party, s.Objects, humanize.IBytes(uint64(s.Bytes))); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "checked: %d statements, %d parties, %d jobs, %d items, %d objects, %d entries of the log: %d faults\n",
		sum.Statements, sum.Parties, sum.Jobs, sum.Items, sum.Objects, sum.Entries, sum.Faults)
	return err
}

func unchecked(err error) error {
	switch {
	case errors.Is(err, lake.ErrUnavailable):
		return fault.New(fault.Unavailable, "lake does not answer; not everything was checked", "try again, or add --objects=false", err)
	case errors.Is(err, store.ErrUnavailable):
		return fault.New(fault.Unavailable, "database does not answer; not everything was checked", "try again", err)
	case errors.Is(err, store.ErrDamaged):
		return fault.New(fault.Untrusted, "store can't be read to its end", "restore a backup", err)
	}
	return fault.New(fault.LocalStorage, "not everything could be checked", "check the folder's owner and mode", err)
}

func jsonLine(out io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = out.Write(append(b, '\n'))
	return err
}
