package approval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// maxEpochs bounds the epochs that are compared with one another, and maxMemberships the members of all of them.
const (
	maxEpochs      = 128
	maxMemberships = 1 << 13
)

// apart refuses an epoch whose answers, added to and subtracted from those of other epochs, would show fewer contributors
// than a policy asks for (docs/decisions/006-pool-epochs.md). Beside the epochs that this party signed stand those that the
// exchange shows: an epoch without this party can tell it from the others. others are the policies of the epoch's members.
// The caller holds d.pools.
func (d *Desk) apart(ctx context.Context, p *statement.Pool, others []*policy.Policy) error {
	byDigest, err := d.signedPools()
	if err != nil {
		return err
	}
	signed := slices.Collect(maps.Values(byDigest))
	slices.SortFunc(signed, func(a, b *statement.Pool) int {
		return cmp.Or(cmp.Compare(a.CreatedMS, b.CreatedMS), cmp.Compare(epochName(a), epochName(b)))
	})
	own := append([]*statement.Pool{p}, d.linked(p, signed)...)
	around, err := d.Catalog.PoolsAround(ctx, own, signed)
	if errors.Is(err, catalog.ErrManyPools) {
		return refuse("pool-epoch", fmt.Sprintf("more than %d pools are linked to this one by versions that they have in common: publish new versions, and form a pool of these alone", catalog.MaxPoolsAround))
	}
	if err != nil {
		return err
	}
	mine, err := d.ownPolicies(own)
	if err != nil {
		return err
	}
	count := policy.CountContributors(string(d.self()), mine, others)
	if n := count.Count(ownersOf(p.Members)); n < count.Least() {
		return refuse("pool-small", fmt.Sprintf("the pool has %d contributors, and its policies ask for %d", n, count.Least()))
	}
	if err := d.classesHold(own, &count); err != nil {
		return err
	}
	return d.standsOut(append(own, around...), &count)
}

// linked are the signed epochs that have a version in common with p, or with another that is linked.
func (d *Desk) linked(p *statement.Pool, signed []*statement.Pool) []*statement.Pool {
	versions, out, left := map[statement.Member]bool{}, []*statement.Pool(nil), slices.Clone(signed)
	reach := func(p *statement.Pool) {
		for _, m := range p.Members {
			versions[d.version(m)] = true
		}
	}
	reach(p)
	for before := -1; before != len(left); {
		before = len(left)
		left = slices.DeleteFunc(left, func(s *statement.Pool) bool {
			touches := slices.ContainsFunc(s.Members, func(m statement.Member) bool { return versions[d.version(m)] })
			if touches {
				out = append(out, s)
				reach(s)
			}
			return touches
		})
	}
	return out
}

