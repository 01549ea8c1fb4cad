package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/freeze"
	"github.com/cordon-exchange/cordon/internal/party/home"
)

// freezeTime is what an agent gets to answer, before the home is written without it.
const freezeTime = 10 * time.Second

// freezeInfo is what freeze and unfreeze print.
type freezeInfo struct {
	Frozen   bool   `json:"frozen"`
	Reason   string `json:"reason,omitempty"`
	AtMS     int64  `json:"at_ms"`
	Recorded bool   `json:"recorded"` // in the ledger
}

func newPartyFreeze() *cobra.Command {
	var f agentFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "freeze --reason TEXT",
		Short: "Stop all releases of the party at once",
		Long: `Stop all releases of the party at once: no key leaves for any job, whatever was
granted, until 'cordon party unfreeze'. A job for which this party is ready already
gets no key either. It holds across restarts, needs no running agent and no
passphrase, and stands in the ledger with its reason, which nobody else is told:
others read that releases are stopped. Exposures that are open can still be closed.

Exit codes: 0 stopped, 2 usage, 3 no party in the folder, 4 the ledger was tampered with,
8 the home can't be written.`,
		Example: `  cordon party freeze --home ./delta --reason "advisory INTEL-SA-00837, see ticket 4711"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return fault.New(fault.Usage, "no reason given", "add --reason TEXT: it stands in the ledger", nil)
			}
			return setFreeze(cmd, &f, reason)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the ledger (required)")
	return cmd
}

func newPartyUnfreeze() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "unfreeze",
		Short: "Let the releases of the party go on",
		Long: `Let the releases of the party go on that 'cordon party freeze' stopped, or that stopped
because freeze.json can't be read. It needs no running agent.

Exit codes: 0 done, 2 usage or an agent that does not answer holds the home, 3 no party in
the folder, 4 the ledger was tampered with, 8 the home can't be written.`,
		Example: `  cordon party unfreeze --home ./delta`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return setFreeze(cmd, &f, "") },
	}
	f.add(cmd)
	return cmd
}

// setFreeze asks the agent, and does without one that does not answer.
func setFreeze(cmd *cobra.Command, f *agentFlags, reason string) error {
	dir, err := home.Open(f.home)
	if err != nil {
		return err
	}
	c, err := api.New(dir)
	if err != nil {
		return err
	}
	info := &freezeInfo{Frozen: reason != "", Reason: reason, Recorded: true}
	ctx, cancel := context.WithTimeout(cmd.Context(), freezeTime)
	defer cancel()
	var out api.Freeze
	err = c.Call(ctx, api.PathFreeze, api.Freeze{Reason: reason}, &out)
	info.AtMS = out.AtMS
	if ctx.Err() != nil && cmd.Context().Err() == nil || fault.ExitCode(err) == int(fault.Unavailable) {
		now := time.Now()
		info.AtMS = now.UnixMilli()
		info.Recorded, err = freeze.Offline(cmd.Context(), dir, reason, now)
	}
	if err != nil {
		return err
	}
	return show(cmd, f, info, writeFreeze)
}

func writeFreeze(w io.Writer, i *freezeInfo) error {
	text := "releases go on"
	if i.Frozen {
		text = "RELEASES ARE STOPPED: " + ascii(i.Reason)
	}
	if !i.Recorded {
		text += "\nthe ledger has no entry of it: the agent holds it and does not answer; run this again once it does"
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// frozenText says whether a party's releases are stopped.
func frozenText(f *api.Freeze) string {
	if f == nil {
		return "go on"
	}
	if f.AtMS == 0 {
		return "STOPPED: " + ascii(f.Reason)
	}
	return "STOPPED since " + at(f.AtMS) + ": " + ascii(f.Reason)
}
