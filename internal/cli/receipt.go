package cli

import "github.com/spf13/cobra"

// NewReceiptCommand groups what one does with receipts: verify works anywhere;
// the verbs in more talk to the party's agent.
func NewReceiptCommand(more ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "receipt",
		Short: "Read and check exposure receipts",
	}
	cmd.AddCommand(NewReceiptVerifyCommand())
	cmd.AddCommand(more...)
	return cmd
}
