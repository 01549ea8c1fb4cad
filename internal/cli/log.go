package cli

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
)

// NewLogCommand makes `cordon log` with its verbs.
func NewLogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Check the exchange's transparency log, as this party's witness sees it",
	}
	cmd.AddCommand(newLogVerify(), newLogShow())
	return cmd
}

func newLogVerify() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Look at the log now, and say whether it is what it was",
		Long: `Look at the exchange's log now: that its newest checkpoint is signed by the key that this
party pinned, and goes on from the one that its witness cosigned last; that new entries
are dated neither back nor ahead; that all which the exchange accepted from this party or
delivered to it is there. What is not so raises an alarm that stays in the home, with both
checkpoints where two prove it, and this party cosigns nothing any more. What is accepted
a moment ago may still wait for its proof: the text says how much, and since when; and it
says what this party alone can't check.

Exit codes: 0 the log is what it was, 2 usage, 4 an alarm, 6 the exchange keeps no log,
7 agent or exchange do not answer.`,
		Example: `  cordon log verify
  cordon log verify --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLog(cmd, &f, true) },
	}
	f.add(cmd)
	return cmd
}

func newLogShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show what this party's witness has seen of the log",
		Long: `Show what this party's witness has seen of the log: its key, which contracts name, size
and root of the newest checkpoint that it found consistent, and the newest head of the
party's own ledger that was anchored. The exchange is not asked.

Exit codes: 0 done, 2 usage, 4 an alarm, 7 the agent does not answer.`,
		Example: `  cordon log show`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runLog(cmd, &f, false) },
	}
	f.add(cmd)
	return cmd
}

func runLog(cmd *cobra.Command, f *agentFlags, look bool) error {
	c, err := f.client()
	if err != nil {
		return err
	}
	var l api.Log
	if err := c.Call(cmd.Context(), api.PathLog, api.LogVerify{Look: look}, &l); err != nil {
		return err
	}
	if err := show(cmd, f, &l, logText); err != nil {
		return err
	}
	if l.Alarm != nil {
		return fault.New(fault.Untrusted, "the exchange's log is not to be believed: "+l.Alarm.Kind, "keep log/alarm.json of the home, show it to the other parties, and ask the exchange's operator", nil)
	}
	return nil
}

func cosignedText(l *api.Log) string {
	switch {
	case l.Cosigned:
		return "yes"
	case l.Mute:
		return "NO: the certificate of the signing key does not cover 'ack'"
	}
	return "NO, or by an agent before this one"
}

func waitingText(l *api.Log) string {
	if l.Waiting == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d NOT PROVEN YET to be in the log, the first since %s", l.Waiting, at(l.OldestMS))
}

func logText(w io.Writer, l *api.Log) error {
	t := newTable(w)
	if l.Key == "" {
		t.row("log", "none was seen")
		return t.end()
	}
	t.row("key", l.Key)
	t.row("entries", number(l.Size))
	if l.Size > 0 {
		t.row("root", hex.EncodeToString(l.Root))
		t.row("last entry", at(l.LastMS))
		t.row("newest at", at(l.SeenMS))
		t.row("cosigned", cosignedText(l))
	}
	t.row("waiting", waitingText(l))
	if l.Anchor != nil {
		t.row("anchored", fmt.Sprintf("ledger entry %d, head %s", l.Anchor.Seq, l.Anchor.Digest))
	}
	if a := l.Alarm; a != nil {
		t.row("ALARM", a.Kind+", since "+at(a.AtMS))
		t.row("", a.Text)
		if len(a.Seen) > 0 {
			t.row("", "two checkpoints that the log signed prove it: see log/alarm.json of the home")
		}
	}
	t.row("not checked", "whether other parties are shown the same log: their cosignatures in 'cordon receipt bundle' say so")
	t.row("", "whether the exchange shows all of this party's anchors")
	return t.end()
}
