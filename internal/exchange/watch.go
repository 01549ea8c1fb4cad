package exchange

import (
	"context"
	"io"
	"net/http"
)

// Watch learns how calls go: routes, states, times and numbers. It is told no path, name, fingerprint or digest.
type Watch interface {
	// Call begins one; end is told the pattern of its route, "" for none, and the status that was sent.
	Call(ctx context.Context, method string) (_ context.Context, end func(route string, status int))
	// LeasesLost counts jobs that lost their host.
	LeasesLost(n int)
	// Limited counts calls that a limit of their party refused: by the limit's name.
	Limited(limit string)
}

// watched tells the server's watch of every call.
func (s *Server) watched(next http.Handler) http.Handler {
	if s.watch == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, end := s.watch.Call(r.Context(), r.Method)
		r = r.WithContext(ctx)
		rec := &recorder{ResponseWriter: w}
		defer func() { end(r.Pattern, rec.status) }() // the mux has set the pattern by then, and a panic cuts an answer short
		next.ServeHTTP(rec, r)
	})
}

// recorder notes the status that is sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// ReadFrom lets the kernel send a file, where the writer below can.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if to, ok := r.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{r.ResponseWriter}, src)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Polls that are open now.
func (s *Server) Polls() int { return s.hub.open() }
