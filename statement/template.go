package statement

import "slices"

// Template fixes what contracts made from it say, so that owners can approve all of them at once, by its digest. It grants nothing, and
// loosens no policy and no terms. Signed by its author, who need not be an owner or a requester.
type Template struct {
	Header
	Author       Fingerprint   `json:"author"`
	Name         string        `json:"name"`
	Tables       []Slot        `json:"tables"`  // what contracts read: all of these, no others
	Purpose      string        `json:"purpose"` // exactly this one
	Requesters   []Fingerprint `json:"requesters,omitempty"`
	AccreditedBy Fingerprint   `json:"accredited_by,omitempty"` // whoever this party accredits may be requester, too
	Recipients   string        `json:"recipients"`              // ToRequester or ToOwners
	Builds       []Digest      `json:"builds"`
	Operators    []Fingerprint `json:"operators"`
	Evidence     []string      `json:"evidence"`
	Perimeters   []string      `json:"perimeters"`
	PlanEncoding string        `json:"plan_encoding"`
	LongestMS    int64         `json:"longest_ms"`                  // of a contract, from from_ms to until_ms
	Contracts    int64         `json:"contracts"`                   // that one owner grants by it at most
	OfMonth      int64         `json:"queries_per_month,omitempty"` // of one requester, which every grant states; 0: no such bound
	MaxPerQuery  int64         `json:"max_per_query,omitempty"`     // credits that an offer may cost; 0: nothing
	MaxPerDay    int64         `json:"max_per_day,omitempty"`
	MaxFlat      int64         `json:"max_flat,omitempty"`
	Replaces     Digest        `json:"replaces,omitempty"` // an earlier one of this author, which ends
	UntilMS      int64         `json:"until_ms"`           // no contract is granted by it from then on
	CreatedMS    int64         `json:"created_ms"`
}

// Slot is a table of a contract, with the owners that it may come from: one of party.dataset, all members of pool.name are among them.
type Slot struct {
	Name   string        `json:"name"`
	Owners []Fingerprint `json:"owners"`
}

// Values of Template.Recipients: who can open results.
const (
	ToRequester = "requester" // the requester alone
	ToOwners    = "owners"    // the requester, or owners of what the contract reads
)

func (*Template) typeURI() string { return TypeTemplate }

// Authors of a template: its author.
func (t *Template) Authors() []Fingerprint { return []Fingerprint{t.Author} }

func (t *Template) valid() error {
	var c check
	c.fingerprint(t.Author, "author")
	c.name(t.Name, "name")
	c.that(len(t.Tables) > 0 && len(t.Tables) <= maxTables, "tables")
	names := map[string]bool{}
	for _, s := range t.Tables {
		c.that((validTableName(s.Name, true) || validTableName(s.Name, false)) && !names[s.Name], "table name")
		names[s.Name] = true
		c.fingerprints(s.Owners, "table owners")
		c.that(validTableName(s.Name, true) == (len(s.Owners) > 1), "table owners")
	}
	c.label(t.Purpose, "purpose")
	c.that(len(t.Requesters) > 0 || t.AccreditedBy != "", "requesters")
	if len(t.Requesters) > 0 {
		c.fingerprints(t.Requesters, "requesters")
	}
	c.that(t.AccreditedBy == "" || t.AccreditedBy.Valid(), "accredited_by")
	c.that(t.Recipients == ToRequester || t.Recipients == ToOwners, "recipients")
	c.digests(t.Builds, "builds")
	c.fingerprints(t.Operators, "operators")
	c.labels(t.Evidence, "evidence")
	c.labels(t.Perimeters, "perimeters")
	c.token(t.PlanEncoding, "plan_encoding")
	c.time(t.LongestMS, "longest_ms")
	c.that(t.Contracts > 0, "contracts")
	c.count(t.Contracts, "contracts")
	c.count(t.OfMonth, "queries_per_month")
	for _, n := range []int64{t.MaxPerQuery, t.MaxPerDay, t.MaxFlat} {
		c.that(n >= 0 && n <= maxCredits, "price")
	}
	c.that(t.Replaces == "" || t.Replaces.Valid(), "replaces")
	c.time(t.UntilMS, "until_ms")
	c.time(t.CreatedMS, "created_ms")
	c.that(t.CreatedMS < t.UntilMS, "until_ms")
	return c.err
}

