package pme

import (
	"context"
	"io"
	"slices"
)

// SoundView is a View of which every page has been authenticated, in the order of the file: for a source that is slow to come back to. If
// it has a method Lend, pages are decrypted from what that gives, and given back. It must vouch that it gives the same bytes later.
func (p *Plan) SoundView(ctx context.Context, src io.ReaderAt) (*View, error) {
	q := *p
	q.sound = true
	v, err := q.View(ctx, src)
	if err != nil {
		return nil, err
	}
	for i := range v.read {
		v.read[i].Store(1)
	}
	return v, nil
}

// sound opens pages for nothing but their tags, where the plan says so. It keeps its buffers from page to page.
type sound struct{ sealed, clear []byte }

func (s *sound) page(o *opener, r Range, t moduleType, ordinal int) error {
	if !o.plan.sound || o.plan.ctr {
		return nil
	}
	box, back, err := s.box(o.src, r)
	if err != nil {
		return err
	}
	defer back()
	s.clear = slices.Grow(s.clear[:0], len(box))
	page, err := o.c.key.open(s.clear, box, o.pageAAD(t, ordinal))
	clear(page)
	if err != nil {
		return tampered("page")
	}
	return nil
}

func (s *sound) box(src io.ReaderAt, r Range) (box []byte, back func(), err error) {
	if box, back, ok, err := lent(src, r); ok {
		return box, back, err
	}
	s.sealed = slices.Grow(s.sealed[:0], int(r.Len))[:r.Len]
	if n, err := src.ReadAt(s.sealed, r.Off); n != len(s.sealed) {
		return nil, nil, readError(err)
	}
	return s.sealed, func() {}, nil
}
