package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// NewRootCommand makes `cordon` with all its verbs.
func NewRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "cordon",
		Short: "Compute on data of many owners that none of them shows",
		Long: `Cordon is a confidential data exchange: owners seal their data, keep the keys,
and release them only to an attested enclave, for one agreed query at a time.

Exit codes: 0 done, 1 a bug, 2 usage, 3 malformed input, 4 not genuine or tampered with,
5 key missing or passphrase wrong, 6 refused by a policy or an owner, 7 no answer in time,
8 local disk full or not writable. Every error has a line "error:" and, where one can
do something about it, a line "hint:". With --json it is one line of JSON on standard
error: {"error": text, "hint": text, "exit": code}.`,
		Example: `  cordon party init --home ./delta --name delta --generate-passphrase ./delta.pass
  cordon party serve --home ./delta --passphrase-file ./delta.pass --exchange http://127.0.0.1:7400`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageFault(cmd, err) })
	root.AddCommand(
		NewPartyCommand(), NewApproveCommand(), NewApprovalsCommand(), NewPolicyCommand(), NewTermsCommand(), NewDatasetCommand(), NewCatalogCommand(), NewPoolCommand(), NewContractCommand(), NewTemplateCommand(), NewAccreditationCommand(), NewOrderCommand(), NewCreditsCommand(), NewReconcileCommand(), NewQueryCommand(), NewResultCommand(),
		NewReceiptCommand(newReceiptShow(), newReceiptExport(), newReceiptBundle(), newReceiptFind()), NewLedgerCommand(), NewBudgetCommand(), NewKeyCommand(),
		NewEvidenceCommand(), NewLogCommand(), NewParquetCommand(), NewExchangeCommand(), NewHostCommand(), NewEnclaveCommand(),
	)
	for _, group := range root.Commands() {
		requireVerb(group)
	}
	return root
}

// requireVerb makes a group of verbs refuse words that are none, and show its help without any.
func requireVerb(group *cobra.Command) {
	if !group.HasSubCommands() || group.Runnable() {
		return
	}
	group.Args = cobra.NoArgs
	group.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

func usageFault(cmd *cobra.Command, err error) error {
	return fault.New(fault.Usage, err.Error(), "see '"+cmd.CommandPath()+" --help'", nil)
}

// Run executes one command line and returns the exit code of the process.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := NewRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	err = asUsage(root, args, err)
	if wantsJSON(args) {
		return reportJSON(stderr, err)
	}
	return report(stderr, err)
}

// wantsJSON looks at the words themselves: an unknown flag ends the reading of flags before --json may have its turn.
func wantsJSON(args []string) bool {
	for _, a := range args {
		switch a {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}

// asUsage gives cobra's own errors (unknown command, wrong number of arguments) the code for usage.
func asUsage(root *cobra.Command, args []string, err error) error {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) || errors.Is(err, context.Canceled) {
		return err
	}
	text := err.Error()
	for _, start := range []string{"unknown command", "accepts ", "requires ", "required flag", "invalid argument"} {
		if strings.HasPrefix(text, start) {
			cmd, _, ferr := root.Find(args)
			if ferr != nil {
				cmd = root
			}
			return usageFault(cmd, err)
		}
	}
	return err
}

// interrupted is what a signal ends a command with.
func interrupted() error {
	return fault.New(fault.Unavailable, "interrupted", "run the command again", nil)
}

// reportJSON prints an error as one line of JSON, the last on standard error.
func reportJSON(w io.Writer, err error) int {
	if errors.Is(err, context.Canceled) {
		err = interrupted()
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct {
		Error string `json:"error"`
		Hint  string `json:"hint,omitempty"`
		Exit  int    `json:"exit"`
	}{err.Error(), fault.Hint(err), fault.ExitCode(err)}) // nobody is left to tell
	return fault.ExitCode(err)
}

// report prints an error as people want it.
func report(w io.Writer, err error) int {
	if errors.Is(err, context.Canceled) {
		err = interrupted()
	}
	fmt.Fprintf(w, "error: %s\n", err)
	if hint := fault.Hint(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return fault.ExitCode(err)
}
