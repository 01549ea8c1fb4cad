package collateral

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/internal/party/home"
)

// Why there is nothing to give.
var (
	ErrNone    = errors.New("collateral: none for this machine")
	ErrStale   = errors.New("collateral: not current")
	ErrOlder   = errors.New("collateral: older than what is kept")
	ErrOther   = errors.New("collateral: for something else than was asked for")
	ErrUnknown = errors.New("collateral: neither Intel's collateral, nor a key or a list of AMD's")
)

// Kinds of what is kept.
const (
	Intel = "intel"    // all documents and lists for one kind of machine
	VCEK  = "amd-vcek" // the key of one chip at one TCB
	CRL   = "amd-crl"  // of the root of one line
)

// maxItems bounds what is read of the folder.
const maxItems = 4096

// Anchors are the roots that everything must lead to.
type Anchors struct {
	Intel []*x509.Certificate // default Intel SGX Root CA
	AMD   *snp.Anchors        // default AMD's
}

// Cache is a folder of collateral. It is safe for concurrent use, by several processes too: files are replaced whole.
type Cache struct {
	dir     string
	anchors Anchors
	memory  *remembered.Memory // of the same bytes read again
}

// Open makes the cache of a home. The folder is made when something is put in it.
func Open(dir home.Dir, a Anchors) (*Cache, error) {
	if a.AMD == nil {
		amd, err := snp.AMD()
		if err != nil {
			return nil, err
		}
		a.AMD = &amd
	}
	return &Cache{dir: dir.Collateral(), anchors: a, memory: remembered.New()}, nil
}

// Machine is a kind of Intel's machines, as a quote names it.
type Machine struct {
	TEE   string // SGX or TDX
	FMSPC string // 12 lower-case hex digits
	CA    string // platform or processor: who issued the machine's certificate
}

// MachineOf reads which machine a quote says it is of. It proves nothing.
func MachineOf(q *dcap.Quote) Machine {
	m := Machine{TEE: "SGX", FMSPC: fmt.Sprintf("%x", q.PCK.FMSPC), CA: "processor"}
	if q.TD != nil {
		m.TEE = "TDX"
	}
	if strings.Contains(q.PCK.CA, "Platform") {
		m.CA = "platform"
	}
	return m
}

// Valid reports whether m can be asked for.
func (m Machine) Valid() bool {
	return (m.TEE == "SGX" || m.TEE == "TDX") && len(m.FMSPC) == 12 && strings.Trim(m.FMSPC, "0123456789abcdef") == "" && (m.CA == "platform" || m.CA == "processor")
}

func (m Machine) file() string {
	return strings.ToLower("intel-" + m.TEE + "-" + m.FMSPC + "-" + m.CA + ".json")
}

// Chip is one of AMD's chips at one TCB, as a report names it.
type Chip struct {
	Line string
	ID   string // hex
	TCB  snp.TCB
}

func (c Chip) file() string {
	return strings.ToLower("amd-vcek-" + c.Line + "-" + c.ID + "-" + c.TCB.String() + ".der")
}

func crlFile(line string) string { return strings.ToLower("amd-crl-" + line + ".der") }

// Item is one file of the cache, or of an import.
type Item struct {
	File    string    `json:"file"`
	Kind    string    `json:"kind"`
	Of      string    `json:"of"` // for people: which machine, chip or line
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // when the first part of it ends
	Current bool      `json:"current"`
	Stale   []string  `json:"stale,omitempty"`   // what is not current
	Damaged string    `json:"damaged,omitempty"` // why it can't be used

	bytes []byte
}

// read verifies bytes from anywhere and says what they are, at a time.
func (c *Cache) read(src []byte, at time.Time) (*Item, error) {
	if bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return c.readIntel(src, at)
	}
	if _, err := x509.ParseRevocationList(src); err == nil {
		return c.readCRL(src, at)
	}
	if _, err := x509.ParseCertificate(src); err == nil {
		return c.readKey(src, at)
	}
	return nil, ErrUnknown
}

func (c *Cache) readIntel(src []byte, at time.Time) (*Item, error) {
	d, err := dcap.RememberedCollateral(c.memory, at, src)
	if err != nil {
		return nil, err
	}
	s, err := dcap.Inspect(d, dcap.Options{Roots: c.anchors.Intel, At: at, Memory: c.memory})
	if err != nil {
		return nil, err
	}
	m := Machine{s.TEE, s.FMSPC, s.CA}
	if !m.Valid() {
		return nil, ErrOther
	}
	return &Item{
		File: m.file(), Kind: Intel, Of: fmt.Sprintf("%s, FMSPC %s, %s CA, evaluation %d", m.TEE, m.FMSPC, m.CA, s.Evaluation),
		Issued: s.Issued, Expires: s.Expires, Current: s.Current() && !at.After(s.Expires), Stale: s.Stale, bytes: src,
	}, nil
}

