package collateral

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// ErrService says that a vendor's service, or a mirror, did not give what it should.
var ErrService = errors.New("collateral: the service did not give it")

// Addresses of the vendors' services.
const (
	IntelService = "https://api.trustedservices.intel.com"
	IntelRootCRL = "https://certificates.trustedservices.intel.com"
	AMDService   = "https://kdsintf.amd.com"
)

// Limits of an answer.
const (
	maxBody   = 512 << 10
	maxHeader = 64 << 10
	waitTime  = 20 * time.Second
)

// Fetcher gets collateral from vendors' services into a cache. Nothing that it gets is believed.
type Fetcher struct {
	Cache   *Cache    // required
	At      time.Time // required: what comes must be current then
	BaseURL string    // of a mirror that answers for all services; default the vendors' own
	client  *http.Client
}

// NewFetcher checks the options. It does not dial yet.
func NewFetcher(c *Cache, baseURL string, at time.Time) (*Fetcher, error) {
	if baseURL != "" {
		u, err := url.Parse(baseURL)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, fmt.Errorf("%w: not the address of a service", ErrService)
		}
	}
	return &Fetcher{Cache: c, At: at, BaseURL: strings.TrimRight(baseURL, "/"), client: &http.Client{
		Timeout: waitTime,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxResponseHeaderBytes: maxHeader,
			TLSHandshakeTimeout: waitTime, ResponseHeaderTimeout: waitTime,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") },
	}}, nil
}

// Close lets go of connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// get fetches one document, and the certificates that a header brings with it.
func (f *Fetcher) get(ctx context.Context, service, path, chainHeader string) (body []byte, chain string, err error) {
	if f.BaseURL != "" {
		service = f.BaseURL
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, service+path, nil)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrService, err)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrService, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%w: %s: status %d", ErrService, req.URL.Path, resp.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("%w: %s: %w", ErrService, req.URL.Path, err)
	case len(body) > maxBody:
		return nil, "", fmt.Errorf("%w: %s: more than %d bytes", ErrService, req.URL.Path, maxBody)
	case chainHeader == "":
		return body, "", nil
	}
	chain, err = url.PathUnescape(resp.Header.Get(chainHeader))
	if err != nil || chain == "" {
		return nil, "", fmt.Errorf("%w: %s: header %s is missing or malformed", ErrService, req.URL.Path, chainHeader)
	}
	return body, chain, nil
}

// Intel fetches all collateral for a machine (Intel, SGX and TDX Provisioning Certification Service API, version 4).
func (f *Fetcher) Intel(ctx context.Context, m Machine) (*Item, error) {
	if !m.Valid() {
		return nil, ErrNone
	}
	c := new(dcap.Collateral)
	for _, part := range []func(context.Context, Machine, *dcap.Collateral) error{f.tcbInfo, f.qeIdentity, f.lists} {
		if err := part(ctx, m, c); err != nil {
			return nil, err
		}
	}
	src, err := c.Marshal()
	if err != nil {
		return nil, err
	}
	return f.putAs(src, m.file())
}

// putAs keeps what came only if it is what was asked for.
func (f *Fetcher) putAs(src []byte, name string) (*Item, error) {
	i, err := f.Cache.read(src, f.At)
	if err != nil {
		return nil, err
	}
	if i.File != name {
		return nil, fmt.Errorf("%w: %s", ErrOther, i.Of)
	}
	return f.Cache.Put(src, f.At)
}

func (f *Fetcher) tcbInfo(ctx context.Context, m Machine, c *dcap.Collateral) error {
	body, chain, err := f.get(ctx, IntelService, "/"+strings.ToLower(m.TEE)+"/certification/v4/tcb?fmspc="+m.FMSPC, "TCB-Info-Issuer-Chain")
	if err != nil {
		return err
	}
	c.TCBInfoIssuerChain = chain
	c.TCBInfo, c.TCBInfoSignature, err = signedBody(body, "tcbInfo")
	return err
}

func (f *Fetcher) qeIdentity(ctx context.Context, m Machine, c *dcap.Collateral) error {
	body, chain, err := f.get(ctx, IntelService, "/"+strings.ToLower(m.TEE)+"/certification/v4/qe/identity", "SGX-Enclave-Identity-Issuer-Chain")
	if err != nil {
		return err
	}
	c.QEIdentityIssuerChain = chain
	c.QEIdentity, c.QEIdentitySignature, err = signedBody(body, "enclaveIdentity")
	return err
}

func (f *Fetcher) lists(ctx context.Context, m Machine, c *dcap.Collateral) (err error) {
	if c.PCKCRL, c.PCKCRLIssuerChain, err = f.get(ctx, IntelService, "/sgx/certification/v4/pckcrl?ca="+m.CA+"&encoding=der", "SGX-PCK-CRL-Issuer-Chain"); err != nil {
		return err
	}
	c.RootCACRL, _, err = f.get(ctx, IntelRootCRL, "/IntelSGXRootCA.der", "")
	return err
}

// signedBody takes a document out of its answer, byte for byte as it is signed.
func signedBody(body []byte, name string) (document string, sig []byte, err error) {
	var o map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&o); err != nil {
		return "", nil, fmt.Errorf("%w: answer with %s", stage.Parse, name)
	}
	var text string
	if len(o) != 2 || json.Unmarshal(o["signature"], &text) != nil || len(o[name]) == 0 {
		return "", nil, fmt.Errorf("%w: answer is not %s and its signature", stage.Parse, name)
	}
	if sig, err = hex.DecodeString(text); err != nil {
		return "", nil, fmt.Errorf("%w: signature of %s", stage.Parse, name)
	}
	return string(o[name]), sig, nil
}

// AMD fetches the key of the chip that a report is of, and the revocation list of its line (AMD 57230). The line must be given where the
// report does not say it (version 2). The certificates above the key are pinned, and not fetched.
func (f *Fetcher) AMD(ctx context.Context, report []byte, line string) ([]*Item, error) {
	r, err := snp.Parse(report)
	if err != nil {
		return nil, err
	}
	if r.Line != "" && line != "" && r.Line != line {
		return nil, fmt.Errorf("%w: the report is of a processor of line %s", ErrOther, r.Line)
	}
	if line == "" {
		line = r.Line
	}
	if line != snp.Milan && line != snp.Genoa && line != snp.Turin {
		return nil, fmt.Errorf("%w: the report does not say of which line its processor is", ErrNone)
	}
	query, err := r.Query(line)
	if err != nil {
		return nil, err
	}
	key, _, err := f.get(ctx, AMDService, query, "")
	if err != nil {
		return nil, err
	}
	k, err := f.putAs(key, ChipOf(r, line).file())
	if err != nil {
		return nil, err
	}
	list, _, err := f.get(ctx, AMDService, "/vcek/v1/"+line+"/crl", "")
	if err != nil {
		return nil, err
	}
	l, err := f.putAs(list, crlFile(line))
	return []*Item{k, l}, err
}

// ChipOf reads which chip a report says it is of. It proves nothing.
func ChipOf(r *snp.Report, line string) Chip {
	id := r.ChipID.String()
	if line == snp.Turin && len(id) > 16 {
		id = id[:16]
	}
	return Chip{Line: line, ID: id, TCB: r.ReportedTCB}
}
