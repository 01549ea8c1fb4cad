package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// A ledger has one writer: the holder of its newest epoch (docs/spec/ledger.md, section 8). An epoch is claimed by making a file of its
// number, which only one can, and never ends but by the next one. Who claims one reads the ledger afterwards; who writes looks for a
// next epoch after each sync, before it reports anything. So what was reported is read, and who lost its epoch reports nothing.

// ErrLost is wrapped by the errors of a writer whose ledger another one has taken over.
var ErrLost = errors.New("ledger: another writer has taken over")

// claim is the contents of an epoch's file.
type claim struct {
	Format  string `json:"format"` // claimFormat
	Epoch   int64  `json:"epoch"`
	Holder  string `json:"holder"`  // random: of one claim
	Machine string `json:"machine"` // on which locks of files tell whether a process lives
	Host    string `json:"host"`    // its name, for people
}

const claimFormat = "cordon-ledger-epoch/1"

const (
	epochPrefix    = "epoch-"
	releasedPrefix = "released-"
)

func epochFile(dir string, epoch int64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%06d", epochPrefix, epoch))
}

func releasedFile(dir string, epoch int64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%06d", releasedPrefix, epoch))
}

// entriesFile of an epoch: each has its own, so that a writer that lost its epoch writes where nobody reads.
func entriesFile(dir string, epoch int64) string {
	if epoch <= 1 {
		return filepath.Join(dir, "ledger.ndjson")
	}
	return filepath.Join(dir, fmt.Sprintf("ledger-%06d.ndjson", epoch))
}

// lockFile of an epoch: a process that hangs keeps that of the epoch that it lost.
func lockFile(dir string, epoch int64) string {
	if epoch <= 1 {
		return filepath.Join(dir, "lock")
	}
	return filepath.Join(dir, fmt.Sprintf("lock-%06d", epoch))
}

// newest is the claim of the newest epoch, nil if there is none.
func newest(dir string) (*claim, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, storage(err)
	}
	var last int64
	for _, f := range files {
		text, ok := strings.CutPrefix(f.Name(), epochPrefix)
		n, err := strconv.ParseInt(text, 10, 64)
		if ok && err == nil && n > last {
			last = n
		}
	}
	if last == 0 {
		return nil, nil
	}
	src, err := os.ReadFile(epochFile(dir, last))
	if err != nil {
		return nil, storage(err)
	}
	var c claim
	if err := statement.Unmarshal(src, &c); err != nil || c.Format != claimFormat || c.Epoch != last || c.Holder == "" {
		return nil, fault.New(fault.Untrusted, "the ledger's "+filepath.Base(epochFile(dir, last))+" is damaged", "if no agent of this party runs: 'cordon ledger takeover'", ErrDamaged)
	}
	return &c, nil
}

// current is the file that holds the ledger: of the newest epoch that has one. Whoever claimed an epoch and did not copy the ledger wrote nothing.
func current(dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "ledger-*.ndjson"))
	if err != nil || len(files) == 0 {
		return entriesFile(dir, 1)
	}
	last := ""
	for _, f := range files { // of one length but past a million epochs, so that the longer is the newer
		if len(f) > len(last) || len(f) == len(last) && f > last {
			last = f
		}
	}
	return last
}

// take claims an epoch. It fails if somebody else has.
func take(dir string, epoch int64) (*claim, error) {
	var id [16]byte
	rand.Read(id[:]) // never fails: crypto/rand aborts the process instead
	host, _ := os.Hostname()
	c := &claim{Format: claimFormat, Epoch: epoch, Holder: hex.EncodeToString(id[:]), Machine: string(machine()), Host: host}
	src, err := statement.Marshal(c)
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(dir, ".claim-"+c.Holder)
	if err := home.WriteFile(tmp, src); err != nil {
		return nil, err
	}
	defer os.Remove(tmp)
	// A link is there whole or not at all, and never replaces: of two that claim one epoch, one gets it.
	err = os.Link(tmp, epochFile(dir, epoch))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = createNew(epochFile(dir, epoch), src) // a file system without links
	}
	if errors.Is(err, fs.ErrExist) {
		return nil, fault.New(fault.Usage, "another agent takes this ledger over at this moment", "run one agent", ErrLost)
	}
	if err != nil {
		return nil, storage(err)
	}
	return c, home.SyncDir(dir)
}

