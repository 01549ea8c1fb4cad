package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// undone reports whether a transaction ended because of others, and can run again.
func undone(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "40001", // serialization_failure
		"40P01": // deadlock_detected
		return true
	}
	return false
}

// classify gives PostgreSQL's errors the names of package store.
func classify(err error) error {
	var e *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case err == nil || errors.Is(err, store.ErrUnavailable):
		return err
	case errors.As(err, &e):
		if as := named(e.Code); as != nil {
			return fmt.Errorf("%w: %w", as, err)
		}
	case errors.As(err, &connect), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// named returns the error of package store for a code of PostgreSQL's, or nil.
func named(code string) error {
	switch code {
	case "53100": // disk_full
		return store.ErrFull
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return store.ErrDamaged
	case "25006", // read_only_sql_transaction: a standby answers
		"55P03",                            // lock_not_available
		"57014",                            // query_canceled: statement_timeout
		"57P01", "57P02", "57P03", "57P05", // the server stops, crashed, starts; a session was idle
		"25P03": // idle_in_transaction_session_timeout
		return store.ErrUnavailable
	}
	switch code[:min(2, len(code))] {
	case "08", "53": // connection_exception, insufficient_resources
		return store.ErrUnavailable
	}
	return nil
}
