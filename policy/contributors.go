package policy

// MinContributors is how many contributors a cell needs, 0 for a policy without contributor rules. A new epoch of a
// pool must change at least as many members, else the difference of two epochs shows one of them.
func (p *Policy) MinContributors() int64 {
	if !p.guard.hasContributors {
		return 0
	}
	return p.guard.minContributors
}