// createNew makes a file that was not there. A crash may leave it empty: then it is damaged, and nobody's.
func createNew(path string, src []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(src)
	return errors.Join(err, f.Sync(), f.Close())
}

// machine names this machine, as far as it can be told apart from others that share the folder.
func machine() statement.Digest {
	id, _ := os.ReadFile("/etc/machine-id")
	host, _ := os.Hostname()
	return statement.LabelledSum("cordon/machine/v1", id, []byte(host))
}

// held is the epoch that this process may write under, claimed if need be.
func held(dir string) (*claim, error) {
	c, err := newest(dir)
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return take(dir, 1)
	case c.Machine == string(machine()):
		return c, nil // the lock of its file tells whether another process here has it
	}
	if _, err := os.Stat(releasedFile(dir, c.Epoch)); err != nil {
		return nil, fault.New(fault.Usage, "an agent on "+c.Host+" has this ledger, and has not given it back",
			"stop it there; if it or its machine is dead: 'cordon ledger takeover'", nil)
	}
	return take(dir, c.Epoch+1)
}

// copyOver copies the ledger into the epoch's own file, if it has none yet. The epoch was claimed before: whatever its last writer reported is there.
func copyOver(dir string, epoch int64, owner statement.Fingerprint) error {
	to := entriesFile(dir, epoch)
	if _, err := os.Stat(to); epoch <= 1 || err == nil {
		return nil
	}
	src, err := os.ReadFile(current(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storage(err)
	}
	_, _, whole, err := parse(src, owner)
	if err != nil {
		return err
	}
	return home.WriteFile(to, src[:whole])
}

// Accept decides about a ledger that is to be taken over: whether it is the newest that is known of.
type Accept func(entries []Entry, head Head) error

// Takeover ends the epoch of whoever has the ledger, dead or not: from now on that writer reports nothing as written. The next Open on
// this machine goes on from all that it did report.
func Takeover(dir string, owner statement.Fingerprint, accept Accept) (Head, error) {
	check := func() (Head, error) {
		entries, head, err := VerifyFile(dir, owner)
		if err != nil {
			return Head{}, err
		}
		return head, accept(entries, head)
	}
	if _, err := check(); err != nil { // before anybody is stopped
		return Head{}, err
	}
	epoch := int64(1)
	if c, err := newest(dir); err == nil && c != nil {
		epoch = c.Epoch
	} else if err != nil {
		if epoch, err = lastNumber(dir); err != nil {
			return Head{}, err
		}
	}
	c, err := take(dir, epoch+1)
	if err != nil {
		return Head{}, err
	}
	if err := copyOver(dir, c.Epoch, owner); err != nil {
		return Head{}, err
	}
	return check()
}

// lastNumber of an epoch whose file is damaged.
func lastNumber(dir string) (last int64, err error) {
	files, err := filepath.Glob(filepath.Join(dir, epochPrefix+"*"))
	for _, f := range files {
		n, perr := strconv.ParseInt(strings.TrimPrefix(filepath.Base(f), epochPrefix), 10, 64)
		if perr == nil {
			last = max(last, n)
		}
	}
	return last, err
}

// fence is what a writer asks before and after it writes.
type fence struct {
	dir   string
	epoch int64
}

// holds reports whether the epoch is still the newest. That it can't tell is an answer too.
func (f *fence) holds() error {
	if f == nil {
		return nil // a test's ledger without a folder
	}
	_, err := os.Lstat(epochFile(f.dir, f.epoch+1))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil:
		return lost()
	default:
		return err
	}
	// The own claim must be there too: a folder that went away has no next epoch either.
	if _, err := os.Lstat(epochFile(f.dir, f.epoch)); err != nil {
		return err
	}
	return nil
}

func lost() error {
	return fault.New(fault.LocalStorage, "another agent has taken over this party's ledger", "stop this one: what it did not report did not happen", ErrLost)
}
