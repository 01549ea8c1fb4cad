package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

func TestWrongPassphrase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.initParty("alpha", w.home("alpha"))
	wrong := w.path("premises", "wrong")
	w.must(os.WriteFile(wrong, []byte("not the passphrase of alpha\n"), 0o600))
	before := w.read("homes", "alpha", "keyring.age")
	for _, args := range [][]string{
		{"party", "serve", "--home", w.home("alpha"), "--exchange", "http://127.0.0.1:1", "--passphrase-file", wrong},
		{"host", "serve", "--home", w.home("alpha"), "--exchange", "http://127.0.0.1:1", "--passphrase-file", wrong,
			"--enclave", w.enclave, "--perimeter", "strongest"},
	} {
		_, err := w.cordonRun(args...)
		w.wantExit(err, 5, "the keyring does not open", "check the passphrase")
	}
	if w.read("homes", "alpha", "keyring.age") != before {
		t.Error("the keyring was changed")
	}
	w.must(os.Remove(filepath.Join(w.home("alpha"), "keyring.age")))
	_, err := w.cordonRun("party", "serve", "--home", w.home("alpha"), "--exchange", "http://127.0.0.1:1", "--passphrase-file", wrong)
	w.wantExit(err, 5, "the keyring is missing", "restore keyring.age")
}

// tinyPolicy is for one owner alone.
const tinyPolicy = `policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [benchmarking]
analysts: [any]
operators: [%s]
evidence: {accept: [simulated], builds: ["sha256:%s"], perimeters: [process]}
valid: {from: 2020-01-01, until: 2999-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

// publishSmall publishes a few rows from a home.
func (w *world) publishSmall(party, home, fingerprint string) error {
	w.Helper()
	csv, policy := w.path("premises", party+".csv"), w.path("premises", party+".yaml")
	w.must(os.WriteFile(csv, []byte("size\n"+strings.Repeat("Large\nSmall\n", 20)), 0o600))
	w.must(os.WriteFile(policy, fmt.Appendf(nil, tinyPolicy, fingerprint, strings.Repeat("0", 64)), 0o600))
	_, err := w.cordonRun("dataset", "publish", csv, "--home", home, "--name", "strikes", "--policy", policy,
		"--row-id", "report_id", "--schema", "size:varchar!", "--even-if-unchanged", "--json")
	return err
}

func (w *world) published(home string) int {
	w.Helper()
	var l struct{ Datasets []struct{ Name string } }
	w.must(w.json(&l, "dataset", "list", "--home", home))
	return len(l.Datasets)
}

func TestExchangeDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exchange := w.startExchange()
	fp := w.initParty("alpha", w.home("alpha"))
	w.serve("alpha", w.home("alpha"), w.exchange)
	w.must(w.publishSmall("alpha", w.home("alpha"), fp))
	exchange.stop()
	began := time.Now()
	_, err := w.cordonRun("contract", "list", "--home", w.home("alpha"))
	w.wantExit(err, 7, "exchange can't be reached", "cordon exchange serve")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s to give up", took)
	}
	if n := w.published(w.home("alpha")); n != 1 {
		t.Errorf("%d data sets: an owner knows its own without the exchange", n)
	}
	var ready struct{ URL string }
	w.start("exchange-again", &ready, "exchange", "serve", "--home", w.path("exchange"), "--listen", strings.TrimPrefix(w.exchange, "http://"), "--json")
	w.must(w.publishSmall("alpha", w.home("alpha"), fp))
	if n := w.published(w.home("alpha")); n != 2 {
		t.Errorf("%d data sets after the exchange is back", n)
	}
}

// TestFullDisk has a home on a disk with room for nothing, then for one page, for two …: whatever write it is that fails, the
// command says so, and nothing that was there is lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk := w.smallDisk("tiny", "1m")
	w.startExchange()
	home := filepath.Join(disk, "home")
	fp := w.initParty("alpha", home)
	agent := w.serve("alpha", home, w.exchange)
	w.must(w.publishSmall("alpha", home, fp))

	filler := filepath.Join(disk, "filler")
	room := 0
	for ; ; room++ {
		w.must(fill(filler))
		w.must(shrink(filler, int64(room)*4096))
		err := w.publishSmall("alpha", home, fp)
		if err == nil {
			break
		}
		w.wantExit(err, 8, "no space left on device", "free")
		if room > 20 {
			t.Fatalf("there is room, and publishing fails still: %v", err)
		}
	}
	if room < 2 {
		t.Errorf("publishing needed only %d pages: too few of its writes failed", room)
	}
	w.must(os.Remove(filler))
	w.must(w.publishSmall("alpha", home, fp))
	if n := w.published(home); n < 3 {
		t.Errorf("%d data sets, want the one from before and two new ones", n)
	}
	if _, err := w.cordonRun("ledger", "verify", "--home", home); err != nil {
		t.Errorf("the ledger: %v", err)
	}
	// The home is whole: an agent starts from it, and has them all.
	before := w.published(home)
	agent.stop()
	w.serve("alpha", home, w.exchange)
	if n := w.published(home); n != before {
		t.Errorf("%d data sets after a restart, %d before", n, before)
	}
}

// smallDisk mounts a file system of its own, so that it can be full.
func (w *world) smallDisk(name, size string) string {
	w.Helper()
	disk := w.path("homes", name)
	w.must(os.Mkdir(disk, 0o700))
	need.That(w.T, os.Geteuid() == 0, "a small file system can't be mounted: needs root")
	err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+size)
	need.That(w.T, err == nil, fmt.Sprintf("a small file system can't be mounted: %v", err))
	w.Cleanup(func() {
		w.stopAll()
		if err := syscall.Unmount(disk, 0); err != nil {
			w.Errorf("unmount: %v", err)
		}
	})
	return disk
}

// fill writes until there is no room.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	page := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	return f.Close()
}

func shrink(path string, by int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, max(0, info.Size()-by))
}
