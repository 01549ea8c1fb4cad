package publishing

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/party/publish"
	"github.com/cordon-exchange/cordon/pme"
)

//go:embed pyarrow.py
var program string

// rowGroup is what publishing writes; pyarrow is told the same.
const rowGroup = 122880

// Options say what to publish. The source is a Parquet file: every side reads it anew in each turn, and that is measured.
type Options struct {
	Request publish.Request // required: the source, its policy, and what of it is published
	Dir     string          // required: for what is written, removed after each turn
	Rounds  int             // required
	Python  string          // an interpreter with pyarrow; empty: that side is left out
}

// Side is what one side took in one turn.
type Side struct {
	Seconds   float64 `json:"seconds"`
	Processor float64 `json:"processor"` // seconds of it
	Read      float64 `json:"read"`      // pyarrow: seconds until the table was in memory; else 0
	Bytes     int64   `json:"bytes"`
	Rows      int64   `json:"rows"`
}

// Sample is one turn.
type Sample struct {
	Sealed    Side // as published: read, checked, encoded, sealed; ends with ciphertext in a file
	Checked   Side // the same, in plain
	Unchecked Side // the same writer and settings, in plain, without a policy's checks and without the digest of contents
	PyArrow   Side // read and written by pyarrow, sealed: all columns of the source, the same codec and row groups
}

// Measure lets all sides write the same table by turns.
func Measure(ctx context.Context, o Options) ([]Sample, error) {
	if o.Dir == "" || o.Rounds < 1 {
		return nil, errors.New("publishing: no folder, or no rounds")
	}
	var out []Sample
	for range o.Rounds {
		var s Sample
		sides := []struct {
			at    *Side
			write func(context.Context, Options) (Side, error)
		}{{&s.Unchecked, unchecked}, {&s.Sealed, sealed}, {&s.Checked, checked}, {&s.PyArrow, pyarrow}}
		if len(out)%2 == 1 { // no side always comes behind the same other one
			slices.Reverse(sides)
		}
		for _, side := range sides {
			settle()
			var err error
			if *side.at, err = side.write(ctx, o); err != nil {
				return nil, err
			}
		}
		if s.Sealed.Rows != s.Unchecked.Rows || s.Sealed.Rows != s.Checked.Rows || o.Python != "" && s.Sealed.Rows != s.PyArrow.Rows {
			return nil, errors.New("publishing: the sides wrote other numbers of rows")
		}
		out = append(out, s)
	}
	return out, nil
}

// settle leaves nothing of one side for the next: garbage, or bytes that the kernel has yet to write to the disk.
func settle() {
	runtime.GC()
	unix.Sync()
}

func unchecked(ctx context.Context, o Options) (Side, error) {
	return o.side(func(w io.Writer) (*publish.Table, error) {
		return publish.WritePlainUnchecked(ctx, o.Request, w, quiet)
	})
}

func checked(ctx context.Context, o Options) (Side, error) {
	return o.side(func(w io.Writer) (*publish.Table, error) { return publish.WritePlain(ctx, o.Request, w, quiet) })
}

func sealed(ctx context.Context, o Options) (Side, error) {
	return o.side(func(w io.Writer) (*publish.Table, error) { return publish.Seal(ctx, o.Request, w, newKeys, quiet) })
}

func quiet(publish.Progress) {}

// newKeys makes a key of 256 bits for each column and the footer.
func newKeys(columns []string) (pme.SealOptions, error) {
	key := func() []byte {
		b := make([]byte, 32)
		rand.Read(b) // never fails
		return b
	}
	keys := pme.Keys{Footer: key(), Columns: map[string][]byte{}}
	for _, c := range columns {
		keys.Columns[c] = key()
	}
	return pme.SealOptions{Keys: keys, AADPrefix: []byte("bench")}, nil
}

// side lets one side of this process write a file.
func (o *Options) side(write func(io.Writer) (*publish.Table, error)) (Side, error) {
	f, err := os.CreateTemp(o.Dir, "published-*.parquet")
	if err != nil {
		return Side{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	began, busy := time.Now(), processor()
	t, err := write(f)
	if err != nil {
		return Side{}, err
	}
	s := Side{Seconds: time.Since(began).Seconds(), Processor: processor() - busy, Rows: t.Rows}
	st, err := f.Stat()
	if err != nil {
		return Side{}, err
	}
	s.Bytes = st.Size()
	return s, nil
}

// pyarrow runs the program. It says itself what it took, without the start of its interpreter.
func pyarrow(ctx context.Context, o Options) (s Side, err error) {
	if o.Python == "" {
		return Side{}, nil
	}
	target := filepath.Join(o.Dir, "pyarrow.parquet")
	defer os.Remove(target)
	b, err := exec.CommandContext(ctx, o.Python, "-c", program, o.Request.Path, target, strconv.Itoa(rowGroup)).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return Side{}, fmt.Errorf("publishing: pyarrow: %w: %s", err, failed.Stderr)
	}
	if err != nil {
		return Side{}, err
	}
	return s, json.Unmarshal(b, &s)
}
