package wire

import (
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// Log says by which key the log's checkpoints are verified.
type Log struct {
	Key string `json:"key"`
}

// LogCheckpoint is a checkpoint that the log signed.
type LogCheckpoint struct {
	Size int64  `json:"size"`
	Note []byte `json:"note,omitempty"` // none yet: the log is empty, or its answer has waited in vain
}

// LogCosigned is a checkpoint with what witnesses signed about it.
type LogCosigned struct {
	LogCheckpoint
	Cosignatures []translog.Cosignature `json:"cosignatures,omitempty"`
}

// LogWanted asks for the newest checkpoint that all of these have cosigned.
type LogWanted struct {
	By      []statement.Fingerprint `json:"by,omitempty"`
	Also    []statement.Fingerprint `json:"also,omitempty"`     // whose cosignatures are wanted where they are there; nobody else's are told
	AtLeast int64                   `json:"at_least,omitempty"` // size
}

// LogLeaves are leaves of the tree in order, each translog.LeafSize bytes.
type LogLeaves struct {
	From   int64  `json:"from"`
	Leaves []byte `json:"leaves,omitempty"`
}

// LogProofs are the entries about a digest, with proofs to one checkpoint. Waiting counts those that the checkpoint does not have yet.
type LogProofs struct {
	Checkpoint LogCheckpoint    `json:"checkpoint"`
	Entries    []translog.Entry `json:"entries,omitempty"`
	Waiting    int64            `json:"waiting,omitempty"`
}

// LogAsk asks for entries about several digests, proven to the checkpoint of a size. What is not there, or not for the caller to see,
// is left out of the answer.
type LogAsk struct {
	Digests []statement.Digest `json:"digests"`
	Size    int64              `json:"size"`
}

// LogCommitment is a party's own commitment.
type LogCommitment struct {
	Commitment []byte `json:"commitment"`     // 32 bytes
	Kind       string `json:"kind,omitempty"` // as the party says: "" is an anchor
}

// LogOwn is where a party's own commitment stands.
type LogOwn struct {
	Commitment []byte   `json:"commitment"`
	Index      int64    `json:"index"`
	TimeMS     int64    `json:"time_ms"`
	Proof      [][]byte `json:"proof,omitempty"` // to the checkpoint that it is given with
}

// LogOwnList are a party's own commitments, the newest first.
type LogOwnList struct {
	Checkpoint LogCheckpoint `json:"checkpoint"`
	Items      []LogOwn      `json:"items,omitempty"`
}

// LogCosign hands in a cosignature of a round.
type LogCosign struct {
	Size        int64                `json:"size"`
	Cosignature translog.Cosignature `json:"cosignature"`
}

// Bounds of the log's calls.
const (
	MaxLogLeaves      = 16384 // of one answer
	MaxLogAsked       = 256   // digests of one question
	MaxLogWitnesses   = 90    // that one question names
	MaxLogOwn         = 256   // a party's own commitments in one answer
	MaxLogWaiting     = 64    // a party's own commitments that wait for a place
	LogCommitmentSize = 32    // bytes
)
