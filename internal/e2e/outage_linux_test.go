package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func nowhere(*world) places { return places{} }

// TestEveryCommandWithoutAnExchange: each says so within bounds, and afterwards everything goes on as if nothing had been.
func TestEveryCommandWithoutAnExchange(t *testing.T) {
	t.Parallel()
	p, _ := newPair(t, nowhere)
	alpha, institute := p.home("alpha"), p.home("institute")
	job, err := p.ask(institute)
	p.must(err)
	p.initParty("bravo", p.home("bravo"))
	p.exchangeProc.stop()

	began := time.Now()
	commands := [][]string{
		p.publishArgs(alpha), p.proposeArgs(institute), p.runArgs(institute), p.hostArgs(),
		{"dataset", "list", "--of", "alpha", "--home", institute},
		{"pool", "propose", "strikes", "--member", "alpha.strikes", "--member", "bravo.strikes", "--home", alpha},
		{"pool", "list", "--home", alpha}, {"pool", "show", "strikes", "--home", alpha}, {"pool", "sign", "strikes", "--home", alpha},
		{"contract", "list", "--home", institute}, {"contract", "show", p.contract, "--home", institute}, {"contract", "grant", p.contract, "--home", alpha},
		{"query", "explain", bySize, "--contract", p.contract, "--home", institute}, {"query", "status", job, "--home", institute},
		{"result", "open", job, "--home", institute}, {"receipt", "show", job, "--home", institute},
		{"receipt", "export", job, "-o", p.path("receipts", "b.json"), "--home", institute},
	}
	var all sync.WaitGroup
	for _, args := range commands {
		all.Go(func() {
			_, err := p.cordonRun(args...)
			if wrong := wrongExit(err, 7, "exchange can't be reached", "cordon exchange serve"); wrong != nil {
				t.Errorf("%s: %v", strings.Join(args[:2], " "), wrong)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 35*time.Second {
		t.Errorf("it took %s to give up", took)
	}
	p.withoutExchange(alpha)

	ready := make(chan error, 1)
	bravo := p.waits("bravo", ready)
	select {
	case err := <-ready:
		t.Errorf("an agent is ready without an exchange: %v", err)
	case <-time.After(time.Second):
	}
	p.exchangeAgain()
	if err := <-ready; err != nil {
		t.Errorf("an agent that waited for the exchange: %v", err)
	}
	bravo()
	if _, err := p.ask(institute); err != nil {
		t.Errorf("the exchange is back: %v", err)
	}
	if _, err := p.cordonRun("result", "open", job, "--home", institute); err != nil {
		t.Errorf("the result from before: %v", err)
	}
	if n := p.counts(alpha, "charge", ""); n != 2 {
		t.Errorf("%d charges, want those of two jobs", n)
	}
}

// withoutExchange is what a party can do alone.
func (p *pair) withoutExchange(home string) {
	p.Helper()
	for _, args := range [][]string{{"party", "status"}, {"party", "show"}, {"ledger", "show"}, {"ledger", "verify"}, {"dataset", "list"}} {
		if _, err := p.cordonRun(append(args, "--home", home)...); err != nil {
			p.Errorf("%v: %v", args, err)
		}
	}
	if n := p.published(home); n != 1 {
		p.Errorf("%d data sets: one that could not be offered is left over", n)
	}
}

// waits starts an agent without waiting for it.
func (p *pair) waits(name string, ready chan<- error) (stop func()) {
	ctx, cancel := time.Now().Add(patience), make(chan struct{})
	cmd := p.command("party", "serve", "--home", p.home(name), "--exchange", p.exchange, "--passphrase-file", p.passphrase(name), "--json")
	out, err := cmd.StdoutPipe()
	p.must(err)
	p.must(cmd.Start())
	go func() {
		defer close(cancel)
		line := make([]byte, 1)
		_, err := out.Read(line)
		if time.Now().After(ctx) {
			err = fmt.Errorf("not within %s", patience)
		}
		ready <- err
	}()
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-cancel
		_ = cmd.Wait()
	}
}

// TestBrokerThatNeverAnswers: the wait is bounded, the owner is named, nobody is charged; once it answers again all is well.
func TestBrokerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	p, _ := newPair(t, nowhere)
	p.must(p.owner.cmd.Process.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { _ = p.owner.cmd.Process.Signal(syscall.SIGCONT) })
	began := time.Now()
	_, err := p.cordonRun(p.runArgs(p.home("institute"))...)
	p.wantExit(err, 7, "no-answer of alpha", "the agent of alpha did not answer")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("waited %s for an owner that may take 20s", took)
	}
	p.must(p.owner.cmd.Process.Signal(syscall.SIGCONT))
	job, err := p.ask(p.home("institute"))
	p.must(err)
	if all, of := p.counts(p.home("alpha"), "charge", ""), p.counts(p.home("alpha"), "charge", job); all != 1 || of != 1 {
		t.Errorf("%d charges, %d of them for the job with a result", all, of)
	}
}

// TestHostKilledWhileTheOwnerReleases: kill -9 of the host takes its enclave with it; another host does the job, and nobody is
// charged twice.
func TestHostKilledWhileTheOwnerReleases(t *testing.T) {
	t.Parallel()
	p, front := newPair(t, func(*world) places { return places{front: true} })
	alpha, institute := p.home("alpha"), p.home("institute")
	front.hold()
	var job struct{ Digest string }
	p.must(p.json(&job, append(p.runArgs(institute), "--detach")...))
	p.until("the owner has released its keys", func() bool { return p.counts(alpha, "release", job.Digest) == 1 })
	enclave := descendants(t, p.host.pid())
	if len(enclave) == 0 {
		t.Fatal("the host has no enclave")
	}
	p.must(p.host.cmd.Process.Kill())
	<-p.host.done
	p.until("the enclave is gone as well", func() bool {
		for _, pid := range enclave {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid)); err == nil {
				return false
			}
		}
		return true
	})
	front.release()
	p.startHost()
	var s struct{ State, Code string }
	p.until("another host has done the job", func() bool {
		p.must(p.json(&s, "query", "status", job.Digest, "--home", institute))
		return s.State == "done" || s.State == "failed"
	})
	if s.State != "done" {
		t.Fatalf("%s %s", s.State, s.Code)
	}
	_, err := p.cordonRun("result", "open", job.Digest, "--home", institute)
	p.must(err)
	if charges, releases := p.counts(alpha, "charge", job.Digest), p.counts(alpha, "release", job.Digest); charges != 1 || releases != 2 {
		t.Errorf("%d charges, %d releases", charges, releases)
	}
}

