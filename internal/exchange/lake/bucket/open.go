package bucket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
)

// Sentinel errors of Open, one per reason.
var (
	ErrURL         = errors.New("bucket: not of the form s3://BUCKET[/PREFIX]?endpoint=URL&region=NAME")
	ErrPlainHTTP   = errors.New("bucket: endpoint is plain HTTP to another machine")
	ErrOverwrites  = errors.New("bucket: server writes over objects that it was asked to keep")
	ErrNoBucket    = errors.New("bucket: no such bucket, or not for these credentials")
	ErrCredentials = errors.New("bucket: no credentials in the environment or the file that it names")
)

// Lake is a bucket, or what begins with a prefix in it.
type Lake struct {
	core    *minio.Core
	bucket  string
	prefix  string
	idle    func() // closes idle connections
	writers chan struct{}
}

var _ lake.Lake = (*Lake)(nil)

const (
	callTime = 20 * time.Second // for a question, retries included
	partTime = 5 * time.Minute  // to send one part, retries included
	stall    = time.Minute      // for the next bytes of what is read
	retries  = 4                // within 2 s or so, where the server refuses at once
	writers  = 16               // uploads at once: each holds one part in memory
	abandon  = 7 * 24 * time.Hour
)

// target is where a URL leads.
type target struct {
	bucket, prefix, host, region string
	tls                          bool
}

func parse(text string) (*target, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return nil, ErrURL // never with the text: somebody may have put a secret there
	}
	t := &target{bucket: u.Host, prefix: strings.Trim(u.Path, "/"), region: "us-east-1", host: "s3.amazonaws.com", tls: true}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, ErrURL
	}
	for name, v := range q {
		if len(v) != 1 || v[0] == "" {
			return nil, ErrURL
		}
		switch name {
		case "region":
			t.region = v[0]
		case "endpoint":
			if err := t.endpoint(v[0]); err != nil {
				return nil, err
			}
		default:
			return nil, ErrURL
		}
	}
	if t.prefix != "" {
		t.prefix += "/"
	}
	return t, nil
}

func (t *target) endpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return ErrURL
	}
	t.host, t.tls = u.Host, u.Scheme == "https"
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return ErrURL
	case !t.tls && !thisMachine(u.Hostname()):
		return ErrPlainHTTP
	}
	return nil
}

func thisMachine(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Open opens the lake in the bucket of a URL, s3://BUCKET[/PREFIX]?endpoint=URL&region=NAME. Credentials are those of AWS's
// tools: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else the file AWS_SHARED_CREDENTIALS_FILE. It writes a probe twice, and
// refuses a server that takes the second.
func Open(ctx context.Context, text string) (*Lake, error) {
	t, err := parse(text)
	if err != nil {
		return nil, err
	}
	creds := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
	if v, err := creds.GetWithContext(nil); err != nil || v.AccessKeyID == "" {
		return nil, ErrCredentials
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: partTime,
		DisableCompression:    true,
	}
	core, err := minio.NewCore(t.host, &minio.Options{Creds: creds, Secure: t.tls, Region: t.region, Transport: transport, MaxRetries: retries})
	if err != nil {
		return nil, ErrURL
	}
	l := &Lake{core: core, bucket: t.bucket, prefix: t.prefix, idle: transport.CloseIdleConnections, writers: make(chan struct{}, writers)}
	if err := l.begin(ctx); err != nil {
		l.idle()
		return nil, err
	}
	return l, nil
}

// Close ends idle connections.
func (l *Lake) Close() error {
	l.idle()
	return nil
}

func (l *Lake) begin(ctx context.Context) error {
	if err := l.probe(ctx); err != nil {
		return err
	}
	return l.sweep(ctx)
}

// probe writes one object twice, in both ways that there are. Its path is none that a party's object could have.
func (l *Lake) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	key := l.prefix + "probe-" + hex.EncodeToString(b[:])
	if err := l.putOnce(ctx, key, []byte("first")); err != nil {
		return err
	}
	defer func() {
		_ = l.core.RemoveObject(context.WithoutCancel(ctx), l.bucket, key, minio.RemoveObjectOptions{}) // it harms nobody
	}()
	if err := l.putOnce(ctx, key, []byte("second")); !errors.Is(err, lake.ErrExists) {
		return overwrites(err)
	}
	up, err := l.beginUpload(ctx, key)
	if err != nil {
		return err
	}
	if err := up.part(ctx, []byte("third")); err != nil {
		return errors.Join(err, up.abort(ctx))
	}
	if err := up.complete(ctx); !errors.Is(err, lake.ErrExists) {
		return errors.Join(overwrites(err), up.abort(ctx))
	}
	return up.abort(ctx)
}

func overwrites(err error) error {
	if err == nil {
		return ErrOverwrites
	}
	return err
}

// sweep ends uploads that no process can be at any more: one that was killed could not end its own.
func (l *Lake) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	for u := range l.core.ListIncompleteUploads(ctx, l.bucket, l.prefix, true) {
		if u.Err != nil {
			return classify(u.Err)
		}
		if time.Since(u.Initiated) < abandon {
			continue
		}
		if err := l.core.AbortMultipartUpload(ctx, l.bucket, u.Key, u.UploadID); err != nil {
			return classify(err)
		}
	}
	return nil
}

// classify gives errors the names of package lake. What the library says beside its code can name an object, so it ends here.
func classify(err error) error {
	if err == nil {
		return nil
	}
	r := minio.ToErrorResponse(err)
	named := func(as error) error { return fmt.Errorf("%w: %s", as, reason(&r, err)) }
	switch r.Code {
	case minio.NoSuchKey:
		return lake.ErrNotFound
	case minio.PreconditionFailed, "ConditionalRequestConflict":
		return lake.ErrExists
	case minio.InvalidRange:
		return lake.ErrRange
	case "QuotaExceeded", "InsufficientStorage", "XMinioStorageFull":
		return named(lake.ErrFull)
	case minio.NoSuchBucket, minio.AccessDenied, "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return named(ErrNoBucket)
	}
	switch {
	case r.StatusCode == http.StatusInsufficientStorage:
		return named(lake.ErrFull)
	case r.StatusCode == http.StatusPreconditionFailed:
		return lake.ErrExists
	case r.StatusCode == http.StatusNotFound:
		return lake.ErrNotFound
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case r.StatusCode >= 400 && r.StatusCode < 500 && r.StatusCode != http.StatusRequestTimeout && r.StatusCode != http.StatusTooManyRequests:
		return named(errRefused)
	}
	return named(lake.ErrUnavailable)
}

var errRefused = errors.New("bucket: server refused the request")

// reason is what may be logged of an error.
func reason(r *minio.ErrorResponse, err error) string {
	var op *net.OpError
	switch {
	case r.StatusCode != 0:
		return fmt.Sprintf("status %d, code %s", r.StatusCode, r.Code)
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	return "connection broke"
}
