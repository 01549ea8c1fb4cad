package engine

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
)

// Options of an engine.
type Options struct {
	MemoryBytes int64       // required: DuckDB's own limit; the process needs one of the operating system as well
	Threads     int         // required
	Keys        seal.Memory // for noise keys. Default: the heap
}

func (o Options) valid() bool { return o.MemoryBytes > 0 && o.Threads > 0 }

// Source is the file that opened columns of one source of the plan are read from.
type Source struct {
	Index int    // into the plan's sources
	Path  string // /proc/self/fd/N, sealed against writing before Run
	// Required are columns that the offer says have no NULL. Run refuses a file whose own schema does not say so of those it has.
	Required []string
}

// Engine is one database for one job.
type Engine struct {
	connector *duckdb.Connector
	conn      driver.Conn
	state     state
	paths     []string                 // by source index
	required  [][]string               // by source index: columns without NULL
	job       work                     // once prepared
	prepared  *policy.Plan             // that it is of
	noise     map[string]*seal.DataKey // by offer: until Run ends
	keys      seal.Memory              // for them

	statements []driver.Stmt // prepared; closed with the connection
}

type state uint8

const (
	closed state = iota
	opened
	inspected
	bound
	prepared
	used
)

// New opens an empty database in memory. Settings that close doors are given to the open call itself, so that there is no
// moment without them; those that need an order follow in Bind.
func New(ctx context.Context, o Options) (*Engine, error) {
	if !o.valid() {
		return nil, Error{CodeSetup}
	}
	connector, err := duckdb.NewConnector(":memory:?"+settings(o).Encode(), nil)
	if err != nil {
		return nil, at(CodeSetup, err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, at(CodeSetup, joinClose(err, connector))
	}
	return &Engine{keys: o.Keys, connector: connector, conn: conn, state: opened}, nil
}

// Limit changes the options of an engine that was opened before they were known.
func (e *Engine) Limit(ctx context.Context, o Options) error {
	before := e.state
	if before != opened && before != inspected || !o.valid() {
		return Error{CodeSetup}
	}
	e.state = closed // until all of it is done
	if err := e.set(ctx, fmt.Sprintf("memory_limit='%dB'", o.MemoryBytes), "threads="+strconv.Itoa(o.Threads)); err != nil {
		return at(CodeSetup, err)
	}
	e.state = before
	return nil
}

// settings are in force from the first moment. temp_directory is empty: DuckDB has nowhere to spill clear text to.
func settings(o Options) url.Values {
	return url.Values{
		"temp_directory":               {""},
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
		"allow_community_extensions":   {"false"},
		"allow_persistent_secrets":     {"false"},
		"threads":                      {strconv.Itoa(o.Threads)},
		"memory_limit":                 {fmt.Sprintf("%dB", o.MemoryBytes)},
	}
}

// Inspect closes what can be closed before the files are known, and refuses a database in which something can take the
// place of what the plan's SQL names. It is the slow part of Bind, which does it itself where nobody has; between the two
// nothing is executed but Limit. It is cheapest with one thread: of several, one lists functions while the others look for
// work without a pause.
func (e *Engine) Inspect(ctx context.Context) error {
	if e.state != opened {
		return Error{CodeSetup}
	}
	e.state = closed // until all of it is done
	err := e.set(ctx,
		"temp_directory=''",
		"allowed_directories=[]",
		"disabled_optimizers='statistics_propagation'",
	)
	if err != nil {
		return at(CodeSetup, err)
	}
	if err := e.assertEmpty(ctx); err != nil {
		return at(CodeSetup, err)
	}
	e.state = inspected
	return nil
}

// Bind names the files that may be read, closes everything else, and locks. The files need not have contents yet.
func (e *Engine) Bind(ctx context.Context, sources []Source) error {
	if e.state == opened {
		if err := e.Inspect(ctx); err != nil {
			return err
		}
	}
	if e.state != inspected {
		return Error{CodeSetup}
	}
	e.state = closed // until all of it is done
	paths, err := pathsOf(sources)
	if err != nil {
		return err
	}
	if err := e.harden(ctx, paths); err != nil {
		return at(CodeSetup, err)
	}
	e.required = make([][]string, len(paths))
	for _, s := range sources {
		e.required[s.Index] = slices.Clone(s.Required)
	}
	e.paths, e.state = paths, bound
	return nil
}

// harden ends what Inspect began. The order matters: allowed_paths can't be set once external access is off, temp_directory
// neither, nothing once the configuration is locked. Statistics are what an owner wrote into its file, so nothing may be
// answered or left unchecked because of them: Inspect turns off what would.
func (e *Engine) harden(ctx context.Context, paths []string) error {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = "'" + p + "'"
	}
	return e.set(ctx,
		"allowed_paths=["+strings.Join(quoted, ",")+"]",
		"enable_external_access=false",
		"enable_external_file_cache=false",
		"lock_configuration=true",
	)
}

// set changes settings one after the other, in one call.
func (e *Engine) set(ctx context.Context, all ...string) error {
	return e.exec(ctx, "SET "+strings.Join(all, "; SET "))
}

// pathsOf orders the sources by index and refuses any path but a descriptor of this process.
func pathsOf(sources []Source) ([]string, error) {
	if len(sources) == 0 {
		return nil, Error{CodePlan}
	}
	paths := make([]string, len(sources))
	for _, s := range sources {
		if s.Index < 0 || s.Index >= len(paths) || paths[s.Index] != "" || !isDescriptor(s.Path) || slices.Contains(paths, s.Path) {
			return nil, Error{CodePlan}
		}
		paths[s.Index] = s.Path
	}
	return paths, nil
}

func isDescriptor(path string) bool {
	digits, ok := strings.CutPrefix(path, "/proc/self/fd/")
	n, err := strconv.ParseUint(digits, 10, 31)
	return ok && err == nil && strconv.FormatUint(n, 10) == digits
}

// Disconnect ends all that reads rows, or holds what was read of them: noise keys, statements, and the one connection, with what its
// queries had in memory. Nothing can be executed any more. What is left is a catalog of functions, and tables of released cells. Doing
// it twice is harmless.
func (e *Engine) Disconnect() error {
	e.forgetNoise()
	if e.conn == nil {
		return nil
	}
	for _, s := range e.statements {
		_ = s.Close()
	}
	err := e.conn.Close()
	e.statements, e.conn, e.state = nil, nil, closed
	return at(CodeRun, err)
}

// Close disconnects and ends the database. Taking its catalog apart is most of the work; the process ends soon after. Closing twice is
// harmless.
func (e *Engine) Close() error {
	err := e.Disconnect()
	if e.connector == nil {
		return err
	}
	ended := at(CodeRun, e.connector.Close())
	e.connector = nil
	return errors.Join(err, ended)
}

func joinClose(err error, c *duckdb.Connector) error {
	if closeErr := c.Close(); err == nil {
		return closeErr
	}
	return err
}
