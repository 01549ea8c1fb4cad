package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Mailbox returns the caller's items behind seq after, oldest first. Where there
// is none, it waits for one, at most for wait; then the page is empty. A page may
// hold fewer items than there are: ask again from Next.
func (c *Client) Mailbox(ctx context.Context, after int64, wait time.Duration) (*wire.Mailbox, error) {
	var out wire.Mailbox
	k := call{method: http.MethodGet, path: "/v1/mailbox", query: poll(after, wait), wait: wait}
	if err := c.json(ctx, k, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

func poll(after int64, wait time.Duration) url.Values {
	v := url.Values{}
	setInt(v, "after", after)
	setInt(v, "wait_ms", wait.Milliseconds())
	return v
}

// AckMailbox lets the exchange forget the caller's items up to and including seq through.
func (c *Client) AckMailbox(ctx context.Context, through int64) error {
	return c.json(ctx, call{method: http.MethodPost, path: "/v1/mailbox/ack"}, &wire.MailboxAck{Through: through}, nil)
}

// Reply answers a mailbox item of a job. The second answer to one item is ignored.
// CodeStaleAttempt: that attempt is over, nobody waits for the answer.
func (c *Client) Reply(ctx context.Context, job statement.Digest, a wire.Answer) error {
	return c.json(ctx, call{method: http.MethodPost, path: jobPath(job) + "/replies"}, &a, nil)
}

// SendNotice puts a sealed notice about a job into the mailbox of another party of the job.
func (c *Client) SendNotice(ctx context.Context, to statement.Fingerprint, n wire.Notice) error {
	return c.json(ctx, call{method: http.MethodPost, path: "/v1/parties/" + string(to) + "/notices"}, &n, nil)
}

func jobPath(d statement.Digest) string { return "/v1/jobs/" + string(d) }

func leaseQuery(lease string, after int64, wait time.Duration) url.Values {
	v := poll(after, wait)
	v.Set("lease", lease)
	return v
}