// Owners whose data contracts of the template can name, in order of first appearance.
func (t *Template) Owners() []Fingerprint {
	var out []Fingerprint
	for _, s := range t.Tables {
		for _, o := range s.Owners {
			if !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	return out
}

// Concerns are those who may read the template: author, owners, requesters, operators. None: everybody, where whoever is accredited may
// be requester.
func (t *Template) Concerns() []Fingerprint {
	if t.AccreditedBy != "" {
		return nil
	}
	var out []Fingerprint
	for _, f := range slices.Concat([]Fingerprint{t.Author}, t.Owners(), t.Requesters, t.Operators) {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// Clauses of a template that a contract can differ in.
const (
	ClauseTables     = "tables"
	ClausePurpose    = "purpose"
	ClauseRequester  = "requester"
	ClauseRecipients = "recipients"
	ClauseBuilds     = "builds"
	ClauseOperators  = "operators"
	ClauseEvidence   = "evidence"
	ClausePerimeters = "perimeters"
	ClauseEncoding   = "plan-encoding"
	ClauseDuration   = "duration"
	ClausePrice      = "price"
)

// Differs names the first clause of the template that a contract does not keep to; empty if it keeps to all that the two statements
// show. Whether a requester who is not listed is accredited, and what the offers cost, is the caller's to look up.
func (t *Template) Differs(c *Contract) string {
	checks := []struct {
		clause string
		same   bool
	}{
		{ClauseTables, t.sameTables(c)},
		{ClausePurpose, c.Purpose == t.Purpose},
		{ClauseRequester, slices.Contains(t.Requesters, c.Requester) || t.AccreditedBy != ""},
		{ClauseRecipients, t.sameRecipients(c)},
		{ClauseBuilds, slices.Equal(c.Builds, t.Builds)},
		{ClauseOperators, slices.Equal(c.Operators, t.Operators)},
		{ClauseEvidence, slices.Equal(c.Evidence, t.Evidence)},
		{ClausePerimeters, slices.Equal(c.Perimeters, t.Perimeters)},
		{ClauseEncoding, c.PlanEncoding == t.PlanEncoding},
		{ClauseDuration, c.UntilMS-c.FromMS <= t.LongestMS},
	}
	for _, k := range checks {
		if !k.same {
			return k.clause
		}
	}
	return ""
}

// sameTables: the contract has exactly the template's tables, in its order, each from owners of its slot.
func (t *Template) sameTables(c *Contract) bool {
	return slices.EqualFunc(t.Tables, c.Tables, func(s Slot, tab Table) bool {
		if s.Name != tab.Name || (tab.Pool != "") != validTableName(s.Name, true) {
			return false
		}
		return !slices.ContainsFunc(tab.Members, func(m Member) bool { return !slices.Contains(s.Owners, m.Owner) })
	})
}

func (t *Template) sameRecipients(c *Contract) bool {
	if t.Recipients == ToRequester {
		return slices.Equal(c.Recipients, []Fingerprint{c.Requester})
	}
	owners := c.Owners()
	return !slices.ContainsFunc(c.Recipients, func(f Fingerprint) bool { return f != c.Requester && !slices.Contains(owners, f) })
}

// Costs reports whether an offer costs no more than the template lets it.
func (t *Template) Costs(o *Offer) bool {
	if o.Price > t.MaxPerQuery {
		return false
	}
	return o.Terms == nil || o.Terms.PerDay <= t.MaxPerDay && o.Terms.Flat <= t.MaxFlat
}
