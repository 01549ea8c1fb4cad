//go:build unix

package postgres

import (
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/storetest"
	"github.com/cordon-exchange/cordon/internal/testpg"
)

func TestConformance(t *testing.T) {
	var links sync.Map // by the folder that the suite names a store by
	storetest.Run(t, func(t *testing.T, dir string) store.Store {
		link, ok := links.Load(dir)
		if !ok {
			link = testpg.Database(t)
			links.Store(dir, link)
		}
		return open(t, link.(string))
	})
}

func open(t *testing.T, link string) *Store {
	t.Helper()
	s, err := Open(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
