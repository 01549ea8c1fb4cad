package fsck

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

func (c *check) describeTemplate(ctx context.Context, e *statement.Envelope) (*store.Statement, error) {
	t, err := verify[statement.Template](e)
	if err != nil {
		return nil, err
	}
	st := &store.Statement{Name: t.Name, Complete: true, Authors: t.Authors(), Readers: t.Concerns()}
	if t.Replaces == "" {
		return st, nil
	}
	st.Refs = []statement.Digest{t.Replaces}
	old, err := c.named(ctx, t.Replaces, store.KindTemplate, "a template")
	if err == nil && !sameSet(old.Authors, t.Authors()) {
		return nil, errWrong("it replaces a template of another author")
	}
	return st, err
}

func describeAccreditation(e *statement.Envelope) (*store.Statement, error) {
	a, err := verify[statement.Accreditation](e)
	if err != nil {
		return nil, err
	}
	return &store.Statement{Complete: true, Authors: a.Authors()}, nil
}

// ruleReferences are the template and the accreditations that a contract names.
func (c *check) ruleReferences(ctx context.Context, t *statement.Contract, st *store.Statement) error {
	if t.Template != "" {
		if _, err := c.named(ctx, t.Template, store.KindTemplate, "the template"); err != nil {
			return err
		}
		st.Refs = append(st.Refs, t.Template)
	}
	for _, d := range t.Accreditations {
		if _, err := c.named(ctx, d, store.KindAccreditation, "an accreditation"); err != nil {
			return err
		}
		st.Refs = append(st.Refs, d)
	}
	return nil
}
