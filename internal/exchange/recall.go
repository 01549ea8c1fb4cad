package exchange

import (
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// recalls are the questions for a job that can be ended by who asked: a host that has more room than when it asked wants to ask for
// more. Hanging up instead would lose the job that was leased meanwhile until its lease ends.
type recalls struct {
	mu sync.Mutex
	of map[poll]chan struct{}
}

type poll struct {
	party statement.Fingerprint
	name  string
}

// begin gives what is closed once the question is recalled; nil, which never is, for one without a name. Of several of one name the
// newest counts: a caller that did not hear sends the same again.
func (r *recalls) begin(party statement.Fingerprint, name string) (recalled <-chan struct{}, end func()) {
	if name == "" {
		return nil, func() {}
	}
	p, ch := poll{party, name}, make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[poll]chan struct{}{}
	}
	r.of[p] = ch
	return ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.of[p] == ch {
			delete(r.of, p)
		}
	}
}

// recall reports whether the question is one of this process.
func (r *recalls) recall(p poll) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ch := r.of[p]; ch != nil {
		close(ch)
		delete(r.of, p)
		return true
	}
	return false
}

// recall ends a question of the caller's own. One that is not there is a success: it has been answered, or not come yet.
func (s *Server) recall(c *call) error {
	var in wire.Recall
	if err := c.decode(&in); err != nil {
		return err
	}
	if !wire.ValidNonce(in.Poll) {
		return malformed("the question's name is malformed")
	}
	p := poll{c.party, in.Poll}
	if !s.recalls.recall(p) && s.shared != nil {
		s.shared.Notify(recallTopic(p))
	}
	return c.answer(wire.Empty{})
}
