package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// FileName is the list of cases in the folder of a kind.
const FileName = "cases.json"

const maxFile = 16 << 20

// Verdicts.
const (
	Accept = "accept"
	Reject = "reject"
)

// Case is one piece of evidence, a clock, and what must come out.
type Case struct {
	ID           string         `json:"id"`
	File         string         `json:"file"`         // the evidence; paths are relative to the folder
	Collateral   string         `json:"collateral"`   // of DCAP
	Endorsements []string       `json:"endorsements"` // certificates, key sets
	Root         string         `json:"root"`         // trust anchor to configure
	At           time.Time      `json:"at"`           // verification clock
	Expect       string         `json:"expect"`       // accept or reject
	RejectStage  string         `json:"reject_stage"` // must be in the chain of the error
	TCB          map[string]any `json:"tcb"`          // what a verifier must find
	Debug        *bool          `json:"debug"`
	Fields       map[string]any `json:"fields"`
	Require      map[string]any `json:"require"` // what the relying party demands
	Origin       string         `json:"origin"`
	Note         string         `json:"note"`

	dir string
}

// Load reads the cases of one kind's folder. Unknown fields and an empty list are errors.
func Load(dir string) ([]*Case, error) {
	src, err := readFile(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	d.UseNumber()
	var out []*Case
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", FileName, filepath.Base(dir), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s of %s: data behind the list", FileName, filepath.Base(dir))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s of %s: no case", FileName, filepath.Base(dir))
	}
	seen := map[string]bool{}
	for i, c := range out {
		err := c.valid()
		if err == nil && seen[c.ID] {
			err = errors.New("id stands twice")
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s: case %d: %w", FileName, filepath.Base(dir), i+1, err)
		}
		seen[c.ID] = true
		c.dir = dir
	}
	return out, nil
}

func (c *Case) valid() error {
	switch {
	case c == nil:
		return errors.New("null")
	case c.ID == "" || c.File == "" || c.At.IsZero():
		return errors.New("no id, file or at")
	case c.Expect != Accept && c.Expect != Reject:
		return errors.New("expect is neither accept nor reject")
	case c.Expect == Accept && c.RejectStage != "":
		return errors.New("accepted, with a stage of rejection")
	}
	return nil
}

// Read returns a file that the case names.
func (c *Case) Read(name string) ([]byte, error) {
	if filepath.IsAbs(name) {
		return nil, errors.New("absolute path in a case")
	}
	return readFile(filepath.Join(c.dir, filepath.FromSlash(name)))
}

// RequireBool returns a demand that is true or false, and false where the case does not make it.
func (c *Case) RequireBool(name string) bool {
	b, _ := c.Require[name].(bool)
	return b
}

// RequireText returns a demand that is a text, and "" where the case does not make it.
func (c *Case) RequireText(name string) string {
	s, _ := c.Require[name].(string)
	return s
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: too large", filepath.Base(name))
	}
	return b, err
}
