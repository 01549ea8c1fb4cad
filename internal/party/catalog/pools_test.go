package catalog

import (
	"context"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/statement"
)

// lying shows pools as complete that are not.
type lying struct{ *partytest.Exchange }

func (l *lying) AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error) {
	out, err := l.Exchange.AllStatements(ctx, q)
	if q.Kind == client.Pools && err == nil {
		q.Pending = true
		waiting, err := l.Exchange.AllStatements(ctx, q)
		return append(out, waiting...), err
	}
	return out, err
}

// TestPoolsAround: linked directly or over others, under any name, and signed by all members whatever the exchange says.
func TestPoolsAround(t *testing.T) {
	ex := partytest.New()
	var rings []*keyring.Keyring
	for _, name := range []string{"alpha", "bravo", "charlie", "delta", "echo"} {
		rings = append(rings, must(keyring.New(name)))
	}
	pool := func(name string, signers int, members ...int) *statement.Pool {
		p := &statement.Pool{Name: name, Epoch: 1, CreatedMS: 1}
		for _, m := range members {
			p.Members = append(p.Members, statement.Member{Owner: rings[m].Fingerprint(), Offer: statement.Sum([]byte{byte(m)})})
		}
		e := must(statement.Sign(*p, rings[members[0]].Signer()))
		for _, m := range members[1:signers] {
			if err := e.AddSignature(rings[m].Signer()); err != nil {
				t.Fatal(err)
			}
		}
		must(ex.PostStatement(t.Context(), e))
		return p
	}
	from := pool("from", 2, 0, 1)
	pool("next", 2, 1, 2)
	pool("over", 2, 2, 3)
	pool("apart", 2, 4, 3) // linked by delta
	pool("waits", 1, 0, 4)
	names := func(given []*statement.Pool, known ...*statement.Pool) []string {
		var out []string
		for _, p := range must(New(&lying{ex}).PoolsAround(t.Context(), given, known)) {
			out = append(out, p.Name)
		}
		slices.Sort(out)
		return out
	}
	want := []string{"apart", "from", "next", "over"}
	if got := names([]*statement.Pool{from}); !slices.Equal(got, want) {
		t.Errorf("around one: %v", got)
	}
	// What the caller knows needs no exchange to show it.
	kept := &statement.Pool{Name: "kept", Epoch: 1, Members: slices.Clone(from.Members[:1])}
	if got := names([]*statement.Pool{from}, kept); !slices.Contains(got, "kept") {
		t.Errorf("with what is known: %v", got)
	}
	alone := &statement.Pool{Name: "alone", Members: []statement.Member{{Owner: rings[0].Fingerprint(), Offer: statement.Sum([]byte("other version"))}}}
	if got := names([]*statement.Pool{alone}); len(got) != 0 {
		t.Errorf("around another version: %v", got)
	}
}
