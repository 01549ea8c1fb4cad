package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// writer runs all writes, one after the other, in one goroutine. What arrives
// while it commits shares the next transaction, and so its fsync.
type writer struct {
	tx   *tx
	ops  chan op
	quit chan struct{} // closed: take no more
	done chan struct{} // closed: all that was taken is written
	full bool          // PRAGMA synchronous as it is set now
}

type op struct {
	durable bool
	run     func(*tx) error
	result  chan error
}

// batch is how many writes share a transaction at most.
const batch = 256

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		// Writes are never cut short: an interrupted statement would undo its neighbours.
		tx:   &tx{conn: conn, ctx: context.WithoutCancel(ctx), prepared: map[string]*sql.Stmt{}},
		ops:  make(chan op, batch),
		quit: make(chan struct{}),
		done: make(chan struct{}),
		full: true,
	}
	go w.loop()
	return w, nil
}

// do runs f in a transaction and returns when it is committed. A caller that
// leaves before does not learn the outcome.
func (w *writer) do(ctx context.Context, durable bool, f func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := op{durable: durable, run: f, result: make(chan error, 1)}
	select {
	case w.ops <- o:
	case <-w.quit:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.result:
		return err
	case <-w.done:
		return w.afterDone(o)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// afterDone tells an operation that the loop took from one that it left behind.
func (w *writer) afterDone(o op) error {
	select {
	case err := <-o.result:
		return err
	default:
		return store.ErrClosed
	}
}

func (w *writer) close() error {
	close(w.quit)
	<-w.done
	return w.tx.close()
}

func (w *writer) loop() {
	defer close(w.done)
	for {
		select {
		case o := <-w.ops:
			w.commit(w.gather(o))
		case <-w.quit:
			if rest := w.pending(nil); len(rest) > 0 {
				w.commit(rest)
				continue
			}
			return
		}
	}
}

func (w *writer) gather(first op) []op { return w.pending([]op{first}) }

func (w *writer) pending(ops []op) []op {
	for len(ops) < batch {
		select {
		case o := <-w.ops:
			ops = append(ops, o)
		default:
			return ops
		}
	}
	return ops
}

// commit runs ops in one transaction. One that fails is undone alone; if the
// disk or the commit fails, all are.
func (w *writer) commit(ops []op) {
	results := make([]error, len(ops))
	if err := w.try(ops, results); err != nil {
		err = classify(err)
		for i := range results {
			results[i] = err
		}
	}
	for _, f := range w.tx.after {
		f()
	}
	w.tx.after = nil
	for i, o := range ops {
		o.result <- results[i]
	}
}

func (w *writer) try(ops []op, results []error) error {
	if err := w.sync(ops); err != nil {
		return err
	}
	if err := w.tx.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if len(ops) == 1 {
		return w.alone(ops[0], results)
	}
	for i, o := range ops {
		err := w.tx.savepoint(o.run)
		if spoils(err) {
			w.tx.rollback()
			return err
		}
		results[i] = err
	}
	if err := w.tx.exec("COMMIT"); err != nil {
		w.tx.rollback()
		return err
	}
	return nil
}

// alone ends the transaction of a single write, which is its own savepoint.
func (w *writer) alone(o op, results []error) error {
	err := o.run(w.tx)
	if err != nil {
		w.tx.rollback()
		if spoils(err) {
			return err
		}
		results[0] = err
		return nil
	}
	if err := w.tx.exec("COMMIT"); err != nil {
		w.tx.rollback()
		return err
	}
	return nil
}

// sync asks for an fsync at the commit if one of ops must be durable. In
// write-ahead mode it covers everything that was committed before, too.
func (w *writer) sync(ops []op) error {
	full := false
	for _, o := range ops {
		full = full || o.durable
	}
	if full == w.full {
		return nil
	}
	q := "PRAGMA synchronous = NORMAL"
	if full {
		q = "PRAGMA synchronous = FULL"
	}
	if err := w.tx.exec(q); err != nil {
		return err
	}
	w.full = full
	return nil
}

// tx is the writing connection, inside a transaction.
type tx struct {
	conn     *sql.Conn
	ctx      context.Context // of the store's life, without an end
	prepared map[string]*sql.Stmt
	after    []func() // run once the transaction has ended, before callers learn how
}

func (t *tx) stmt(q string) (*sql.Stmt, error) {
	if st := t.prepared[q]; st != nil {
		return st, nil
	}
	st, err := t.conn.PrepareContext(t.ctx, q)
	if err == nil {
		t.prepared[q] = st
	}
	return st, err
}

func (t *tx) exec(q string, args ...any) error {
	_, err := t.Changed(q, args...)
	return err
}

// Changed is exec, and tells how many rows there were to change.
func (t *tx) Changed(q string, args ...any) (int64, error) {
	st, err := t.stmt(q)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// One reads one row, or ErrNotFound.
func (t *tx) One(q string, args []any, into ...any) error {
	st, err := t.stmt(q)
	if err != nil {
		return err
	}
	err = st.QueryRowContext(t.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// savepoint runs f and undoes what it wrote if it fails.
func (t *tx) savepoint(f func(*tx) error) error {
	if err := t.exec("SAVEPOINT op"); err != nil {
		return err
	}
	err := f(t)
	if spoils(err) {
		return err // the whole transaction goes
	}
	if err != nil {
		if undo := t.exec("ROLLBACK TO op"); undo != nil {
			return undo
		}
	}
	if release := t.exec("RELEASE op"); release != nil {
		return release
	}
	return err
}

// rollback ends a transaction that failed. SQLite may have done so itself; then
// there is nothing left to undo, and the error says only that.
func (t *tx) rollback() { _ = t.exec("ROLLBACK") }

func (t *tx) close() error {
	var errs []error
	for _, st := range t.prepared {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}
