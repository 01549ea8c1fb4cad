package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	wire "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/statement"
)

// Serve answers one enclave on conn until it hangs up or ctx ends, and closes conn. When it returns, no request is being
// answered any more.
func Serve(ctx context.Context, conn net.Conn, b Backend) error {
	s := &server{backend: b, spent: map[string]int64{}}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return s.serve(ctx, newOnceListener(conn), &http.Server{
		Handler:           s.routes(),
		Protocols:         protocols,
		ReadHeaderTimeout: speakTime,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:      wire.MaxStreams,
			MaxReadFrameSize:          wire.FrameSize,
			MaxReceiveBufferPerStream: wire.StreamWindow,
		},
	})
}

// ServeBulk answers one enclave's requests for ranges on a second stream, which carries nothing else. It ends as Serve does. How long
// the first one takes to come depends on owners, so nothing here bounds it: ctx does.
func ServeBulk(ctx context.Context, conn net.Conn, b Backend) error {
	s := &server{backend: b, spent: map[string]int64{}}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return s.serve(ctx, newBulkListener(conn), &http.Server{Handler: s.bulkRoutes(), Protocols: protocols})
}

func (s *server) serve(ctx context.Context, l net.Listener, srv *http.Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv.MaxHeaderBytes = wire.MaxSmall
	srv.BaseContext = func(net.Listener) context.Context { return ctx }
	srv.ErrorLog = log.New(io.Discard, "", 0) // it would quote what the enclave sent
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(l)
	cancel()
	_ = srv.Close()
	s.close()
	if errors.Is(err, errHungUp) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("channel: %w", err)
}

// speakTime is how long an enclave may take until its first request. A process takes milliseconds; a machine whose processor is translated
// takes 20 seconds, on a busy host a minute.
const speakTime = 3 * time.Minute

// server bounds what one enclave can ask for and send out in total.
type server struct {
	backend Backend

	mu        sync.Mutex
	closed    bool
	answering sync.WaitGroup
	spent     map[string]int64
}

type handler func(w http.ResponseWriter, r *http.Request) error

func (s *server) routes() http.Handler {
	return s.mux(map[string]handler{
		"GET " + wire.PathJob:                  s.job,
		"POST " + wire.PathEvidence:            s.limited("evidence", wire.MaxAttest, s.evidence),
		"POST " + wire.PathMessages:            s.messages,
		"GET " + wire.PathReplies:              s.replies,
		"POST " + wire.PathRanges:              s.ranges,
		"PUT " + wire.PathArtifacts + "{name}": s.limited("artifacts", wire.MaxArtifacts, s.artifact),
		"POST " + wire.PathStage:               s.limited("stages", wire.MaxStages, s.stage),
		"POST " + wire.PathFinish:              s.limited("finish", 3, s.finish),
	})
}

func (s *server) bulkRoutes() http.Handler {
	return s.mux(map[string]handler{"POST " + wire.PathRanges: s.ranges})
}

func (s *server) mux(routes map[string]handler) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range routes {
		mux.Handle(pattern, s.answer(h))
	}
	mux.Handle("/", s.answer(func(http.ResponseWriter, *http.Request) error { return errNotFound }))
	return mux
}

// limited lets h be called n times by one enclave.
func (s *server) limited(what string, n int64, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !s.spend(what, 1, n) {
			return errTooMuch
		}
		return h(w, r)
	}
}

// spend takes n from what one enclave may do in all.
func (s *server) spend(what string, n, most int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spent[what] += n
	return s.spent[what] <= most
}

// begin counts an answer under way, unless the server has closed.
func (s *server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.answering.Add(1)
	return true
}

// close waits for the answers under way.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.answering.Wait()
}

func (s *server) answer(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			panic(http.ErrAbortHandler)
		}
		defer s.answering.Done()
		if err := h(w, r); err != nil {
			p := problemOf(err)
			b, _ := statement.Marshal(wire.Problem{Code: p.Code})
			w.WriteHeader(p.Status)
			_, _ = w.Write(b)
		}
	})
}

