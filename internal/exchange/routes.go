package exchange

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

func (s *Server) routes() (http.Handler, error) {
	mux, rules := http.NewServeMux(), Rules()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /v1/exchange", s.exchange)
	mux.HandleFunc("POST /stripe/webhook", s.paymentEvent)
	for pattern, f := range map[string]func(*call) error{
		"POST /v1/statements":                    s.postStatement,
		"GET /v1/statements":                     s.listStatements,
		"GET /v1/statements/{digest}":            s.getStatement,
		"GET /v1/mailbox":                        s.getMailbox,
		"POST /v1/mailbox/ack":                   s.ackMailbox,
		"POST /v1/parties/{fingerprint}/notices": s.postNotice,
		"POST /v1/jobs":                          s.postJob,
		"GET /v1/jobs/{digest}":                  s.getJob,
		"GET /v1/jobs/{digest}/envelope":         s.getJobEnvelope,
		"POST /v1/claim":                         s.claim,
		"POST /v1/claim/recall":                  s.recall,
		"POST /v1/jobs/{digest}/lease":           s.renew,
		"POST /v1/jobs/{digest}/messages":        s.postMessages,
		"POST /v1/jobs/{digest}/replies":         s.postReply,
		"GET /v1/jobs/{digest}/replies":          s.getReplies,
		"POST /v1/jobs/{digest}/stage":           s.postStage,
		"PUT /v1/jobs/{digest}/artifacts/{name}": s.putArtifact,
		"GET /v1/jobs/{digest}/artifacts/{name}": s.getArtifact,
		"POST /v1/jobs/{digest}/finish":          s.finish,
		"POST /v1/credits/checkout":              s.postCheckout,
		"GET /v1/credits":                        s.getCredits,
		"GET /v1/credits/postings":               s.getPostings,
		"GET /v1/orders/{digest}":                s.getOrder,
		"PUT /v1/objects/{path...}":              s.putObject,
		"GET /v1/objects/{path...}":              s.getObject, // and HEAD
		"DELETE /v1/objects/{path...}":           s.deleteObject,
		"GET /v1/log":                            s.logged(s.getLog),
		"GET /v1/log/checkpoint":                 s.logged(s.getLogCheckpoint),
		"GET /v1/log/round":                      s.logged(s.getLogRound),
		"GET /v1/log/leaves":                     s.logged(s.getLogLeaves),
		"GET /v1/log/tile/{path...}":             s.logged(s.getLogTile),
		"GET /v1/log/proofs/{digest}":            s.logged(s.getLogProofs),
		"POST /v1/log/proofs":                    s.logged(s.postLogProofs),
		"POST /v1/log/commitments":               s.logged(s.postLogCommitment),
		"GET /v1/log/commitments":                s.logged(s.getLogCommitments),
		"POST /v1/log/cosignatures":              s.logged(s.postLogCosignature),
		"POST /v1/log/cosigned":                  s.logged(s.postLogCosigned),
	} {
		rule, ok := rules[pattern]
		if !ok || rule.Who == WhoAnyone {
			return nil, fmt.Errorf("exchange: no rule for %s", pattern)
		}
		mux.HandleFunc(pattern, s.signed(rule, f))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, refuse(http.StatusNotFound, wire.CodeNotFound, "no such call", "see docs/spec/exchange-api.md, section 4"))
	})
	return s.watched(s.bounded(mux)), nil
}

const maxURI = 4096

// bounded refuses requests whose path has more than one reading, before anything
// interprets it.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxURI || !plainPath(r.URL) {
			s.fail(w, r, malformed("path is malformed"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainPath reports whether a path is absolute, unescaped and without empty or dotted segments.
func plainPath(u *url.URL) bool {
	if u.RawPath != "" || u.Path != u.EscapedPath() || !strings.HasPrefix(u.Path, "/") {
		return false
	}
	for _, part := range strings.Split(u.Path[1:], "/") {
		if part == "" || part[0] == '.' {
			return false
		}
		for _, c := range part {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-._:", c) {
				return false
			}
		}
	}
	return true
}

// exchange tells who answers here; with the two questions for health it is what nobody signs.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	instance, _ := s.present.get()
	b, err := statement.Marshal(wire.Exchange{ID: s.store.ID(), Instance: instance, TimeMS: s.now().UnixMilli()})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	send(w, http.StatusOK, b)
}
