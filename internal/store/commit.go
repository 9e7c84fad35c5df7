package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// maxCached bounds the heads, and the pairs, that the writer remembers.
const maxCached = 1 << 16

// A writer is the one connection that changes the database. Store.mu guards it.
type writer struct {
	conn    *sql.Conn
	changes [changes]driver.StmtExecContext
	values  []driver.NamedValue      // of the change under way
	stmts   [writerQueries]*sql.Stmt // from changes on

	// What is committed, as far as it was needed. A transaction works on an
	// overlay that is laid over it only after COMMIT.
	heads map[parley.ConversationID]head
	pairs map[pair]parley.ConversationID

	sum    checksum
	broken error // the first error that wrapped hub.ErrBroken; no commit after it
}

// prepareChanges prepares the changes on the driver's connection.
func (w *writer) prepareChanges(conn any) error {
	for q := range changes {
		stmt, err := conn.(driver.Conn).Prepare(sqliteQueries[q])
		if err != nil {
			return err
		}
		w.changes[q] = stmt.(driver.StmtExecContext)
	}
	return nil
}

// close closes the connection, statements first: SQLite keeps a connection
// until its last statement is gone.
func (w *writer) close() error {
	var errs []error
	for _, stmt := range w.stmts {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	errs = append(errs, w.conn.Raw(func(any) (err error) {
		for _, change := range w.changes {
			if change != nil {
				err = errors.Join(err, change.(driver.Stmt).Close())
			}
		}
		return err
	}))
	return errors.Join(append(errs, w.conn.Close())...)
}

// A head is the end of a conversation.
type head struct {
	seq, time int64
	room      bool
}

// A pair is two accounts, low ≤ high.
type pair struct{ low, high parley.UserID }

func pairOf(a, b parley.UserID) pair { return pair{min(a, b), max(a, b)} }

// Commit runs write in one transaction. A context that is already done is
// refused before anything happens; after that it is not looked at, so that a
// cancelled context never leaves doubt about what was kept. Commit therefore
// takes as long as the disk does.
func (s *Store) Commit(ctx context.Context, write func(hub.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errClosed
	case s.w.broken != nil:
		return s.w.broken
	case ctx.Err() != nil:
		return ctx.Err()
	}
	t := &tx{
		s: s, w: s.w, ctx: context.WithoutCancel(ctx),
		heads: make(map[parley.ConversationID]head),
		pairs: make(map[pair]parley.ConversationID),
		gone:  make(map[parley.ConversationID]bool),
	}
	if err := t.run(write); err != nil {
		if errors.Is(t.fault, hub.ErrBroken) {
			s.breaks(t.fault)
		}
		return err
	}
	s.committed(t.appended)
	return nil
}

// run begins, writes, and commits or rolls back, even when write panics.
func (t *tx) run(write func(hub.Tx) error) error {
	if _, err := t.exec("begin", begin); err != nil {
		return t.fault
	}
	kept := false
	defer func() {
		t.over = true
		if !kept {
			t.rollback()
		}
	}()
	err := write(t)
	if t.fault != nil && !errors.Is(err, t.fault) {
		return t.fault // although write went on
	}
	if err != nil {
		return err
	}
	if err := t.finish(); err != nil {
		return err
	}
	kept = true
	t.w.learn(t)
	return nil
}

// finish writes what is written once per transaction, and commits it.
func (t *tx) finish() error {
	for id, h := range t.heads {
		if _, err := t.exec("number messages", updateHead, h.seq, h.time, int64(id)); err != nil {
			return err
		}
	}
	if err := t.forgetClientIDs(); err != nil {
		return err
	}
	_, err := t.exec("commit", commit)
	return err
}

// rollback makes the connection ready for the next transaction. SQLite may have
// rolled back on its own, and then says that there is no transaction.
func (t *tx) rollback() {
	_, err := t.w.exec(t.ctx, rollback)
	if err != nil && meaningOf(resultCode(err)) != nil {
		t.s.log.Error("a transaction could not be rolled back", "err", err)
	}
	if t.fault != nil {
		// Whatever went wrong, the next transaction reads anew.
		clear(t.w.heads)
		clear(t.w.pairs)
	}
}

// learn takes over what a committed transaction knows.
func (w *writer) learn(t *tx) {
	for id, h := range t.heads {
		remember(w.heads, id, h)
	}
	for p, id := range t.pairs {
		remember(w.pairs, p, id)
	}
	for id := range t.gone {
		delete(w.heads, id)
	}
}

// remember puts a committed value into one of the writer's bounded memories.
// One that is full begins anew: its values are one query away.
func remember[K comparable, V any](memory map[K]V, key K, value V) {
	if len(memory) >= maxCached {
		clear(memory)
	}
	memory[key] = value
}

// exec runs a statement of the writer. Its error is a fault that ends the
// transaction.
func (t *tx) exec(doing string, q query, values ...driver.Value) (driver.Result, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	result, err := t.w.exec(t.ctx, q, values...)
	if err != nil {
		return nil, t.fail(doing, err)
	}
	return result, nil
}

// exec runs a change. It goes around package sql, which for each one looks for
// its connection, takes three locks and converts the values: this connection is
// the writer's alone, and the values are int64 and string.
func (w *writer) exec(ctx context.Context, q query, values ...driver.Value) (result driver.Result, err error) {
	w.values = w.values[:0]
	for i, value := range values {
		w.values = append(w.values, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	err = w.conn.Raw(func(any) (err error) {
		result, err = w.changes[q].ExecContext(ctx, w.values)
		return err
	})
	clear(w.values) // or they would be held until the next one
	return result, err
}

// one runs a query of the writer for at most one row and tells whether there
// was one. A damaged row is refused, and costs nobody else the transaction.
func (t *tx) one(doing string, q query, scan func(scanner) error, values ...any) (found bool, err error) {
	if err := t.usable(); err != nil {
		return false, err
	}
	err = scan(t.w.stmts[q].QueryRowContext(t.ctx, values...))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case errors.Is(err, ErrDamaged):
		return false, t.damaged(err)
	case err != nil:
		return false, t.fail(doing, err)
	}
	return true, nil
}

// exists tells whether a query of the writer finds a row with a number.
func (t *tx) exists(doing string, q query, values ...any) (bool, error) {
	var id int64
	return t.one(doing, q, into(&id), values...)
}

// into scans a row into variables.
func into(variables ...any) func(scanner) error {
	return func(row scanner) error { return row.Scan(variables...) }
}

// damaged refuses what would need a row that is damaged or missing.
func (t *tx) damaged(err error) error {
	t.s.logDamage(err)
	return parley.ErrUnhandled
}

// fail ends the transaction with a fault.
func (t *tx) fail(doing string, err error) error {
	t.fault = fault(doing, err)
	return t.fault
}

// usable says why a transaction cannot go on.
func (t *tx) usable() error {
	if t.over {
		return errors.New("a transaction was used after its end")
	}
	return t.fault
}
