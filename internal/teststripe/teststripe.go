package teststripe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// Server is the mock with its front. Every request goes to the mock, and what it refuses is refused.
type Server struct {
	URL string

	mock  string
	mu    sync.Mutex
	made  map[string]map[string]any // sessions
	order []string
	keys  map[string]string // sessions by idempotency key
	// Refunds that were made, as Stripe shows them.
	refunds []map[string]any
	asked   map[string]asked // for refunds, by idempotency key
	refuse  bool
	// Down makes the next calls fail; where Late, those that change something, after they were done.
	Down, Late bool
}

// asked is what was asked for under an idempotency key, and the answer.
type asked struct {
	form   string
	status int
	answer map[string]any
}

// Start starts the mock for one test.
func Start(t *testing.T) *Server {
	t.Helper()
	_, err := exec.LookPath("stripe-mock")
	need.That(t, err == nil, "stripe-mock is not installed: run make deps")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("stripe-mock", "-http-addr", addr.String(), "-https-addr", "127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", addr.String())
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("stripe-mock does not listen: %v", err)
		}
	}
	s := &Server{mock: "http://" + addr.String(), made: map[string]map[string]any{}, keys: map[string]string{}, asked: map[string]asked{}}
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.URL = front.URL
	return s
}

// ServeHTTP asks the mock first, and lays what is remembered over its answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Down && !s.Late {
		http.Error(w, "{}", http.StatusServiceUnavailable)
		return
	}
	status, answer, err := s.ask(r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if status == http.StatusOK {
		form, _ := url.ParseQuery(string(body))
		status, answer = s.remember(r, form, answer)
	}
	if s.Down && r.Method == http.MethodPost {
		http.Error(w, "{}", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) ask(r *http.Request, body []byte) (int, map[string]any, error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, s.mock+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Accept-Encoding")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, answer, nil
}

func (s *Server) remember(r *http.Request, form url.Values, answer map[string]any) (int, map[string]any) {
	key := r.Header.Get("Idempotency-Key")
	switch path := strings.TrimPrefix(r.URL.Path, "/v1/"); {
	case r.Method == http.MethodPost && path == "checkout/sessions":
		return http.StatusOK, s.session(key, form, answer)
	case r.Method == http.MethodGet && path == "checkout/sessions":
		var data []any
		for _, id := range s.order {
			if s.made[id]["status"] == r.URL.Query().Get("status") {
				data = append(data, s.made[id])
			}
		}
		answer["data"], answer["has_more"] = data, false
	case r.Method == http.MethodGet && strings.HasPrefix(path, "checkout/sessions/"):
		if made := s.made[strings.TrimPrefix(path, "checkout/sessions/")]; made != nil {
			return http.StatusOK, made
		}
		return http.StatusNotFound, map[string]any{"error": map[string]any{"type": "invalid_request_error", "code": "resource_missing"}}
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/expire"):
		made := s.made[strings.TrimSuffix(strings.TrimPrefix(path, "checkout/sessions/"), "/expire")]
		if made == nil || made["status"] != "open" {
			return http.StatusBadRequest, map[string]any{"error": map[string]any{"type": "invalid_request_error"}}
		}
		made["status"] = "expired"
		return http.StatusOK, made
	case r.Method == http.MethodPost && path == "refunds":
		have, ok := s.asked[key]
		if ok && have.form != form.Encode() {
			return refusal("idempotency_error", "")
		}
		if !ok {
			have.form = form.Encode()
			have.status, have.answer = s.payBack(form, answer)
			s.asked[key] = have
		}
		return have.status, have.answer
	case r.Method == http.MethodGet && path == "refunds":
		return http.StatusOK, s.listed(r.URL.Query(), answer)
	}
	return http.StatusOK, answer
}

func refusal(kind, code string) (int, map[string]any) {
	return http.StatusBadRequest, map[string]any{"error": map[string]any{"type": kind, "code": code}}
}

func (s *Server) payBack(form url.Values, answer map[string]any) (int, map[string]any) {
	n, _ := strconv.ParseInt(form.Get("amount"), 10, 64)
	intent := form.Get("payment_intent")
	paid, _ := s.made[strings.TrimPrefix(intent, "pi_")]["amount_total"].(int64)
	if s.refuse || n+s.back(intent) > paid {
		return refusal("invalid_request_error", "charge_already_refunded")
	}
	for k, v := range map[string]any{
		"id": fmt.Sprintf("re_%d", len(s.refunds)+1), "amount": n, "payment_intent": intent, "status": "succeeded", "metadata": metadata(form),
	} {
		answer[k] = v
	}
	s.refunds = append(s.refunds, answer)
	return http.StatusOK, answer
}

// back is what goes back of a payment.
func (s *Server) back(intent string) (sum int64) {
	for _, r := range s.refunds {
		if r["payment_intent"] == intent && r["status"] != "failed" {
			sum += r["amount"].(int64)
		}
	}
	return sum
}

// listed is a page of the refunds of a payment, the newest first: of two at most, so that whoever reads has to turn pages.
func (s *Server) listed(q url.Values, answer map[string]any) map[string]any {
	data, past, more := []any{}, q.Get("starting_after") == "", false
	for _, r := range slices.Backward(s.refunds) {
		if r["payment_intent"] != q.Get("payment_intent") {
			continue
		}
		if past && len(data) == 2 {
			more = true
			break
		}
		if past {
			data = append(data, r)
		}
		past = past || r["id"] == q.Get("starting_after")
	}
	answer["data"], answer["has_more"] = data, more
	return answer
}

func metadata(form url.Values) map[string]any {
	meta := map[string]any{}
	for k, v := range form {
		if name, ok := strings.CutPrefix(k, "metadata["); ok {
			meta[strings.TrimSuffix(name, "]")] = v[0]
		}
	}
	return meta
}

func (s *Server) session(key string, form url.Values, answer map[string]any) map[string]any {
	if id := s.keys[key]; id != "" {
		return s.made[id]
	}
	id := fmt.Sprintf("cs_test_%d", len(s.order)+1)
	n, _ := strconv.ParseInt(form.Get("line_items[0][quantity]"), 10, 64)
	unit, _ := strconv.ParseInt(form.Get("line_items[0][price_data][unit_amount]"), 10, 64)
	for k, v := range map[string]any{
		"id": id, "url": "https://checkout.example/" + id, "mode": form.Get("mode"), "status": "open", "payment_status": "unpaid",
		"amount_total": n * unit, "currency": form.Get("line_items[0][price_data][currency]"), "metadata": metadata(form), "payment_intent": "pi_" + id,
	} {
		answer[k] = v
	}
	s.made[id], s.keys[key] = answer, id
	s.order = append(s.order, id)
	return answer
}

// Pay has somebody pay a session.
func (s *Server) Pay(id string) {
	s.Set(id, map[string]any{"status": "complete", "payment_status": "paid"})
}

// Set changes what a session is.
func (s *Server) Set(id string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range fields {
		s.made[id][k] = v
	}
}

// Sessions that were made.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order)
}

// Fail makes the calls from now on fail: if late, those that change something, after they were done.
func (s *Server) Fail(down, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Down, s.Late = down, late
}

// PaidBack is what was paid back of a session.
func (s *Server) PaidBack(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.back("pi_" + id)
}

// Refuse makes refunds be refused, or not any more.
func (s *Server) Refuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// Forget forgets all idempotency keys, as Stripe does after a day.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.asked)
	clear(s.keys)
}

// FailRefunds has all refunds that were made fail, as one to a card that is closed does after days.
func (s *Server) FailRefunds() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refunds {
		r["status"] = "failed"
	}
}
