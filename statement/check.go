package statement

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// check collects the first thing wrong with a statement's fields.
type check struct{ err error }

func (c *check) that(ok bool, field string) {
	if c.err == nil && !ok {
		c.err = fmt.Errorf("%w: %s", ErrInvalid, field)
	}
}

func (c *check) digest(d Digest, field string)           { c.that(d.Valid(), field) }
func (c *check) fingerprint(f Fingerprint, field string) { c.that(f.Valid(), field) }
func (c *check) name(s, field string)                    { c.that(ValidName(s), field) }
func (c *check) time(ms int64, field string)             { c.that(ms > 0 && ms <= maxNumber, field) }
func (c *check) count(n int64, field string)             { c.that(n >= 0 && n <= maxNumber, field) }
func (c *check) nonce(b []byte, field string)            { c.that(len(b) == NonceSize, field) }

// label is a short text that people read: nothing in it moves a cursor, breaks a
// line or turns the direction of writing, so that it can't forge what is printed around it.
func (c *check) label(s, field string) {
	c.that(s != "" && len(s) <= maxName && printable(s), field)
}

// text is a longer one, with lines and tabs. It may be empty.
func (c *check) text(s, field string) { c.longText(s, maxText, field) }

func (c *check) longText(s string, most int, field string) {
	c.that(len(s) <= most && printable(strings.NewReplacer("\n", "", "\t", "").Replace(s)), field)
}

// token is a word for machines: visible ASCII.
func (c *check) token(s, field string) {
	c.that(s != "" && len(s) <= maxToken, field)
	for i := range len(s) {
		c.that(s[i] > ' ' && s[i] < 0x7f, field)
	}
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// labels is a non-empty list of different labels.
func (c *check) labels(list []string, field string) {
	c.that(len(list) > 0 && len(list) <= maxList, field)
	seen := map[string]bool{}
	for _, s := range list {
		c.label(s, field)
		c.that(!seen[s], field)
		seen[s] = true
	}
}

func (c *check) fingerprints(list []Fingerprint, field string) {
	c.that(len(list) > 0 && len(list) <= maxList, field)
	seen := map[Fingerprint]bool{}
	for _, f := range list {
		c.that(f.Valid() && !seen[f], field)
		seen[f] = true
	}
}

func (c *check) digests(list []Digest, field string) {
	c.that(len(list) > 0 && len(list) <= maxList, field)
	seen := map[Digest]bool{}
	for _, d := range list {
		c.that(d.Valid() && !seen[d], field)
		seen[d] = true
	}
}

// NonceSize is the length of every nonce and salt, in bytes.
const NonceSize = 32

// Compiled when first asked: not at the start of every program.
var nameRE = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`) })

// ValidName reports whether s can name a party, data set or pool. Such names are
// the parts of SQL names like party.dataset, so they need no quoting.
func ValidName(s string) bool { return nameRE().MatchString(s) && s != "pool" && s != "own" }

var columnRE = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`) })

// ValidColumn reports whether s can name a column.
func ValidColumn(s string) bool { return columnRE().MatchString(s) }
