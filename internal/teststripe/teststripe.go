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
	keys  map[string]string // sessions and refunds by idempotency key
	// Refunded is what was paid back, by payment intent, in the currency's smallest unit.
	Refunded map[string]int64
	// Down makes the next calls fail, after they were done where Late.
	Down, Late bool
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
	cmd := exec.Command("stripe-mock", "-http-addr", addr.String())
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
	s := &Server{mock: "http://" + addr.String(), made: map[string]map[string]any{}, keys: map[string]string{}, Refunded: map[string]int64{}}
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
	if s.Down {
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
		if s.keys[key] == "" {
			s.keys[key] = "refund"
			n, _ := strconv.ParseInt(form.Get("amount"), 10, 64)
			s.Refunded[form.Get("payment_intent")] += n
		}
		answer["status"] = "succeeded"
	}
	return http.StatusOK, answer
}

func (s *Server) session(key string, form url.Values, answer map[string]any) map[string]any {
	if id := s.keys[key]; id != "" {
		return s.made[id]
	}
	id := fmt.Sprintf("cs_test_%d", len(s.order)+1)
	n, _ := strconv.ParseInt(form.Get("line_items[0][quantity]"), 10, 64)
	unit, _ := strconv.ParseInt(form.Get("line_items[0][price_data][unit_amount]"), 10, 64)
	meta := map[string]any{}
	for k, v := range form {
		if name, ok := strings.CutPrefix(k, "metadata["); ok {
			meta[strings.TrimSuffix(name, "]")] = v[0]
		}
	}
	for k, v := range map[string]any{
		"id": id, "url": "https://checkout.example/" + id, "mode": form.Get("mode"), "status": "open", "payment_status": "unpaid",
		"amount_total": n * unit, "currency": form.Get("line_items[0][price_data][currency]"), "metadata": meta, "payment_intent": "pi_" + id,
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

// Fail makes the calls from now on fail: after they were done, if late.
func (s *Server) Fail(down, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Down, s.Late = down, late
}

// PaidBack is what was paid back of a session.
func (s *Server) PaidBack(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Refunded["pi_"+id]
}
