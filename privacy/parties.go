package privacy

// Lists name the parties of one release. Owners are numbered from 0.
type Lists struct {
	Owners     int     // required: how many owners the data has
	Asker      []int   // R: owners among requester, recipients and their affiliates; empty for an outside analyst
	Recognised []int   // owners that every policy counts as contributors; absent owners are strangers
	Affiliates [][]int // groups that count as one contributor; groups that overlap are one group
}

// standing is how a group of affiliates enters the rule. The zero value protects nobody.
type standing uint8

const (
	stranger standing = iota // not recognised: protects nobody, is protected
	counted                  // recognised, outside R
	asker                    // in R: its rows are known to those who read the answer
)

// Parties is a checked Lists: every owner has a group, every group one standing.
type Parties struct {
	group    []int      // by owner
	standing []standing // by group
}

// NewParties checks the lists and merges affiliates. A group with a member in R is in R; else a group with a member that is
// not recognised is a stranger.
func NewParties(l Lists) (*Parties, error) {
	if l.Owners < 1 {
		return nil, ErrParties
	}
	for _, list := range append([][]int{l.Asker, l.Recognised}, l.Affiliates...) {
		for _, o := range list {
			if o < 0 || o >= l.Owners {
				return nil, ErrParties
			}
		}
	}
	p := &Parties{group: groups(l.Owners, l.Affiliates)}
	p.standing = make([]standing, l.Owners)
	for g := range p.standing {
		p.standing[g] = counted
	}
	p.demote(l)
	for _, o := range l.Asker {
		p.standing[p.group[o]] = asker
	}
	return p, nil
}

// demote makes the group of every owner that is not recognised a stranger.
func (p *Parties) demote(l Lists) {
	recognised := make([]bool, l.Owners)
	for _, o := range l.Recognised {
		recognised[o] = true
	}
	for o, ok := range recognised {
		if !ok {
			p.standing[p.group[o]] = stranger
		}
	}
}

// groups gives every owner the lowest-numbered owner that it is affiliated with, over any number of steps.
func groups(owners int, affiliates [][]int) []int {
	group := make([]int, owners)
	for o := range group {
		group[o] = o
	}
	for _, list := range affiliates {
		for _, o := range list {
			join(group, group[list[0]], group[o])
		}
	}
	return group
}

func join(group []int, a, b int) {
	for o, g := range group {
		if g == a || g == b {
			group[o] = min(a, b)
		}
	}
}

// single tells whether all data comes from one owner or its affiliates.
func (p *Parties) single() bool {
	for _, g := range p.group {
		if g != p.group[0] {
			return false
		}
	}
	return true
}