func (s *server) job(w http.ResponseWriter, r *http.Request) error {
	j, err := s.backend.Job(r.Context())
	if err != nil {
		return err
	}
	return write(w, j)
}

func (s *server) evidence(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(r, wire.MaxReport)
	if err != nil {
		return err
	}
	a, err := wire.DecodeReport(body)
	if err != nil {
		return errBad
	}
	e, err := s.backend.Evidence(r.Context(), a)
	if err != nil {
		return err
	}
	return write(w, e)
}

func (s *server) messages(_ http.ResponseWriter, r *http.Request) error {
	body, err := readBody(r, wire.MaxMessages)
	if err != nil {
		return err
	}
	m, err := wire.DecodeMessages(body)
	if err != nil {
		return errBad
	}
	if !s.spend("messages", int64(len(m.Items)), wire.MaxSent) {
		return errTooMuch
	}
	return s.backend.Send(r.Context(), m.Items)
}

func (s *server) replies(w http.ResponseWriter, r *http.Request) error {
	after, err := number(r, "after", 1<<53)
	if err != nil {
		return err
	}
	ms, err := number(r, "wait_ms", wire.MaxWaitMS)
	if err != nil {
		return err
	}
	want, err := number(r, "want", wire.MaxItems)
	if err != nil {
		return err
	}
	items, err := s.backend.Replies(r.Context(), wire.Await{After: after, Want: int(want), Wait: time.Duration(ms) * time.Millisecond})
	if err != nil {
		return err
	}
	return write(w, page(items))
}

// page cuts the answer where it would grow too large: the rest comes with the next poll.
func page(items []wire.Reply) wire.Replies {
	out := wire.Replies{Items: []wire.Reply{}}
	room := wire.MaxMessages * 3 / 4 // base64 makes four bytes of three
	for _, i := range items {
		room -= len(i.Body) + 256
		if len(out.Items) == wire.MaxItems || room < 0 && len(out.Items) > 0 {
			break
		}
		out.Items = append(out.Items, i)
	}
	return out
}

func (s *server) artifact(_ http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if !wire.ValidArtifact(name) || r.ContentLength < 1 || r.ContentLength > wire.MaxArtifact {
		return errBad
	}
	if !s.spend("bytes of artifacts", r.ContentLength, wire.MaxWritten) {
		return errTooMuch
	}
	body, err := readBody(r, r.ContentLength)
	if err != nil || int64(len(body)) != r.ContentLength {
		return errBad
	}
	return s.backend.PutArtifact(r.Context(), name, body)
}

func (s *server) stage(_ http.ResponseWriter, r *http.Request) error {
	body, err := readBody(r, wire.MaxSmall)
	if err != nil {
		return err
	}
	st, err := wire.DecodeStage(body)
	if err != nil {
		return errBad
	}
	return s.backend.Stage(r.Context(), st.Name)
}

func (s *server) finish(_ http.ResponseWriter, r *http.Request) error {
	body, err := readBody(r, wire.MaxFinish)
	if err != nil {
		return err
	}
	f, err := wire.DecodeFinish(body)
	if err != nil {
		return errBad
	}
	var bytes int64
	for _, a := range f.Artifacts {
		bytes += int64(len(a.Body))
	}
	if !s.spend("artifacts", int64(len(f.Artifacts)), wire.MaxArtifacts) || !s.spend("bytes of artifacts", bytes, wire.MaxWritten) {
		return errTooMuch
	}
	return s.backend.Finish(r.Context(), *f)
}

func write(w http.ResponseWriter, v any) error {
	b, err := statement.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, err = w.Write(b)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errBad
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil || int64(len(b)) > limit {
		return nil, errBad
	}
	return b, nil
}

func number(r *http.Request, name string, most int64) (int64, error) {
	s := r.URL.Query().Get(name)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > most || strconv.FormatInt(n, 10) != s {
		return 0, errBad
	}
	return n, nil
}
