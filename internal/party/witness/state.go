package witness

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// Formats of the files, with their versions.
const (
	stateFormat = "cordon-witness/1"
	alarmFormat = "cordon-log-alarm/1"
)

// state is what a witness goes on from. It is durable before a cosignature leaves.
type state struct {
	Format string   `json:"format"`
	Key    string   `json:"key"`              // of the log, pinned
	Note   []byte   `json:"note,omitempty"`   // the checkpoint that was found consistent last
	Hashes [][]byte `json:"hashes,omitempty"` // right edge of its tree
	LastMS int64    `json:"last_ms"`          // time of its last leaf
	SeenMS int64    `json:"seen_ms"`          // by the party's clock, when it was the newest
}

// Alarm is something that no honest exchange does. It stays until somebody takes its file away.
type Alarm struct {
	Format string           `json:"format"`
	Kind   string           `json:"kind"`
	Text   string           `json:"text"`
	AtMS   int64            `json:"at_ms"`
	Known  []byte           `json:"known,omitempty"`  // checkpoint that was found consistent last
	Seen   []byte           `json:"seen,omitempty"`   // checkpoint that can't be of the same log
	Digest statement.Digest `json:"digest,omitempty"` // of what was left out
}

// Kinds of alarms.
const (
	AlarmSmaller = "smaller" // than what was there: rolled back
	AlarmForked  = "forked"  // another history than the one that was there
	AlarmTime    = "time"    // leaves dated back, in another order than their times, or ahead
	AlarmDropped = "dropped" // what was accepted is not there
	AlarmKey     = "key"     // another log than the pinned one
	AlarmGone    = "gone"    // the exchange keeps no log any more
)

func (w *Witness) file(name string) string { return filepath.Join(w.opt.Dir, name) }

const (
	stateFile  = "witness.json"
	alarmFile  = "alarm.json"
	expectFile = "expected.ndjson"
)

// read reads a file strictly; false where there is none.
func read(path string, into any) (bool, error) {
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, home.Storage("can't read "+filepath.Base(path), err)
	}
	if err := statement.Unmarshal(src, into); err != nil {
		return false, damaged(filepath.Base(path), err)
	}
	return true, nil
}

func damaged(name string, err error) error {
	return fault.New(fault.Untrusted, "log/"+name+" of the home is damaged", "restore it from a backup; without it this party forgets what it has seen of the log", err)
}

func write(path string, v any) error {
	b, err := statement.Marshal(v)
	if err != nil {
		return err
	}
	if err := home.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return home.WriteFile(path, b)
}

func (w *Witness) load() error {
	if there, err := read(w.file(alarmFile), &w.alarmed); err != nil || there && w.alarmed.Format != alarmFormat {
		// What can't be read was something: it counts.
		w.alarmed = Alarm{Format: alarmFormat, Kind: AlarmForked, Text: "log/" + alarmFile + " of the home can't be read", AtMS: 1}
	}
	there, err := read(w.file(stateFile), &w.state)
	if err != nil || !there {
		return err
	}
	if w.state.Format != stateFormat {
		return damaged(stateFile, nil)
	}
	if w.key, err = translog.ParseKey(w.state.Key); err != nil {
		return damaged(stateFile, err)
	}
	if w.state.Note == nil {
		return nil
	}
	if w.last, err = w.key.Open(w.state.Note); err != nil {
		return damaged(stateFile, err)
	}
	r, err := translog.ParseRange(w.last.Size, w.state.Hashes)
	if err != nil {
		return damaged(stateFile, err)
	}
	if root, err := r.Root(); err != nil || root != w.last.Root {
		return damaged(stateFile, err)
	}
	return nil
}
