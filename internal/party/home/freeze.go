package home

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// FreezeFormat names the format of freeze.json, with its version.
const FreezeFormat = "cordon-freeze/1"

// MaxReason bounds why a party froze its releases, in bytes.
const MaxReason = 500

// maxFreeze bounds the file, in bytes.
const maxFreeze = 4096

// Freeze says whether a party has stopped all its releases. Whoever can't read it has to take it as frozen.
type Freeze struct {
	Format string `json:"format"` // FreezeFormat
	Frozen bool   `json:"frozen"`
	Reason string `json:"reason,omitempty"` // why, where it is frozen
	AtMS   int64  `json:"at_ms"`            // when it was set
}

func (d Dir) freezeFile() string { return filepath.Join(d.path, "freeze.json") }

// Freeze reads the mark. A home has one from its beginning: one that is missing, damaged or unreadable is an error, and nothing may be
// released. It may be called while SetFreeze replaces it.
func (d Dir) Freeze() (Freeze, error) {
	src, err := os.Open(d.freezeFile())
	if err != nil {
		return Freeze{}, unreadable(err)
	}
	defer src.Close()
	b := make([]byte, maxFreeze+1)
	n, err := io.ReadFull(src, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Freeze{}, unreadable(err)
	}
	if n > maxFreeze {
		return Freeze{}, unreadable(fmt.Errorf("more than %d bytes", maxFreeze))
	}
	b = b[:n]
	var f Freeze
	if err := statement.Unmarshal(b, &f); err != nil {
		return Freeze{}, unreadable(err)
	}
	if f.Format != FreezeFormat || f.Frozen == (f.Reason == "") {
		return Freeze{}, unreadable(fmt.Errorf("not %s", FreezeFormat))
	}
	return f, nil
}

func unreadable(err error) error {
	return fault.New(fault.Refused, "freeze.json can't be read, so nothing is released", "'cordon party unfreeze' writes it anew", err)
}

// SetFreeze stops all releases for a reason, or, with none, lets them go on. When it returns the mark is durable.
func (d Dir) SetFreeze(reason string, at time.Time) error {
	if len(reason) > MaxReason || !utf8.ValidString(reason) {
		return fault.New(fault.Usage, "the reason is too long, or no text", fmt.Sprintf("give at most %d bytes", MaxReason), nil)
	}
	b, err := statement.Marshal(Freeze{Format: FreezeFormat, Frozen: reason != "", Reason: reason, AtMS: at.UnixMilli()})
	if err != nil {
		return fault.New(fault.Usage, "the reason can't be stored", "use plain text", err)
	}
	return WriteFile(d.freezeFile(), b)
}
