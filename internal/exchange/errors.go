package exchange

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// refusal is an error with its answer. It names rules, not data.
type refusal struct {
	status int
	body   wire.Error
	after  time.Duration // when it may go; 0: not by itself
}

func (r *refusal) Error() string { return r.body.Text }

func refuse(status int, code, text, hint string) error {
	return &refusal{status: status, body: wire.Error{Text: text, Code: code, Hint: hint}}
}

func unauthenticated(text string) error {
	return refuse(http.StatusUnauthorized, wire.CodeUnauthenticated, text, "sign the request with the party's key")
}

func malformed(text string) error {
	return refuse(http.StatusBadRequest, wire.CodeMalformed, text, "see docs/spec/exchange-api.md")
}

func forbidden(text string) error {
	return refuse(http.StatusForbidden, wire.CodeForbidden, text, "only the party named by it can do this")
}

func notFound() error {
	return refuse(http.StatusNotFound, wire.CodeNotFound, "not there, or not for this party to see", "check the name, and the fingerprint of the caller")
}

func tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "request is larger than the exchange takes", "see docs/spec/exchange-api.md, section 8")
}

func tooMany(text string) error {
	return refuse(http.StatusTooManyRequests, wire.CodeTooMany, text, "do fewer things at once")
}

func badStatement(text string) error {
	return refuse(http.StatusUnprocessableEntity, wire.CodeStatement, text, "sign the statement with the cordon that is in use")
}

func badSignature(text string) error {
	return refuse(http.StatusUnprocessableEntity, wire.CodeSignature, text, "only the statement's own parties can sign it")
}

func unknownReference(what string) error {
	return refuse(http.StatusUnprocessableEntity, wire.CodeUnknownReference, what+" is not at this exchange, or is not what the statement says", "post what it names first")
}

// answerTo finds the answer to an error. Texts of errors that are not refusals
// stay here: they could name files of the exchange.
func answerTo(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	for _, m := range mapped() {
		if errors.Is(err, m.is) {
			errors.As(m.as, &r)
			return r
		}
	}
	return &refusal{status: http.StatusInternalServerError,
		body: wire.Error{Text: "exchange failed", Code: wire.CodeInternal, Hint: "ask the exchange's operator; its log says more"}}
}

type mapping struct{ is, as error }

func mapped() []mapping {
	conflict := func(code, text, hint string) error { return refuse(http.StatusConflict, code, text, hint) }
	full := refuse(http.StatusInsufficientStorage, wire.CodeStorageFull, "disk of the exchange is full; nothing was changed", "ask the exchange's operator for room, then try again")
	away := refuse(http.StatusServiceUnavailable, wire.CodeUnavailable, "exchange is stopping", "try again")
	noLake := refuse(http.StatusServiceUnavailable, wire.CodeUnavailable, "lake of the exchange does not answer", "try again")
	noLog := refuse(http.StatusServiceUnavailable, wire.CodeUnavailable, "log of the exchange does not go on", "try again; what was accepted is kept")
	return []mapping{
		{store.ErrNotFound, notFound()},
		{lake.ErrNotFound, notFound()},
		{store.ErrNameTaken, conflict(wire.CodeNameTaken, "another party has this name", "choose another name")},
		{store.ErrNameFixed, conflict(wire.CodeNameFixed, "this key is registered under another name", "use that name, or a new key")},
		{store.ErrOutdated, conflict(wire.CodeOutdated, "the exchange has a newer statement of this party", "sign a new one")},
		{store.ErrExists, conflict(wire.CodeAlreadySubmitted, "this job was already submitted", "sign a new job to ask again")},
		{store.ErrLeaseLost, conflict(wire.CodeLeaseLost, "the lease of this job has ended", "stop this attempt; claim again")},
		{store.ErrStale, conflict(wire.CodeStaleAttempt, "this attempt of the job is over", "wait for the next message of the job")},
		{store.ErrTooMany, tooMany("more than one party may have")},
		{store.ErrFull, full},
		{lake.ErrFull, full},
		{lake.ErrUnavailable, noLake},
		{store.ErrClosed, away},
		{store.ErrUnavailable, refuse(http.StatusServiceUnavailable, wire.CodeUnavailable, "database of the exchange does not answer", "try again; what was confirmed is kept")},
		{errSpoiled, noLog},
		{errStalled, noLog},
		{lake.ErrExists, conflict(wire.CodeObjectExists, "another object is there under this path", "publish it as a new version")},
		{lake.ErrRange, refuse(http.StatusRequestedRangeNotSatisfiable, wire.CodeRange, "object has no such bytes", "it may have been cut short; ask its owner")},
		{statement.ErrSignature, badSignature("statement is not signed by exactly the parties that it names")},
		{statement.ErrEnvelope, badStatement("envelope is malformed")},
		{statement.ErrNotStrict, badStatement("statement is not strictly encoded")},
		{statement.ErrType, badStatement("statement is of another type or version")},
		{statement.ErrInvalid, badStatement("a field of the statement is missing or out of range")},
		{statement.ErrBadID, badStatement("a field of the statement is not an identifier")},
		{context.Canceled, away},
		{context.DeadlineExceeded, away},
	}
}