func (c *Cache) readCRL(src []byte, at time.Time) (*Item, error) {
	l, err := snp.InspectCRL(c.memory, src, *c.anchors.AMD, at)
	if err != nil {
		return nil, err
	}
	i := &Item{File: crlFile(l.Line), Kind: CRL, Of: l.Line, Issued: l.Issued, Expires: l.Expires, bytes: src}
	if i.Current = !at.Before(l.Issued) && at.Before(l.Expires); !i.Current {
		i.Stale = []string{"revocation list"}
	}
	return i, nil
}

func (c *Cache) readKey(src []byte, at time.Time) (*Item, error) {
	e, err := snp.InspectEndorsement(c.memory, src, *c.anchors.AMD, at)
	if err != nil {
		return nil, err
	}
	if e.Key != snp.VCEK {
		return nil, fmt.Errorf("%w: a %s is its provider's to show, with its evidence", ErrOther, e.Key)
	}
	chip := Chip{e.Line, e.Chip, e.TCB}
	return &Item{File: chip.file(), Kind: VCEK, Of: fmt.Sprintf("%s, chip %.16s…, TCB %s", e.Line, e.Chip, e.TCB), Expires: e.Expires, Current: true, bytes: src}, nil
}

// Put verifies what came from anywhere, and keeps it. It must be current, and no older than what is kept of the same name: a mirror
// could hold back what a vendor published since. When it returns, it is durable.
func (c *Cache) Put(src []byte, at time.Time) (*Item, error) {
	i, err := c.read(src, at)
	if err != nil {
		return nil, err
	}
	if !i.Current {
		return nil, fmt.Errorf("%w: %s", ErrStale, strings.Join(i.Stale, "; "))
	}
	if old, err := c.load(i.File, at); err == nil && i.Issued.Before(old.Issued) {
		return nil, fmt.Errorf("%w: issued %s, kept is one of %s", ErrOlder, i.Issued.UTC().Format(time.RFC3339), old.Issued.UTC().Format(time.RFC3339))
	}
	if err := home.MkdirAll(c.dir); err != nil {
		return nil, err
	}
	return i, home.WriteFile(filepath.Join(c.dir, i.File), src)
}

// load reads a file of the cache, verifies it, and that it is what its name says.
func (c *Cache) load(name string, at time.Time) (*Item, error) {
	f, err := os.Open(filepath.Join(c.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, home.Storage("can't read the collateral", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, dcap.MaxCollateral+1))
	if err != nil {
		return nil, home.Storage("can't read the collateral", err)
	}
	i, err := c.read(src, at)
	if err != nil {
		return nil, err
	}
	if i.File != name {
		return nil, fmt.Errorf("%w: the file is named for something else", ErrOther)
	}
	return i, nil
}

func (c *Cache) current(name string, at time.Time) (*Item, error) {
	i, err := c.load(name, at)
	if err != nil {
		return nil, err
	}
	if !i.Current {
		return nil, fmt.Errorf("%w: ended %s", ErrStale, i.Expires.UTC().Format(time.RFC3339))
	}
	return i, nil
}

// ForIntel gives current collateral for a machine, in the form of docs/spec/evidence.md, section 7.2, and when it ends. It does not dial.
func (c *Cache) ForIntel(m Machine, at time.Time) (collateral []byte, expires time.Time, err error) {
	if !m.Valid() {
		return nil, time.Time{}, ErrNone
	}
	i, err := c.current(m.file(), at)
	if err != nil {
		return nil, time.Time{}, err
	}
	return i.bytes, i.Expires, nil
}

// ForAMD gives the key of a chip and a current revocation list of its line, both DER, and when the first ends. It does not dial.
func (c *Cache) ForAMD(chip Chip, at time.Time) (endorsements [][]byte, expires time.Time, err error) {
	k, err := c.current(chip.file(), at)
	if err != nil {
		return nil, time.Time{}, err
	}
	l, err := c.current(crlFile(chip.Line), at)
	if err != nil {
		return nil, time.Time{}, err
	}
	expires = k.Expires
	if l.Expires.Before(expires) {
		expires = l.Expires
	}
	return [][]byte{k.bytes, l.bytes}, expires, nil
}

// ForReport is ForAMD for the chip that a report says it is of.
func (c *Cache) ForReport(r *snp.Report, at time.Time) (endorsements [][]byte, expires time.Time, err error) {
	for _, line := range linesOf(r) {
		if endorsements, expires, err = c.ForAMD(ChipOf(r, line), at); !errors.Is(err, ErrNone) {
			break
		}
	}
	return endorsements, expires, err
}

// List tells of every file in the cache; what can't be used is told as damaged.
func (c *Cache) List(at time.Time) ([]*Item, error) {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, home.Storage("can't read the collateral", err)
	}
	if len(entries) > maxItems {
		return nil, home.Storage("can't read the collateral", fmt.Errorf("%d files", len(entries)))
	}
	var out []*Item
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".new-") {
			continue // being written
		}
		i, err := c.load(e.Name(), at)
		if err != nil {
			i = &Item{File: e.Name(), Damaged: err.Error()}
		}
		out = append(out, i)
	}
	return out, nil
}
