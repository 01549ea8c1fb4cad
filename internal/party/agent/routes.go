package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/statement"
)

// maxCall bounds the body of one call, in bytes.
const maxCall = 4 << 20

func (a *Agent) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+api.PathStatus, handler(a.status))
	mux.Handle("POST "+api.PathPublish, streamer(a.publishFile))
	mux.Handle("POST "+api.PathDatasets, handler(a.datasets))
	mux.Handle("POST "+api.PathCatalogSearch, handler(a.searchCatalog))
	mux.Handle("POST "+api.PathCatalogShow, handler(a.showListing))
	mux.Handle("POST "+api.PathRekey, streamer(a.rekey))
	mux.Handle("POST "+api.PathRetire, handler(a.retire))
	mux.Handle("POST "+api.PathPoolPropose, handler(a.proposePool))
	mux.Handle("POST "+api.PathPoolSign, handler(a.signPool))
	mux.Handle("POST "+api.PathPools, handler(a.pools))
	mux.Handle("POST "+api.PathContractPropose, handler(a.propose))
	mux.Handle("POST "+api.PathContractGrant, handler(a.grant))
	mux.Handle("POST "+api.PathContractRevoke, handler(a.revoke))
	mux.Handle("POST "+api.PathContractCounter, handler(a.counter))
	mux.Handle("POST "+api.PathContractReject, handler(a.reject))
	mux.Handle("POST "+api.PathWaiting, handler(a.waiting))
	mux.Handle("POST "+api.PathContracts, handler(a.contracts))
	mux.Handle("POST "+api.PathExplain, handler(a.explain))
	mux.Handle("POST "+api.PathRun, streamer(a.run))
	mux.Handle("POST "+api.PathJob, handler(a.jobStatus))
	mux.Handle("POST "+api.PathResult, handler(a.openResult))
	mux.Handle("POST "+api.PathReceipt, handler(a.receipt))
	mux.Handle("POST "+api.PathLedger, handler(a.showLedger))
	mux.Handle("POST "+api.PathBudget, handler(a.showBudgets))
	mux.Handle("POST "+api.PathApprovals, handler(a.approvals))
	mux.Handle("POST "+api.PathApprove, handler(a.approve))
	mux.Handle("POST "+api.PathOfficers, handler(a.showOfficers))
	mux.Handle("POST "+api.PathOfficersSet, handler(a.setOfficers))
	mux.Handle("POST "+api.PathKeys, handler(a.showKeys))
	mux.Handle("POST "+api.PathKeyDestroy, handler(a.destroyKeys))
	mux.Handle("POST "+api.PathOrderPlace, handler(a.placeOrders))
	mux.Handle("POST "+api.PathOrders, handler(a.orders))
	mux.Handle("POST "+api.PathOrderCancel, handler(a.cancelOrder))
	mux.Handle("POST "+api.PathOrderRefund, handler(a.refundOrder))
	mux.Handle("POST "+api.PathOrderSettle, handler(a.settleOrder))
	mux.Handle("POST "+api.PathOrderRule, handler(a.orderRule))
	mux.Handle("POST "+api.PathOrderReceived, handler(a.orderReceived))
	mux.Handle("POST "+api.PathReconcile, handler(a.reconcile))
	mux.Handle("POST "+api.PathCreditsBuy, handler(a.buyCredits))
	mux.Handle("POST "+api.PathCredits, handler(a.credits))
	mux.Handle("POST "+api.PathFreeze, handler(a.freeze))
	a.ruleRoutes(mux)
	mux.Handle("POST "+api.PathLog, handler(a.verifyLog))
	mux.Handle("POST "+api.PathLogged, handler(a.loggedReceipt))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, fault.New(fault.Usage, "the agent has no such call", "command line and agent must be of one version", nil))
	})
	return mux
}

// decode reads a call strictly.
func decode[In any](r *http.Request) (*In, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxCall+1))
	if err != nil {
		return nil, err
	}
	return decodeCall[In](b)
}

func decodeCall[In any](b []byte) (*In, error) {
	in := new(In)
	if len(b) > maxCall {
		return nil, fault.New(fault.Usage, "the call is too large", "a policy or a query of this size can't be used", nil)
	}
	if err := statement.Unmarshal(b, in); err != nil {
		return nil, fault.New(fault.Usage, "the call is malformed", "command line and agent must be of one version", err)
	}
	return in, nil
}

// guarded turns a bug of ours into an error of one call.
func guarded[Out any](f func() (*Out, error)) (out *Out, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fault.New(fault.Internal, fmt.Sprintf("the agent has a bug (%T)", r), "report it with the agent's log", nil)
		}
	}()
	return f()
}

func handler[In, Out any](f func(context.Context, *In) (*Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[In](r)
		if err != nil {
			writeError(w, err)
			return
		}
		out, err := guarded(func() (*Out, error) { return f(r.Context(), in) })
		if err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(out) // a client that went away needs no answer
	})
}

// streamer serves a call that tells its progress: one JSON object a line, the last is result or error.
func streamer[In, Out any](f func(context.Context, *In, func(api.Progress)) (*Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[In](r)
		if err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		s := &lines{w: w, flush: http.NewResponseController(w).Flush}
		out, err := guarded(func() (*Out, error) {
			return f(r.Context(), in, func(p api.Progress) { s.write(api.Line{Progress: &p}) })
		})
		if err != nil {
			e := errorOf(err)
			s.write(api.Line{Error: &e})
			return
		}
		b, err := statement.Marshal(out)
		if err != nil {
			e := errorOf(err)
			s.write(api.Line{Error: &e})
			return
		}
		s.write(api.Line{Result: b})
	})
}

type lines struct {
	mu    sync.Mutex
	w     io.Writer
	flush func() error
}

func (s *lines) write(l api.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := statement.Marshal(l)
	if err != nil {
		return
	}
	_, _ = s.w.Write(append(b, '\n')) // a client that went away needs no progress
	_ = s.flush()
}

func errorOf(err error) api.Error {
	if errors.Is(err, context.Canceled) {
		err = fault.New(fault.Unavailable, "the call was interrupted", "run it again", nil)
	}
	out := api.Error{Text: err.Error(), Hint: fault.Hint(err), Exit: fault.ExitCode(err)}
	if w := new(officers.Waiting); errors.As(err, &w) {
		out.Request = w.Request
	}
	return out
}

func writeError(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(errorOf(err))
}
