package exchange

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-exchange/cordon/internal/exchange/logtree"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// BenchmarkLog compares giving places and appending with appending alone: "bare" is Tessera with the same batches. Each op is one entry.
func BenchmarkLog(b *testing.B) {
	digest := func(n int) statement.Digest {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
		return statement.Sum(sum[:])
	}
	b.Run("bare", func(b *testing.B) {
		secret, _, err := note.GenerateKey(rand.Reader, "cordon.log/bench")
		if err != nil {
			b.Fatal(err)
		}
		signer, err := note.NewSigner(secret)
		if err != nil {
			b.Fatal(err)
		}
		t, err := logtree.Open(b.Context(), b.TempDir(), signer)
		if err != nil {
			b.Fatal(err)
		}
		defer t.Close()
		leaves := make([][]byte, b.N)
		for i := range leaves {
			leaves[i] = translog.Leaf{TimeMS: 1, Commitment: sha256.Sum256([]byte(digest(i)))}.Bytes()
		}
		b.ResetTimer()
		for from := 0; from < b.N; from += logBatch {
			if err := t.Append(b.Context(), int64(from), leaves[from:min(b.N, from+logBatch)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sequencer", func(b *testing.B) {
		st, err := sqlite.Open(b.Context(), b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		defer st.Close()
		l, err := openLog(b.Context(), st, b.TempDir(), time.Second, time.Now)
		if err != nil {
			b.Fatal(err)
		}
		defer l.tree.Close()
		for from := 0; from < b.N; from += logBatch {
			var list []store.LogEntry
			for i := from; i < min(b.N, from+logBatch); i++ {
				list = append(list, store.LogEntry{Kind: translog.KindStatement, About: digest(i)})
			}
			if err := st.AddUnlogged(b.Context(), list); err != nil {
				b.Fatal(err)
			}
		}
		b.ResetTimer()
		for l.tree.Size() < int64(b.N) { // a step publishes what it has now and then
			if _, err := l.step(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
