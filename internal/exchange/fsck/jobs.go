package fsck

import (
	"context"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

func (c *check) jobs(ctx context.Context) error {
	var after statement.Digest
	for {
		list, err := c.Store.AllJobs(ctx, after, pageItems)
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			c.sum.Jobs++
			after = list[i].Digest
			err := c.job(ctx, &list[i])
			var wrong errWrong
			if errors.As(err, &wrong) {
				err = c.fault("job", after, "%s", wrong)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (c *check) job(ctx context.Context, j *store.Job) error {
	e, err := statement.ParseEnvelope(j.Envelope)
	if err != nil {
		return errWrong("its envelope is malformed")
	}
	if e.Digest() != j.Digest {
		return errWrong("its content has another digest")
	}
	v, err := verify[statement.Job](e)
	if err != nil {
		return err
	}
	if v.Contract != j.Contract || v.Class != j.Class || v.ExpiresMS != j.ExpiresMS {
		return errWrong("contract, class or time is not what it says")
	}
	t, err := c.contract(ctx, j.Contract)
	if err != nil {
		return err
	}
	if t.Requester != v.Requester {
		return errWrong("its requester is not that of its contract")
	}
	roles, err := c.roles(ctx, j.Digest)
	if err != nil {
		return err
	}
	if !sameRoles(roles, v, t) {
		return errWrong("its parties are not those of the job and its contract")
	}
	if err := state(j, roles); err != nil {
		return err
	}
	return c.artifacts(ctx, j, roles)
}

func (c *check) roles(ctx context.Context, d statement.Digest) (map[statement.Fingerprint]store.Role, error) {
	list, err := c.Store.JobParties(ctx, d)
	if err != nil {
		return nil, absent(err, "it has no parties")
	}
	out := map[statement.Fingerprint]store.Role{}
	for _, p := range list {
		out[p.Party] |= p.Role
	}
	return out, nil
}

func sameRoles(have map[statement.Fingerprint]store.Role, j *statement.Job, t *statement.Contract) bool {
	want := map[statement.Fingerprint]store.Role{j.Requester: store.Requester}
	for role, list := range map[store.Role][]statement.Fingerprint{store.Owner: j.Owners, store.Recipient: t.Recipients, store.Operator: t.Operators} {
		for _, f := range list {
			want[f] |= role
		}
	}
	if len(have) != len(want) {
		return false
	}
	for f, r := range want {
		if have[f] != r {
			return false
		}
	}
	return true
}

// state checks that a job's fields are such as its state has them.
func state(j *store.Job, roles map[statement.Fingerprint]store.Role) error {
	hosted := j.Host != "" && roles[j.Host]&store.Operator != 0
	over := j.State == store.StateDone || j.State == store.StateFailed
	switch {
	case !slices.Contains([]string{store.StateQueued, store.StateLeased, store.StateDone, store.StateFailed}, j.State):
		return errWrong("its state is none")
	case j.Version < 1 || j.Attempts < 0:
		return errWrong("its version or its attempts are no number of them")
	case (j.Attempts > 0) != (j.Host != "") || j.Host != "" && !hosted:
		return errWrong("its host is not an operator of its contract, or does not fit its attempts")
	case (j.State == store.StateLeased || j.State == store.StateDone) && j.Attempts == 0:
		return errWrong("it was never taken, and is leased or done")
	case over != (j.EndedMS > 0):
		return errWrong("it has ended without a time, or has a time and has not ended")
	case (j.State == store.StateFailed) != (j.Code != ""):
		return errWrong("it failed without a code, or has a code and did not fail")
	}
	return nil
}

// artifacts of a job that has ended: each has a name of its own kind, for somebody whom the job concerns.
func (c *check) artifacts(ctx context.Context, j *store.Job, roles map[statement.Fingerprint]store.Role) error {
	list, err := c.Store.Artifacts(ctx, j.Digest)
	if err != nil {
		return err
	}
	for _, a := range list {
		to, ok := wire.ArtifactFor(a.Name)
		if !ok || to != "" && roles[to]&store.Concerned == 0 {
			return errWrong("an artifact is none, or for somebody whom it does not concern")
		}
		b, err := c.Store.Artifact(ctx, j.Digest, a.Name)
		if err != nil {
			return absent(err, "an artifact is listed, and is not there")
		}
		if int64(len(b)) != a.Bytes || len(b) == 0 || len(b) > wire.MaxArtifact {
			return errWrong("an artifact has another size")
		}
	}
	return nil
}

// traces checks that rows about jobs are about jobs that are there, and in a state that has such rows.
func (c *check) traces(ctx context.Context) error {
	list, err := c.Store.Traces(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		j, err := c.Store.Job(ctx, t.Job)
		running := (t.Kind == store.TraceReplies || t.Kind == store.TraceSent) && err == nil && j.State != store.StateLeased
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = c.fault("trace", t.Job, "%s of a job that is not there", t.Kind)
		case running:
			err = c.fault("trace", t.Job, "%s of an attempt that is over", t.Kind)
		case err == nil && t.Kind == store.TraceArtifacts && j.State == store.StateQueued:
			err = c.fault("trace", t.Job, "%s of a job that waits", t.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
