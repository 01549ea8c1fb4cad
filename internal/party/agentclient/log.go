package agentclient

import (
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Logged is the account of a job with its proof that a witnessed log has it, in one file.
type Logged struct {
	Receipt statement.Digest `json:"receipt"`
	File    []byte           `json:"file"`
}

// LogVerify asks what the party's witness knows of the exchange's log; with Look, after another look at it.
type LogVerify struct {
	Look bool `json:"look,omitempty"`
}

// Log is what the party's witness knows of the exchange's log.
type Log struct {
	Key      string       `json:"key,omitempty"` // pinned; "" where no log was seen
	Size     int64        `json:"size"`
	Root     []byte       `json:"root,omitempty"`
	LastMS   int64        `json:"last_ms,omitempty"`   // time of the last entry
	SeenMS   int64        `json:"seen_ms,omitempty"`   // when that was the newest
	Cosigned bool         `json:"cosigned,omitempty"`  // the exchange has this agent's cosignature of it
	Mute     bool         `json:"mute,omitempty"`      // the signing key's certificate does not let it cosign
	Waiting  int          `json:"waiting"`             // statements that are not proven to be in it yet
	OldestMS int64        `json:"oldest_ms,omitempty"` // since when the oldest of them waits
	Anchor   *ledger.Head `json:"anchor,omitempty"`    // of the party's ledger, the newest
	Alarm    *LogAlarm    `json:"alarm,omitempty"`
}

// LogAlarm says why the log is not to be believed.
type LogAlarm struct {
	Kind   string           `json:"kind"`
	Text   string           `json:"text"`
	AtMS   int64            `json:"at_ms"`
	Known  []byte           `json:"known,omitempty"` // checkpoint that was found consistent last
	Seen   []byte           `json:"seen,omitempty"`  // checkpoint that can't be of the same log
	Digest statement.Digest `json:"digest,omitempty"`
}