// TestOwnersDiskFullDuringAJob: what can't be in the ledger does not happen, whichever write it is that fails.
func TestOwnersDiskFullDuringAJob(t *testing.T) {
	t.Parallel()
	var disk string
	p, _ := newPair(t, func(w *world) places {
		disk = w.smallDisk("tiny", "2m")
		return places{owner: filepath.Join(disk, "alpha")}
	})
	alpha, institute := filepath.Join(disk, "alpha"), p.home("institute")
	filler := filepath.Join(disk, "filler")
	failed := 0
	for room := 0; ; room++ {
		p.must(fill(filler))
		p.must(shrink(filler, int64(room)*4096))
		_, err := p.ask(institute)
		if err == nil {
			break
		}
		failed++
		p.wantExit(err, 6, "alpha refused at", "ask the owners named")
		if !strings.Contains(err.Error(), "ledger-unavailable") {
			t.Errorf("the reason is missing: %v", err)
		}
		if room > 20 {
			t.Fatalf("there is room, and the job fails still: %v", err)
		}
	}
	if failed == 0 {
		t.Error("a full disk refused nothing")
	}
	p.must(os.Remove(filler))
	job, err := p.ask(institute)
	p.must(err)
	if n := p.counts(alpha, "charge", job); n != 1 {
		t.Errorf("charged %d times", n)
	}
	if releases, charges := p.counts(alpha, "release", ""), p.counts(alpha, "charge", ""); releases > charges {
		t.Errorf("%d releases of keys, %d charges", releases, charges)
	}
	if _, err := p.cordonRun("ledger", "verify", "--home", alpha); err != nil {
		t.Errorf("the ledger: %v", err)
	}
}

