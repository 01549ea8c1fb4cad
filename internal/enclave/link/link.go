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
	bulk *http.ClientConn // nil where there is none
	free chan struct{}    // holds one token while nobody uses bulk
}

// Open speaks HTTP/2 over conn, without TLS: whoever holds the other end is not believed anyway. Where bulk, a second stream for ranges
// of objects, is not nil, it speaks HTTP/1.1 over that: there a range is copied once, from the socket to where it is wanted.
func Open(ctx context.Context, conn, bulk net.Conn) (*Host, error) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	c, err := clientOver(ctx, conn, &http.Transport{
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxReadFrameSize:            channel.FrameSize,
			MaxReceiveBufferPerStream:   channel.StreamWindow,
			StrictMaxConcurrentRequests: true,
		},
	})
	if err != nil {
		return nil, err
	}
	h := &Host{conn: c, free: make(chan struct{}, 1)}
	if bulk == nil {
		return h, nil
	}
	if h.bulk, err = clientOver(ctx, bulk, &http.Transport{}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	h.free <- struct{}{}
	return h, nil
}

// clientOver is a client of the one connection that there is: it never makes another.
func clientOver(ctx context.Context, conn net.Conn, t *http.Transport) (*http.ClientConn, error) {
	used := false
	t.DisableCompression, t.MaxResponseHeaderBytes = true, channel.MaxSmall
	t.DialContext = func(context.Context, string, string) (net.Conn, error) {
		if used {
			return nil, ErrLink
		}
		used = true
		return conn, nil
	}
	c, err := t.NewClientConn(ctx, "http", "host:80")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	return c, nil
}

// Close ends the connections.
func (h *Host) Close() error {
	if h.bulk != nil {
		_ = h.bulk.Close()
	}
	return h.conn.Close()
}

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

// Replies waits for answers. None is no error.
func (h *Host) Replies(ctx context.Context, a channel.Await) ([]channel.Reply, error) {
	ms := min(max(a.Wait.Milliseconds(), 0), channel.MaxWaitMS)
	q := url.Values{
		"after": {strconv.FormatInt(a.After, 10)}, "wait_ms": {strconv.FormatInt(ms, 10)}, "want": {strconv.Itoa(min(max(a.Want, 0), channel.MaxItems))},
	}
	b, err := h.call(ctx, http.MethodGet, channel.PathReplies+"?"+q.Encode(), nil, channel.MaxMessages)
	if err != nil {
		return nil, err
	}
	r, err := channel.DecodeReplies(b, a.After)
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
	b, err := f.Encode()
	if err != nil {
		return err
	}
	_, err = h.call(ctx, http.MethodPost, channel.PathFinish, b, 0)
	return err
}

// Range is a part of an object, and where to put it.
type Range struct {
	Object string
	Off    int64
	Dst    []byte
	// Arrived is told how many bytes of Dst are there, as they come; Dst must not be touched beyond them before they are. Default: nobody is.
	Arrived func(n int)
}

// Ranges reads parts of objects, in their order: at most channel.MaxRanges, of channel.MaxRange bytes together. They come over the
// second stream unless there is none, or it is in use, or was cut off in the middle of a range.
func (h *Host) Ranges(ctx context.Context, all []Range) error {
	select {
	case <-h.free:
		err := ranges(ctx, h.bulk, all)
		if err == nil {
			h.free <- struct{}{}
		}
		return err
	default:
		return ranges(ctx, h.conn, all)
	}
}

// Range reads one part, without waiting for others.
func (h *Host) Range(ctx context.Context, r Range) error { return ranges(ctx, h.conn, []Range{r}) }

func ranges(ctx context.Context, conn *http.ClientConn, all []Range) error {
	ask, total := channel.Ranges{}, int64(0)
	for _, r := range all {
		n := int64(len(r.Dst))
		ask.Items = append(ask.Items, channel.Range{Object: r.Object, Off: r.Off, Bytes: n})
		total += n
	}
	body, err := statement.Marshal(ask)
	if err != nil || total > channel.MaxRange {
		return ErrLink
	}
	resp, err := send(ctx, conn, http.MethodPost, channel.PathRanges, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.ContentLength != total {
		return ErrLink
	}
	for _, r := range all {
		if err := r.fill(resp.Body); err != nil {
			return err
		}
	}
	return ended(resp.Body)
}

func (r Range) fill(src io.Reader) error {
	for have := 0; have < len(r.Dst); {
		n, err := src.Read(r.Dst[have:])
		have += n
		if r.Arrived != nil {
			r.Arrived(have)
		}
		if err != nil && have < len(r.Dst) {
			return fmt.Errorf("%w: %w", ErrLink, err)
		}
	}
	return nil
}

// ended reads the end of a body, after which the connection can be used again.
func ended(r io.Reader) error {
	var more [1]byte
	if n, err := r.Read(more[:]); n != 0 || !errors.Is(err, io.EOF) {
		return ErrLink
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
	resp, err := send(ctx, h.conn, method, path, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readUpTo(resp.Body, limit)
}

// send makes one request, and gives back an answer that is no refusal. The caller closes its body.
func send(ctx context.Context, conn *http.ClientConn, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://host"+path, bytes.NewReader(body))
	if err != nil {
		return nil, ErrLink
	}
	resp, err := conn.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, problem(resp)
	}
	return resp, nil
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