// policiesOf are the policies of all members, in their order.
func (d *Desk) policiesOf(ctx context.Context, p *statement.Pool) ([]*policy.Policy, error) {
	var out []*policy.Policy
	for _, m := range p.Members {
		one, err := d.Catalog.Policy(ctx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// ownPolicies are those of this party's versions in the epochs.
func (d *Desk) ownPolicies(epochs []*statement.Pool) ([]*policy.Policy, error) {
	var out []*policy.Policy
	seen := map[statement.Digest]bool{}
	for _, p := range epochs {
		for _, m := range p.Members {
			if m.Owner != d.self() || seen[m.Offer] {
				continue
			}
			seen[m.Offer] = true
			v, ok := d.Store.Get(m.Offer)
			if !ok {
				return nil, refuse("offer-unknown", "a pool that was signed names an offer that this party does not have")
			}
			out = append(out, v.Policy)
		}
	}
	return out, nil
}

// version is a member as far as answers can tell: of this party's own versions with equal contents, the first.
func (d *Desk) version(m statement.Member) statement.Member {
	if v, ok := d.Store.Get(m.Offer); ok && m.Owner == d.self() && v.Same != "" {
		m.Offer = v.Same
	}
	return m
}

func ownersOf(members []statement.Member) []string {
	var out []string
	for _, m := range members {
		out = append(out, string(m.Owner))
	}
	return out
}

// classesHold: whatever is computed from answers of whole epochs is made of totals of classes, the versions that stand in
// the same epochs. Each must have contributors enough: those that left, those that came, and those that stayed.
func (d *Desk) classesHold(epochs []*statement.Pool, count *policy.Contributors) error {
	f, err := d.familyOf(epochs)
	if err != nil || len(f.epochs) == 1 {
		return err // alone, an epoch is judged cell by cell
	}
	for _, c := range f.classes {
		if n := count.Count(c.owners); n < count.Apart() {
			return f.refuse(fmt.Sprintf("only %d contributors are in %s, and in no other epoch that was signed; %d more must be, or their difference shows them", n, f.names(c), count.Apart()-n))
		}
	}
	return nil
}

// standsOut looks at other parties' epochs too. Their members' doings can't keep a class large, so less is asked: whatever
// is computed with the new epoch must have contributors enough behind it. Epochs are set aside as long as one stands out
// from those that are left; the new one must be among them.
func (d *Desk) standsOut(epochs []*statement.Pool, count *policy.Contributors) error {
	f, err := d.familyOf(epochs)
	if err != nil || len(f.epochs) == 1 {
		return err
	}
	left := slices.Repeat([]bool{true}, len(f.epochs))
	for again := true; again; {
		again = false
		for q := range f.epochs {
			if !left[q] || !f.outstanding(q, left, count) {
				continue
			}
			if q == 0 {
				return nil
			}
			left[q], again = false, true
		}
	}
	return f.refuse(fmt.Sprintf("together with pools that others signed (%s), answers could be computed that show fewer than %d contributors", f.list(1, len(f.epochs)), count.Apart()))
}

// family is a set of epochs, no two of the same versions, the one in question first, and the classes into which they
// divide the versions of their members.
type family struct {
	epochs  []*statement.Pool
	classes []*class
}

// class are the owners of the versions that stand in the same epochs of a family.
type class struct {
	in     string // '1' at the index of each epoch that they stand in, else '0'
	owners []string
}

func (d *Desk) familyOf(epochs []*statement.Pool) (*family, error) {
	f, members, in := &family{}, 0, map[statement.Member][]byte{}
	for _, p := range epochs {
		versions := map[statement.Member]bool{}
		for _, m := range p.Members {
			versions[d.version(m)] = true
		}
		if f.has(versions, in) {
			continue
		}
		if members += len(versions); len(f.epochs) == maxEpochs || members > maxMemberships {
			return nil, refuse("pool-epoch", fmt.Sprintf("more than %d epochs, or %d members in them, would have to be compared: publish new versions, and form a pool of these alone", maxEpochs, maxMemberships))
		}
		for v := range versions {
			if in[v] == nil {
				in[v] = []byte(strings.Repeat("0", maxEpochs))
			}
			in[v][len(f.epochs)] = '1'
		}
		f.epochs = append(f.epochs, p)
	}
	f.divide(in)
	return f, nil
}

// has reports whether an epoch of the family has just these versions.
func (f *family) has(versions map[statement.Member]bool, in map[statement.Member][]byte) bool {
	for i, p := range f.epochs {
		same := len(p.Members) == len(versions)
		for v := range versions {
			same = same && in[v] != nil && in[v][i] == '1'
		}
		if same {
			return true
		}
	}
	return false
}

func (f *family) divide(in map[statement.Member][]byte) {
	by := map[string]*class{}
	for v, epochs := range in {
		key := string(epochs[:len(f.epochs)])
		if by[key] == nil {
			by[key] = &class{in: key}
			f.classes = append(f.classes, by[key])
		}
		by[key].owners = append(by[key].owners, string(v.Owner))
	}
	slices.SortFunc(f.classes, func(a, b *class) int { return cmp.Compare(b.in, a.in) })
}

// outstanding reports whether epoch q stands out from the others that are left: it divides one of their classes into two
// with contributors enough each, or brings enough that are in none of them. Either way every sum of answers in which q has
// a weight gives a weight to one of the two.
func (f *family) outstanding(q int, left []bool, count *policy.Contributors) bool {
	inside, outside := map[string][]string{}, map[string][]string{}
	for _, c := range f.classes {
		key := []byte(strings.Repeat("0", len(f.epochs)))
		for i := range key {
			if left[i] && i != q {
				key[i] = c.in[i]
			}
		}
		part := outside
		if c.in[q] == '1' {
			part = inside
		}
		part[string(key)] = append(part[string(key)], c.owners...)
	}
	for key, owners := range inside {
		if count.Count(owners) >= count.Apart() && (!strings.Contains(key, "1") || count.Count(outside[key]) >= count.Apart()) {
			return true
		}
	}
	return false
}

func (f *family) refuse(why string) error {
	p := f.epochs[0]
	return refuse("pool-epoch", fmt.Sprintf("rule on epochs, pool %s epoch %d: %s", p.Name, p.Epoch, why))
}

// names lists the epochs that a class stands in.
func (f *family) names(c *class) string {
	var out []string
	for i, p := range f.epochs {
		if c.in[i] == '1' {
			out = append(out, epochName(p))
		}
	}
	return shortList(out)
}

func (f *family) list(from, to int) string {
	var out []string
	for _, p := range f.epochs[from:to] {
		out = append(out, epochName(p))
	}
	return shortList(out)
}

func epochName(p *statement.Pool) string { return fmt.Sprintf("%s epoch %d", p.Name, p.Epoch) }

// shortList keeps a refusal short: it is recorded.
func shortList(names []string) string {
	slices.Sort(names)
	if n := len(names) - 8; n > 0 {
		names = append(names[:8:8], fmt.Sprintf("%d more", n))
	}
	return strings.Join(names, ", ")
}
