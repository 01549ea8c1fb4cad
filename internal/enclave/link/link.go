package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/statement"
)

// ErrLink is returned when the host does not answer, or not as the channel's specification says.
var ErrLink = errors.New("link: the host does not answer properly")

// Error is a refusal by the host.
type Error struct {
	Status int
	Code   string
}

func (e *Error) Error() string { return fmt.Sprintf("link: host answered %d %s", e.Status, e.Code) }

// Host is the far end. Its methods may be called concurrently.
type Host struct {
	conn *http.ClientConn
}

// Open speaks HTTP/2 over conn, without TLS: whoever holds the other end is not believed anyway.
func Open(ctx context.Context, conn net.Conn) (*Host, error) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	used := false
	t := &http.Transport{
		Protocols:          protocols,
		DisableCompression: true,
		HTTP2: &http.HTTP2Config{
			MaxReadFrameSize:            channel.FrameSize,
			MaxReceiveBufferPerStream:   channel.StreamWindow,
			StrictMaxConcurrentRequests: true,
		},
		MaxResponseHeaderBytes: channel.MaxSmall,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if used {
				return nil, ErrLink
			}
			used = true
			return conn, nil
		},
	}
	c, err := t.NewClientConn(ctx, "http", "host:80")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	return &Host{conn: c}, nil
}

// Close ends the connection.
func (h *Host) Close() error { return h.conn.Close() }

// Job fetches what is to be done.
func (h *Host) Job(ctx context.Context) (*channel.Job, error) {
	b, err := h.call(ctx, http.MethodGet, channel.PathJob, nil, channel.MaxJob)
	if err != nil {
		return nil, err
	}
	return channel.DecodeJob(b)
}

// Evidence asks the host for evidence about this enclave: to wrap what its machine said, or to vouch itself where there is none.
func (h *Host) Evidence(ctx context.Context, a channel.Attest) (*statement.Evidence, error) {
	b, err := h.post(ctx, channel.PathEvidence, channel.NewReport(a), channel.MaxEvidence)
	if err != nil {
		return nil, err
	}
	return channel.DecodeEvidence(b)
}

// Send hands over the sealed messages of one round.
func (h *Host) Send(ctx context.Context, all []channel.Message) error {
	for len(all) > 0 {
		n := fitting(all)
		if _, err := h.post(ctx, channel.PathMessages, channel.Messages{Items: all[:n]}, 0); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// fitting is how many of the messages go into one request.
func fitting(all []channel.Message) int {
	const around = 256
	room := channel.MaxMessages*3/4 - around // base64 makes four bytes of three
	for i, m := range all {
		if room -= len(m.Body) + around; room < 0 && i > 0 {
			return i
		}
	}
	return len(all)
}

// Replies waits for answers numbered above after, at most for wait. None is no error.
func (h *Host) Replies(ctx context.Context, after int64, wait time.Duration) ([]channel.Reply, error) {
	ms := min(max(wait.Milliseconds(), 0), channel.MaxWaitMS)
	q := url.Values{"after": {strconv.FormatInt(after, 10)}, "wait_ms": {strconv.FormatInt(ms, 10)}}
	b, err := h.call(ctx, http.MethodGet, channel.PathReplies+"?"+q.Encode(), nil, channel.MaxMessages)
	if err != nil {
		return nil, err
	}
	r, err := channel.DecodeReplies(b, after)
	if err != nil {
		return nil, err
	}
	return r.Items, nil
}

// Put stores an artifact for parties to fetch.
func (h *Host) Put(ctx context.Context, name string, body []byte) error {
	_, err := h.call(ctx, http.MethodPut, channel.PathArtifacts+name, body, 0)
	return err
}

// Stage reports how far the job is.
func (h *Host) Stage(ctx context.Context, name string) error {
	_, err := h.post(ctx, channel.PathStage, channel.Stage{Name: name}, 0)
	return err
}

// Finish says the last word.
func (h *Host) Finish(ctx context.Context, f channel.Finish) error {
	_, err := h.post(ctx, channel.PathFinish, f, 0)
	return err
}

// Object reads len(dst) bytes at off of an object. arrived is told how many bytes of dst are there, as they come; dst must
// not be touched beyond them before Object returns.
func (h *Host) Object(ctx context.Context, path string, off int64, dst []byte, arrived func(n int)) error {
	if off < 0 || len(dst) == 0 || len(dst) > channel.MaxRange || !statement.ValidObject(path) {
		return ErrLink
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host"+channel.PathObjects+path, nil)
	if err != nil {
		return ErrLink
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(dst))-1))
	resp, err := h.conn.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLink, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusPartialContent {
		return problem(resp)
	}
	return fill(dst, resp.Body, arrived)
}

func fill(dst []byte, r io.Reader, arrived func(int)) error {
	for have := 0; have < len(dst); {
		n, err := r.Read(dst[have:])
		have += n
		arrived(have)
		if err != nil && have < len(dst) {
			return fmt.Errorf("%w: %w", ErrLink, err)
		}
	}
	return nil
}

func (h *Host) post(ctx context.Context, path string, v any, limit int64) ([]byte, error) {
	b, err := statement.Marshal(v)
	if err != nil {
		return nil, err
	}
	return h.call(ctx, http.MethodPost, path, b, limit)
}

// call makes one request whose answer has at most limit bytes.
func (h *Host) call(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://host"+path, bytes.NewReader(body))
	if err != nil {
		return nil, ErrLink
	}
	resp, err := h.conn.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, problem(resp)
	}
	return readUpTo(resp.Body, limit)
}

func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	if int64(len(b)) > limit {
		return nil, ErrLink
	}
	return b, nil
}

func problem(resp *http.Response) error {
	b, err := readUpTo(resp.Body, channel.MaxSmall)
	if err != nil {
		return err
	}
	p, err := channel.DecodeProblem(b)
	if err != nil {
		return ErrLink
	}
	return &Error{Status: resp.StatusCode, Code: p.Code}
}