// TestRequestersDiskFull: a job that can't be kept is not sent, and a result that does not fit leaves the older file alone.
func TestRequestersDiskFull(t *testing.T) {
	t.Parallel()
	var disk string
	p, _ := newPair(t, func(w *world) places {
		disk = w.smallDisk("tiny", "1m")
		return places{institute: filepath.Join(disk, "institute")}
	})
	institute, filler, out := filepath.Join(disk, "institute"), filepath.Join(disk, "filler"), filepath.Join(disk, "result.csv")
	job, err := p.ask(institute)
	p.must(err)
	p.must(os.WriteFile(out, []byte("older"), 0o600))
	p.must(fill(filler))
	_, err = p.cordonRun("result", "open", job, "--home", institute, "-o", out)
	p.wantExit(err, 8, "no space left on device", "free")
	_, err = p.cordonRun("receipt", "export", job, "--home", institute, "-o", out)
	p.wantExit(err, 8, "no space left on device", "free")
	if b, err := os.ReadFile(out); err != nil || string(b) != "older" {
		t.Errorf("the older file has %q: %v", b, err)
	}
	_, err = p.cordonRun(p.runArgs(institute)...)
	p.wantExit(err, 8, "no space left on device", "free")
	p.must(os.Remove(filler))
	_, err = p.ask(institute)
	p.must(err)
	if n := p.counts(p.home("alpha"), "charge", ""); n != 2 {
		t.Errorf("%d charges, want those of the two jobs with a result", n)
	}
}

// TestExchangesDiskFull: the exchange says so, nothing half is there, and it goes on once there is room.
func TestExchangesDiskFull(t *testing.T) {
	t.Parallel()
	var disk string
	p, _ := newPair(t, func(w *world) places {
		disk = w.smallDisk("tiny", "4m")
		return places{exchange: filepath.Join(disk, "exchange")}
	})
	alpha, institute, filler := p.home("alpha"), p.home("institute"), filepath.Join(disk, "filler")
	p.must(fill(filler))
	for _, args := range [][]string{p.publishArgs(alpha), p.proposeArgs(institute), p.runArgs(institute)} {
		_, err := p.cordonRun(args...)
		if wrong := wrongExit(err, 7, "storage-full", "operator"); wrong != nil {
			t.Errorf("%s: %v", strings.Join(args[:2], " "), wrong)
		}
	}
	if n := p.published(alpha); n != 1 {
		t.Errorf("%d data sets: one that could not be offered is left over", n)
	}
	p.must(os.Remove(filler))
	_, err := p.ask(institute)
	p.must(err)
	_, err = p.cordonRun(p.publishArgs(alpha)...)
	p.must(err)
	if n := p.counts(alpha, "charge", ""); n != 1 {
		t.Errorf("%d charges, want that of the one job with a result", n)
	}
}

// TestHostsDiskFull: a host keeps nothing on disk, and so needs no room on it.
func TestHostsDiskFull(t *testing.T) {
	t.Parallel()
	var disk string
	p, _ := newPair(t, func(w *world) places {
		disk = w.smallDisk("tiny", "1m")
		return places{host: filepath.Join(disk, "hangar")}
	})
	p.must(fill(filepath.Join(disk, "filler")))
	p.host.stop()
	p.startHost()
	_, err := p.ask(p.home("institute"))
	p.must(err)
}
