package receipt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/statement"
)

// receipt: section 4, step 1.
func (v *verification) receipt(context.Context) (string, error) {
	s, err := statement.VerifyAuthor[statement.Receipt](&v.b.Receipt)
	if err != nil {
		return "", err
	}
	v.r, v.report.Receipt, v.report.Digest = s.Body(), s.Body(), s.Digest()
	return "signed by the session key that it names", nil
}

// agreement: step 2.
func (v *verification) agreement(context.Context) (string, error) {
	job, err := statement.VerifyAuthor[statement.Job](&v.b.Job)
	if err != nil {
		return "", fmt.Errorf("job: %w", err)
	}
	contract, err := statement.VerifyAuthor[statement.Contract](&v.b.Contract)
	if err != nil {
		return "", fmt.Errorf("contract: %w", err)
	}
	v.job, v.contract = job.Body(), contract.Body()
	v.report.Job, v.report.Contract = v.job, v.contract
	switch {
	case job.Digest() != v.r.Job:
		return "", errors.New("receipt is for another job")
	case contract.Digest() != v.r.Contract:
		return "", errors.New("receipt is for another contract")
	case v.job.Contract != v.r.Contract:
		return "", errors.New("job is for another contract")
	case v.job.Requester != v.contract.Requester:
		return "", errors.New("requester of the job differs from the contract's")
	case v.r.Requester != v.contract.Requester:
		return "", errors.New("requester of the receipt differs from the contract's")
	case !slices.Equal(v.r.Recipients, v.contract.Recipients):
		return "", errors.New("recipients differ from the contract's")
	case !slices.Contains(v.contract.Operators, v.r.Operator):
		return "", errors.New("operator is not in the contract")
	case !slices.Contains(v.contract.Builds, v.r.Build):
		return "", errors.New("enclave build is not in the contract")
	case !subset(v.job.Owners, v.contract.Owners()):
		return "", errors.New("job names an owner that the contract does not")
	}
	return "both signed by the requester; receipt, job and contract name each other", nil
}

// parties: step 3. Names are what parties call themselves, so two of one name
// would let one pass for the other.
func (v *verification) parties(context.Context) (string, error) {
	named := append([]statement.Fingerprint{v.contract.Requester}, v.contract.Recipients...)
	named = append(append(named, v.contract.Operators...), v.contract.Owners()...)
	v.report.Names = map[statement.Fingerprint]string{}
	taken := map[string]bool{}
	for i := range v.b.Parties {
		s, err := statement.VerifyAuthor[statement.Party](&v.b.Parties[i])
		if err != nil {
			return "", err
		}
		f, name := s.Body().Authors()[0], s.Body().Name
		switch {
		case !slices.Contains(named, f):
			return "", errors.New("a party introduces itself that the contract does not name")
		case v.report.Names[f] != "":
			return "", errors.New("a party introduces itself twice")
		case taken[name]:
			return "", fmt.Errorf("two parties call themselves %s", name)
		}
		v.report.Names[f], taken[name] = name, true
	}
	return fmt.Sprintf("%d parties introduce themselves", len(v.report.Names)), nil
}

// pinned: step 4. A pin is needed for everyone whose word the account rests on.
func (v *verification) pinned(context.Context) (string, error) {
	need := append([]statement.Fingerprint{v.r.Requester, v.r.Operator}, v.job.Owners...)
	need = append(need, v.r.Recipients...)
	for _, f := range need {
		if !slices.Contains(v.opt.Pins, f) {
			return "", fmt.Errorf("no pin given for %s (%s)", f, v.introduced(f))
		}
	}
	return "requester, recipients, operator and all owners are the ones that were pinned", nil
}

func (v *verification) introduced(f statement.Fingerprint) string {
	if n := v.report.Names[f]; n != "" {
		return "calls itself " + n
	}
	return "not introduced"
}

// offers: step 5.
func (v *verification) offers(context.Context) (string, error) {
	contracted := map[statement.Member]bool{}
	for _, t := range v.contract.Tables {
		for _, m := range t.Members {
			contracted[m] = true
		}
	}
	v.report.Offers = map[statement.Digest]*statement.Offer{}
	for i := range v.b.Offers {
		s, err := statement.VerifyAuthor[statement.Offer](&v.b.Offers[i])
		if err != nil {
			return "", err
		}
		if !contracted[statement.Member{Owner: s.Body().Owner, Offer: s.Digest()}] {
			return "", errors.New("an offer is not in the contract")
		}
		if v.report.Offers[s.Digest()] != nil {
			return "", errors.New("an offer is there twice")
		}
		v.report.Offers[s.Digest()] = s.Body()
	}
	return fmt.Sprintf("%d offers signed by their owners, named in the contract", len(v.report.Offers)), nil
}

// pools: step 6.
func (v *verification) pools(context.Context) (string, error) {
	have := map[statement.Digest]*statement.Pool{}
	for i := range v.b.Pools {
		s, err := statement.VerifyAuthor[statement.Pool](&v.b.Pools[i])
		if err != nil {
			return "", err
		}
		if have[s.Digest()] != nil {
			return "", errors.New("a pool is there twice")
		}
		have[s.Digest()] = s.Body()
	}
	named := map[statement.Digest]bool{}
	for _, t := range v.contract.Tables {
		if t.Pool == "" {
			continue
		}
		p, ok := have[t.Pool]
		if !ok || !slices.Equal(p.Members, t.Members) || "pool."+p.Name != t.Name {
			return "", fmt.Errorf("pool statement of %s missing or different from the contract", t.Name)
		}
		named[t.Pool] = true
	}
	if len(named) != len(have) {
		return "", errors.New("a pool is not in the contract")
	}
	return fmt.Sprintf("%d pool epochs signed by all members", len(have)), nil
}

// grants: step 7.
func (v *verification) grants(context.Context) (string, error) {
	by, digests, err := perOwner[statement.Grant](v.b.Grants)
	if err != nil {
		return "", err
	}
	v.grant = by
	for _, g := range by {
		if g.Body().Contract != v.r.Contract {
			return "", errors.New("a grant is for another contract")
		}
		v.report.Grants = append(v.report.Grants, g.Body())
	}
	slices.SortFunc(v.report.Grants, func(a, b *statement.Grant) int { return compare(a.Owner, b.Owner) })
	if !sameSet(owners(by), v.job.Owners) {
		return "", errors.New("not exactly the grants of the job's owners")
	}
	if !sameSet(digests, v.r.Grants) {
		return "", errors.New("not the grants that the receipt names")
	}
	return fmt.Sprintf("%d owners granted this contract", len(by)), nil
}
