package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Progress of a publication, for people.
type Progress struct {
	Stage string // infer, read, seal, upload, offer
	Rows  int64  // read so far
	Bytes int64  // of the stage, so far
	Total int64  // bytes of the stage, where known
	Note  string // what the owner should know, else empty
}

// Table is what was read, checked and converted. It is in memory only: clear text never touches a disk.
type Table struct {
	Policy  *policy.Policy
	Terms   *statement.Terms // nil: none
	Schema  []policy.Column
	Rows    int64
	Parquet []byte   // of Read alone: a plain file
	Clamped []string // under output: dp: of which columns how many values lie outside the clamp

	contents dataset.Contents
}

// Wipe overwrites the clear bytes.
func (t *Table) Wipe() { clear(t.Parquet) }

const (
	rowGroup     = 122880    // rows: what DuckDB scans in one piece
	rowGroupSize = 256 << 20 // bytes of the source after which a row group ends early
	progressRows = 1 << 15
)

// Read reads, checks and converts the file into a plain Parquet file in memory. Every value is refused that the
// policy does not allow; the error tells its place, never the value. Under
// output: dp values outside the clamp are counted and stay: the enclave moves
// them to its bounds, and a refusal there would tell that they are there.
func Read(ctx context.Context, r Request, tell func(Progress)) (*Table, error) {
	s, err := newScan(ctx, r, tell)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	t, err := s.plain(ctx, &out, tell)
	if err != nil {
		return nil, err
	}
	t.Parquet = out.Bytes()
	return t, nil
}

// WritePlain reads and checks the file as Read does, and writes the plain Parquet file. What was written before an error has no
// footer.
func WritePlain(ctx context.Context, r Request, w io.Writer, tell func(Progress)) (*Table, error) {
	s, err := newScan(ctx, r, tell)
	if err != nil {
		return nil, err
	}
	return s.plain(ctx, w, tell)
}

// WritePlainUnchecked is WritePlain without what a policy asks for: no value is compared with its rules, and contents are not
// digested. It can't seal. The bench compares with it.
func WritePlainUnchecked(ctx context.Context, r Request, w io.Writer, tell func(Progress)) (*Table, error) {
	s, err := newScan(ctx, r, tell)
	if err != nil {
		return nil, err
	}
	for i := range s.cols {
		s.cols[i].measure, s.cols[i].domain, s.cols[i].unique = nil, nil, false
	}
	s.unchecked = true
	return s.plain(ctx, w, tell)
}

func (s *scan) plain(ctx context.Context, w io.Writer, tell func(Progress)) (*Table, error) {
	file, err := rowgroup.NewFile(w, s.stored())
	if err != nil {
		return nil, err
	}
	t, err := s.run(ctx, file.Append, tell)
	if err != nil {
		return nil, err
	}
	return t, file.Close()
}

// scan is a table that is about to be read: its columns and their rules are known.
type scan struct {
	request Request
	policy  *policy.Policy
	terms   *statement.Terms
	cols    []column
	sel     *selection

	unchecked bool // of WritePlainUnchecked alone
}

// newScan looks at the file, at all of it if types must be inferred.
func newScan(ctx context.Context, r Request, tell func(Progress)) (*scan, error) {
	if err := r.valid(); err != nil {
		return nil, err
	}
	p, err := parsePolicy(&r)
	if err != nil {
		return nil, err
	}
	cols, sel, err := decideColumns(ctx, &r, p, tell)
	if err != nil {
		return nil, err
	}
	if err := p.Validate(schemaOf(cols)); err != nil {
		return nil, policyFault(err)
	}
	terms, err := r.termsUnder(p, schemaOf(cols))
	if err != nil {
		return nil, err
	}
	return &scan{request: r, policy: p, terms: terms, cols: cols, sel: sel}, nil
}

// names are the published columns', in order.
func (s *scan) names() (out []string) {
	for i := range s.cols {
		out = append(out, s.cols[i].Name)
	}
	return out
}

// stored is how the columns lie in row groups.
func (s *scan) stored() (out []rowgroup.Column) {
	for i := range s.cols {
		out = append(out, s.cols[i].stored())
	}
	return out
}

// run reads and checks all rows. Each row group goes to out, in order, encoded; it is out's until out returns. Where out is nil
// nothing is encoded.
func (s *scan) run(ctx context.Context, out func(*rowgroup.Group) error, tell func(Progress)) (*Table, error) {
	src, err := s.request.open()
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if st, err := os.Stat(s.request.Path); err == nil {
		tell = withTotal(tell, st.Size())
	}
	p, err := newPipeline(s, src, out, tell)
	if err != nil {
		return nil, err
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	if p.rows == 0 {
		return nil, input("no row is left to publish", "check the file and --where-equals")
	}
	return &Table{Policy: s.policy, Terms: s.terms, Schema: schemaOf(s.cols), Rows: p.rows, Clamped: p.clampedNotes(), contents: p.contents.digest()}, nil
}

func withTotal(tell func(Progress), total int64) func(Progress) {
	return func(p Progress) {
		p.Total = total
		tell(p)
	}
}

// decideColumns opens the file once to learn its columns, and reads all of it if types must be inferred.
func decideColumns(ctx context.Context, r *Request, p *policy.Policy, tell func(Progress)) ([]column, *selection, error) {
	src, err := r.open()
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	sel, err := selectColumns(r, src.Fields())
	if err != nil {
		return nil, nil, err
	}
	types := make([]policy.Type, len(src.Fields()))
	for i, f := range src.Fields() {
		types[i] = f.Type
	}
	if missing := undecided(r, p, sel, types); len(missing) > 0 {
		if err := infer(ctx, src, sel, missing, types, tell); err != nil {
			return nil, nil, err
		}
	}
	cols, err := sel.columns(r, p, types)
	return cols, sel, err
}

// undecided lists the file's columns whose type nobody has said.
func undecided(r *Request, p *policy.Policy, sel *selection, types []policy.Type) []int {
	said := map[string]bool{}
	for _, t := range r.Schema {
		said[t.Column] = true
	}
	var out []int
	for i, name := range sel.names {
		from := sel.from[i]
		_, _, _, isMeasure := p.Clamp(name)
		if from != rowID && types[from] == "" && !said[name] && !isMeasure {
			out = append(out, from)
		}
	}
	return out
}

func infer(ctx context.Context, src tabular.Reader, sel *selection, columns []int, types []policy.Type, tell func(Progress)) error {
	found := make([]tabular.Inference, len(columns))
	need := sel.files()
	for rows := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := src.Next(need)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		tell(Progress{Stage: "infer", Rows: rows, Bytes: src.Read()})
		rows += int64(b.Rows)
		if err := inferBatch(found, b, sel, columns); err != nil {
			return err
		}
	}
	for i, from := range columns {
		types[from] = found[i].Type()
	}
	return nil
}

func inferBatch(found []tabular.Inference, b *tabular.Batch, sel *selection, columns []int) (err error) {
	defer b.Guard(&err)
	var places []int
	for _, from := range columns {
		places = append(places, sel.place(from))
	}
	kept, err := sel.kept(b)
	if err != nil {
		return err
	}
	for _, k := range kept {
		for row := k.from; row < k.to; row++ {
			for i, place := range places {
				c, err := b.Cell(place, row)
				if err != nil {
					return err
				}
				found[i].Add(c)
			}
		}
	}
	return nil
}

func internal(err error) error {
	return fault.New(fault.Internal, "can't write Parquet", "report this", err)
}

func clampedNote(name string, n int64) string {
	return fmt.Sprintf("%s: %d values lie outside the clamp; queries count them as its nearest bound", name, n)
}
