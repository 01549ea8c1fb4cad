package broker

import (
	"bytes"
	"maps"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// begun are the lines of a conversation between an enclave and this party (docs/spec/sealing.md, section 2.2), which its hello leaves for
// its quote. Both are just what the quote would need anew: a quote that comes by another line, or for another box, begins its own.
// What is here opens no released keys: the quote takes it away before any are sealed.
type begun struct {
	listener *seal.Listener // of what the enclave writes
	line     *seal.Line     // to the session's box:
	box      []byte
	until    time.Time // when the ready of the hello ends at the latest: no quote is of use after it
}

// lineName is the line of a hello, and its job.
type lineName struct{ job, line statement.Digest }

// maxBegun bounds the lines at hand, some 4 KiB each, besides their age.
const maxBegun = 4096

// keepLines keeps a hello's lines, once it is answered.
func (b *Broker) keepLines(m *matter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	b.dropLines(now)
	if len(b.begun) >= maxBegun {
		clear(b.begun)
	}
	b.begun[lineName{m.item.Job, m.listener.Name()}] = begun{listener: m.listener, line: m.line, box: m.session.Box, until: now.Add(readyTime)}
}

// dropLines drops the lines that are too old. The caller holds b.mu.
func (b *Broker) dropLines(now time.Time) {
	maps.DeleteFunc(b.begun, func(_ lineName, l begun) bool { return !now.Before(l.until) })
}

// takeLines takes away what the hello on a message's line left for the quote.
func (b *Broker) takeLines(m *matter) *begun {
	line, ok := seal.LineOf(m.item.Body)
	if !ok || m.item.Kind != wire.KindQuote {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropLines(b.Now())
	name := lineName{m.item.Job, line}
	l, ok := b.begun[name]
	if !ok {
		return nil
	}
	delete(b.begun, name)
	return &l
}

// listen opens the message, which came by a line if it is a hello or a quote.
func (b *Broker) listen(m *matter, c seal.Context, sealed []byte) (text []byte, err error) {
	if !c.Spoken() {
		return b.Box.Open(c, sealed)
	}
	if m.begun = b.takeLines(m); m.begun != nil {
		m.listener = m.begun.listener
	} else if m.listener, err = b.Box.Listen(sealed); err != nil {
		return nil, err
	}
	return m.listener.Open(c, sealed)
}

// lineTo is the line to a session: the one that its hello began, if it is to the same box.
func (m *matter) lineTo(box []byte) (*seal.Line, error) {
	if m.begun != nil && bytes.Equal(m.begun.box, box) {
		return m.begun.line, nil
	}
	return seal.NewLine(box)
}
