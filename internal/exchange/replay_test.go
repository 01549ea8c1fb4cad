package exchange

import (
	"fmt"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// TestNoncesOfAParty: one party's requests fill its own share and no more, with however many keys; when many together have filled the
// memory, who calls a little goes on; and nothing that was used passes again by that.
func TestNoncesOfAParty(t *testing.T) {
	var r replays
	now := time.Unix(1000, 0)
	n := 0
	use := func(party string, key byte) (string, verdict) {
		n++
		nonce := fmt.Sprintf("%032x", n)
		return nonce, r.check(statement.Fingerprint(party), statement.PublicKey{key}, nonce, now)
	}
	fill := func(party string) (taken int) {
		for {
			if _, v := use(party, byte(taken%3)); v != fresh {
				if v != crowded {
					t.Fatalf("%s: %d", party, v)
				}
				return taken
			}
			taken++
		}
	}
	first, v := use("a", 0)
	if v != fresh || fill("a") != partyMost-1 {
		t.Fatal("a party has not its share")
	}
	if r.check("a", statement.PublicKey{0}, first, now) != replayed || r.check("b", statement.PublicKey{0}, first, now) != replayed {
		t.Error("a used nonce passes")
	}
	for i := range maxReplays/partyMost - 1 {
		if got := fill(fmt.Sprint("crowd ", i)); got != partyMost {
			t.Fatalf("another has %d", got)
		}
	}
	if got := fill("b"); got != partyLeast {
		t.Errorf("who comes to a full memory has %d, want %d", got, partyLeast)
	}
	now = now.Add(replayTime)
	if _, v := use("a", 0); v != fresh {
		t.Error("the next generation is not its own")
	}
	if r.check("a", statement.PublicKey{0}, first, now) != replayed {
		t.Error("a nonce is forgotten before its signature is")
	}
	if replayTime < 2*wire.MaxSkew {
		t.Error("a signature outlives the memory of it")
	}
}
