package testenv

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/host"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/statement"
)

const bySize = "SELECT size, count(*) AS n, sum(cost) AS c FROM pool.strikes GROUP BY size ORDER BY size"

// wantFault checks what a user would see: exit code, words of the error, words of the hint.
func wantFault(t *testing.T, err error, code fault.Code, text, hint string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if got := fault.ExitCode(err); got != int(code) {
		t.Errorf("exit code %d, want %d: %v", got, code, err)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q does not say %q", err, text)
	}
	if !strings.Contains(fault.Hint(err), hint) {
		t.Errorf("hint %q does not say %q", fault.Hint(err), hint)
	}
}

// count the entries of a kind about a job.
func count(p *Party, kind string, job statement.Digest) (n int, charged int64) {
	p.env.Helper()
	for _, e := range p.Ledger().Entries {
		if e.Kind == kind && e.Job == job {
			n, charged = n+1, charged+e.Charged
		}
	}
	return n, charged
}

func openExposures(p *Party, job statement.Digest) (n int) {
	p.env.Helper()
	for _, x := range p.Ledger().Exposures {
		if x.Job == job && x.Open() {
			n++
		}
	}
	return n
}

func csvOf(t *testing.T, table *result.Table) string {
	t.Helper()
	var b bytes.Buffer
	if err := table.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// An exchange that stays down: the wait is bounded, and the error says what to do.
func TestExchangeStaysDown(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Down()
	_, err := m.Institute.Ask(t.Context(), m.Contract, bySize, Patience)
	wantFault(t, err, fault.Unavailable, "exchange can't be reached", "check that cordon exchange serve runs")
	m.Up()
	m.Host(nil)
	_, err = m.Institute.Ask(t.Context(), m.Contract, bySize, Patience)
	m.Must(err)
}

// 120 rows of 5000 + n; medium and unknown have three owners each.
const wantBySize = "\"size\",\"n\",\"c\"\r\n\"Large\",120,600300\r\n\"Medium\",suppressed,suppressed\r\n\"Small\",120,600300\r\n\"Unknown\",suppressed,suppressed\r\n"

func TestQueryOverThePool(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	job, err := m.Institute.Ask(t.Context(), m.Contract, bySize, Patience)
	m.Must(err)
	table, err := m.Institute.Open(t.Context(), job.Digest)
	m.Must(err)
	if got := csvOf(t, table); got != wantBySize {
		t.Errorf("got %q, want %q", got, wantBySize)
	}
	if !table.Rows[1][1].IsSuppressed() || table.Suppressed == 0 {
		t.Error("what is not shown is not marked as suppressed")
	}
	account, err := m.Institute.Receipt(t.Context(), job.Digest)
	m.Must(err)
	m.verifies(t, account.Bundle, job.Digest)
	for _, o := range m.Owners {
		if n, price := count(o, ledger.KindCharge, job.Digest); n != 1 || price != 3 {
			t.Errorf("%s: %d charges of %d", o.Name, n, price)
		}
		m.Until("the receipt closes the exposure", func() bool { return openExposures(o, job.Digest) == 0 })
		if n, _ := count(o, ledger.KindClose, job.Digest); n != 1 {
			t.Errorf("%s: %d exposures closed", o.Name, n)
		}
	}
}

// A query that names no column counts rows that somebody read, not rows that an owner claims.
func TestCountOverThePool(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	job, err := m.Institute.Ask(t.Context(), m.Contract, "SELECT count(*) AS n FROM pool.strikes", Patience)
	m.Must(err)
	table, err := m.Institute.Open(t.Context(), job.Digest)
	m.Must(err)
	if got := csvOf(t, table); got != "\"n\"\r\n360\r\n" {
		t.Errorf("got %q", got)
	}
	for _, o := range m.Owners {
		for _, x := range o.Ledger().Exposures {
			if x.Job == job.Digest && !slices.Equal(x.Columns[0].Columns, []string{UnitColumn}) {
				t.Errorf("%s released keys of %v", o.Name, x.Columns)
			}
		}
	}
}

// verifies a bundle as somebody does who has nothing but pins.
func (m *Market) verifies(t *testing.T, bundle []byte, job statement.Digest) {
	t.Helper()
	pins := []statement.Fingerprint{m.Institute.Fingerprint(), m.Operator.Fingerprint()}
	for _, o := range m.Owners {
		pins = append(pins, o.Fingerprint())
	}
	r, err := receipt.Verify(t.Context(), bundle, receipt.Options{Pins: pins, Verifiers: Verifiers()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Receipt.Job != job || !r.Simulated() || r.Receipt.Perimeter.Form != Form || len(r.Outside) != len(m.Owners) {
		t.Errorf("account of %s, simulated %v, form %q, %d owners", r.Receipt.Job, r.Simulated(), r.Receipt.Perimeter.Form, len(r.Outside))
	}
	if _, err := receipt.Verify(t.Context(), bundle, receipt.Options{Pins: pins[1:], Verifiers: Verifiers()}); err == nil {
		t.Error("verifies for a reader who does not rely on the requester")
	}
}

func TestOwnData(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	alpha := m.Owners[0]
	c, err := alpha.Propose(t.Context(), time.Hour, "alpha.strikes")
	m.Must(err)
	job, err := alpha.Ask(t.Context(), c.Digest, "SELECT size, count(*) AS n, sum(cost) AS c FROM alpha.strikes GROUP BY size ORDER BY size", Patience)
	m.Must(err)
	table, err := alpha.Open(t.Context(), job.Digest)
	m.Must(err)
	// One's own figures are exact: alpha's costs are 5000 and 6000.
	want := "\"size\",\"n\",\"c\"\r\n\"Large\",20,100000\r\n\"Medium\",20,120000\r\n\"Small\",20,100000\r\n"
	if got := csvOf(t, table); !strings.HasPrefix(got, want) || table.Suppressed != 0 {
		t.Errorf("got %q, %d suppressed, want %q", got, table.Suppressed, want)
	}
	if n, _ := count(m.Owners[1], ledger.KindRelease, job.Digest); n != 0 {
		t.Error("another owner released keys")
	}
}

func TestRefusedQuery(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	before := len(m.Owners[0].Ledger().Entries)
	_, err := m.Institute.Ask(t.Context(), m.Contract, "SELECT size, cost FROM pool.strikes", Patience)
	wantFault(t, err, fault.Refused, "single rows never leave", "no key was asked for")
	if after := len(m.Owners[0].Ledger().Entries); after != before {
		t.Error("an owner was asked about a query that its policy refuses")
	}
}

func TestOwnerWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	silent := m.Owners[3]
	silent.Stop()
	began := time.Now()
	_, err := m.Institute.Ask(t.Context(), m.Contract, bySize, Patience)
	wantFault(t, err, fault.Unavailable, "no-answer of delta", "delta did not answer")
	if took := time.Since(began); took > Classes()[0].Reply+3*time.Second {
		t.Errorf("waited %s for an owner that may take %s", took, Classes()[0].Reply)
	}
	for _, o := range slices.Delete(slices.Clone(m.Owners), 3, 4) {
		for _, e := range o.Ledger().Entries {
			if e.Kind == ledger.KindCharge || e.Kind == ledger.KindRelease {
				t.Errorf("%s: %s for a job that not everybody was ready for", o.Name, e.Kind)
			}
		}
	}
	// Once the owner is back, the same question is answered: nothing is left over of the first.
	silent.Start(Pool)
	_, err = m.Institute.Ask(t.Context(), m.Contract, bySize, Patience)
	m.Must(err)
}

func TestExpiredContract(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	c, err := m.Institute.Propose(t.Context(), time.Minute, "pool."+Pool)
	m.Must(err)

	// For the requester itself.
	m.Institute.Clock.Set(70 * time.Second)
	_, err = m.Institute.Ask(t.Context(), c.Digest, bySize, Patience)
	wantFault(t, err, fault.Refused, "the contract is not valid now", "propose a new one")
	m.Institute.Clock.Set(0)

	// For one owner only: its clock decides about its keys.
	charlie := m.Owners[2]
	charlie.Clock.Set(70 * time.Second)
	_, err = m.Institute.Ask(t.Context(), c.Digest, bySize, Patience)
	wantFault(t, err, fault.Refused, "charlie refused", "ask the owners named")
	if !strings.Contains(err.Error(), "contract-expired") {
		t.Errorf("the reason is missing: %v", err)
	}
	for _, o := range m.Owners {
		for _, e := range o.Ledger().Entries {
			if e.Kind == ledger.KindCharge || e.Kind == ledger.KindRelease {
				t.Errorf("%s: %s for a contract that has expired", o.Name, e.Kind)
			}
		}
	}
}

// A newer version ends the rules of the older one: contracts that were granted go on, new ones are granted by hand.
func TestReplacedVersion(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	alpha := m.Owners[0]
	_, err := alpha.Publish(t.Context(), m.csv(0), Pool, m.policy())
	wantFault(t, err, fault.Refused, "version 1 has the same rows", "--even-if-unchanged")
	m.more = map[int]int{0: 1}
	second, err := alpha.Publish(t.Context(), m.csv(0), Pool, m.policy())
	m.Must(err)
	if second.Version != "2" || len(second.Notes) != 2 {
		t.Errorf("version %s, notes %q", second.Version, second.Notes)
	}
	var list api.Datasets
	m.Must(alpha.Call(t.Context(), api.PathDatasets, api.List{}, &list))
	if list.Datasets[0].ReplacedBy != "2" || list.Datasets[1].ReplacedBy != "" {
		t.Errorf("%+v", list.Datasets)
	}
	job, err := m.Institute.Ask(t.Context(), m.Contract, bySize, Patience)
	m.Must(err)
	table, err := m.Institute.Open(t.Context(), job.Digest)
	m.Must(err)
	if got := csvOf(t, table); got != wantBySize {
		t.Errorf("got %q, want %q", got, wantBySize)
	}
	var late api.Contract
	in := proposal(m.Env, time.Hour, "pool."+Pool)
	in.WaitMS = 0
	m.Must(m.Institute.Call(t.Context(), api.PathContractPropose, in, &late))
	m.Until("all but the owner of the replaced version have granted", func() bool {
		var l api.Contracts
		m.Must(m.Institute.Call(t.Context(), api.PathContracts, api.About{Digest: late.Digest}, &l))
		return len(l.Contracts) == 1 && len(l.Contracts[0].Missing) == 1
	})
	m.Until("the refusal is recorded", func() bool {
		return slices.ContainsFunc(alpha.Ledger().Entries, func(e ledger.Entry) bool {
			return e.Code == "offer-replaced" && e.Contract == late.Digest
		})
	})
	var granted api.Contract
	m.Must(alpha.Call(t.Context(), api.PathContractGrant, api.About{Digest: late.Digest}, &granted))
	if len(granted.Missing) != 0 || len(granted.Notes) != 1 || !strings.Contains(granted.Notes[0], "version 1 is replaced by version 2") {
		t.Errorf("missing %v, notes %q", granted.Missing, granted.Notes)
	}
	_, err = m.Institute.Ask(t.Context(), late.Digest, bySize, Patience)
	m.Must(err)
}

// killer kills its host once all brokers have released their keys.
type killer struct {
	host.Exchange
	h *Host

	mu              sync.Mutex
	asked, answered int
}

func (k *killer) SendMessages(ctx context.Context, job statement.Digest, lease string, all []wire.Outgoing) error {
	k.mu.Lock()
	for _, m := range all {
		if m.Kind == message.KindQuote {
			k.asked++
		}
	}
	k.mu.Unlock()
	return k.Exchange.SendMessages(ctx, job, lease, all)
}

func (k *killer) Replies(ctx context.Context, job statement.Digest, lease string, a wire.Await) (*wire.Replies, error) {
	got, err := k.Exchange.Replies(ctx, job, lease, a)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil && k.asked > 0 {
		if k.answered += len(got.Items); k.answered >= k.asked {
			k.h.Kill()
		}
	}
	return got, err
}

func TestHostKilledInMidJob(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	dead := m.Host(func(h *Host, x host.Exchange) host.Exchange { return &killer{Exchange: x, h: h} })
	job, err := m.Institute.Ask(t.Context(), m.Contract, bySize, 0)
	m.Must(err)
	m.Until("the host is killed", dead.killed)
	dead.Stop()
	for _, o := range m.Owners {
		if openExposures(o, job.Digest) != 1 {
			t.Errorf("%s: the ledger does not show what the dead host may have", o.Name)
		}
	}
	m.Host(nil)
	m.Until("another host has done the job", func() bool {
		_, err := m.Institute.Open(t.Context(), job.Digest)
		return err == nil
	})
	for _, o := range m.Owners {
		charges, price := count(o, ledger.KindCharge, job.Digest)
		releases, _ := count(o, ledger.KindRelease, job.Digest)
		if charges != 1 || price != 3 || releases != 2 || openExposures(o, job.Digest) != 1 {
			t.Errorf("%s: %d charges of %d, %d releases, %d open exposures", o.Name, charges, price, releases, openExposures(o, job.Digest))
		}
	}
}

func TestExchangeDownThenUp(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	m.Down()
	// A ledger is its owner's: it can be read while nobody else is there.
	began := time.Now()
	if len(m.Owners[0].Ledger().Entries) == 0 || time.Since(began) > 5*time.Second {
		t.Errorf("the ledger can't be read while the exchange is down, or only after %s", time.Since(began))
	}
	asked := make(chan error, 1)
	go func() {
		_, err := m.Institute.Ask(context.Background(), m.Contract, bySize, Patience)
		asked <- err
	}()
	time.Sleep(300 * time.Millisecond)
	select {
	case err := <-asked:
		t.Fatalf("gave up at once: %v", err)
	default:
	}
	m.Up()
	if err := <-asked; err != nil {
		t.Fatalf("an exchange that comes back is not waited for: %v", err)
	}
}

func TestNobodyElseImportsIt(t *testing.T) {
	const module = "github.com/cordon-exchange/cordon/"
	out, err := exec.Command("go", "list", "-deps", module+"cmd/...", module+"tools/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"internal/host") {
		t.Fatal("the list of imports can't be right")
	}
	for _, d := range deps {
		if d == module+"internal/testenv" || d == module+"internal/e2e" {
			t.Errorf("a program imports %s", d)
		}
	}
}
