package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cordon-exchange/cordon/internal/canary"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/statement"
)

// TestNoValueLeavesTheEnclave plants marked values in six owners' data, has jobs succeed, fail and be killed, and after each
// looks for the values everywhere but in the enclave and at their owner's. Then it leaks some itself, and must find them.
func TestNoValueLeavesTheEnclave(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.succeeds()
	m.nothingLeaked("after a result")
	m.fails()
	m.nothingLeaked("after a failure")
	m.killed()
	m.nothingLeaked("after a kill")
	m.Run("leaks on purpose", m.leaks)
}

func (m *market) succeeds() {
	m.Helper()
	job := m.submit()
	if state, code := m.follow(job); state != "done" {
		m.Fatalf("job %s: %s", state, code)
	}
	result := m.path("receipts", "result.json")
	_, err := m.cordonRun("result", "open", job, "--home", m.home("institute"), "--format", "json", "-o", result)
	m.must(err)
	var table struct {
		Rows []struct {
			Species string
			N       json.Number
		}
	}
	m.must(json.Unmarshal([]byte(m.read("receipts", "result.json")), &table))
	if len(table.Rows) != 2 || table.Rows[0].Species != "Gull" || table.Rows[0].N != "130" || table.Rows[1].N != "120" {
		m.Fatalf("result %+v", table.Rows)
	}
	bundle := m.path("receipts", "bundle.json")
	_, err = m.cordonRun("receipt", "export", job, "--home", m.home("institute"), "-o", bundle)
	m.must(err)
	m.opened(job)
}

// opened checks that the planted values really were in clear: those columns, of all owners, and no other.
func (m *market) opened(job string) {
	m.Helper()
	var account struct {
		Receipt struct {
			Exposures []struct {
				Column string
				Bytes  int64
			}
		}
	}
	m.must(m.json(&account, "receipt", "show", job, "--home", m.home("institute")))
	columns := map[string]int{}
	for _, e := range account.Receipt.Exposures {
		if e.Bytes > 0 {
			columns[e.Column]++
		}
	}
	if len(columns) != 3 || columns[statement.FooterKey] != len(owners) || columns["species"] != len(owners) || columns["cost"] != len(owners) {
		m.Fatalf("in clear were %v", columns)
	}
}

// fails: one bit of one owner's sealed file is another, as the host keeps it. The others' columns are opened all the same, and the
// host does not keep it any longer.
func (m *market) fails() {
	m.Helper()
	m.must(flipBit(m.keptFile("bravo")))
	job := m.submit()
	if state, code := m.follow(job); state != "failed" || code != "bad-data:bravo" {
		m.Fatalf("job %s: %s", state, code)
	}
	m.until("the failure closes the exposures", func() bool { return m.ledgerHas("alpha", "close", job) == 1 })
}

// keptFile is where the host keeps an owner's sealed file.
func (m *market) keptFile(owner string) string {
	m.Helper()
	maps, err := filepath.Glob(filepath.Join(m.home("hangar"), "cache", "*.map"))
	m.must(err)
	for _, path := range maps {
		var kept struct{ Path string }
		b, err := os.ReadFile(path)
		m.must(err)
		m.must(json.Unmarshal(b, &kept))
		if strings.HasPrefix(kept.Path, strings.TrimPrefix(m.fingerprints[owner], "cordon1")) {
			return strings.TrimSuffix(path, ".map") + ".data"
		}
	}
	m.Fatal("the host keeps no sealed file of " + owner)
	return ""
}

// flipBit changes a bit of the sealed footer.
func flipBit(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)-64] ^= 4
	return os.WriteFile(path, b, 0o600)
}

// killed: kill -9 while the enclave has everybody's keys but one's, then a retry that nobody is charged for again.
func (m *market) killed() {
	m.Helper()
	m.front.hold()
	job := m.submit()
	m.until("all other owners have released their keys", func() bool {
		for _, o := range owners[:len(owners)-1] {
			if m.ledgerHas(o, "release", job) == 0 {
				return false
			}
		}
		return true
	})
	enclave := descendants(m.T, m.host.pid())
	if len(enclave) == 0 {
		m.Fatal("the host has no enclave")
	}
	for _, pid := range enclave {
		m.must(syscall.Kill(pid, syscall.SIGKILL))
	}
	m.front.release()
	if state, code := m.follow(job); state != "done" {
		m.Fatalf("retried job %s: %s", state, code)
	}
	for _, o := range owners {
		if n := m.ledgerHas(o, "charge", job); n != 1 {
			m.Errorf("%s charged %d times", o, n)
		}
	}
	if n := m.ledgerHas("alpha", "release", job); n != 2 {
		m.Errorf("%d releases, want that of the killed enclave and that of the retry", n)
	}
}

// leaks puts planted values where they must not be, each in another encoding, and expects the same searches to find them.
func (m *market) leaks(t *testing.T) {
	p := m.planted["alpha"]
	files := map[string]string{
		"host's log":     m.path("logs", "host.log"),
		"lake":           m.path("exchange", "lake", "leak"),
		"another's home": m.path("homes", "bravo", "jobs", "leak"),
		"receipt":        m.path("receipts", "bundle.json"),
		"temporary file": m.path("tmp", "leak"),
	}
	forms := map[string]string{
		"host's log":     "level=INFO msg=" + base64.StdEncoding.EncodeToString([]byte("value "+p.species[0]+" of a row")) + "\n",
		"lake":           p.notes[0],
		"another's home": fmt.Sprintf("cost=%d", p.costs[0]),
		"receipt":        hex.EncodeToString([]byte(p.notes[1])),
		"temporary file": strings.Join(strings.Split(p.species[1], ""), "\x00") + "\x00", // UTF-16
	}
	for place, path := range files {
		t.Run(place, func(t *testing.T) {
			appendFile(t, path, forms[place])
			found := m.onDisk(t)
			rel, _ := filepath.Rel(m.out, path)
			if len(found) == 0 || !strings.HasPrefix(found[0], rel+": alpha's ") {
				t.Errorf("found %v, want it in %s", found, rel)
			}
			cut(t, path, len(forms[place]))
		})
	}
	t.Run("memory", func(t *testing.T) { m.leakInMemory(t, p.species[2]) })
	t.Run("traffic", func(t *testing.T) { m.leakOnWire(t, p.notes[2]) })
}

func appendFile(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
}

func cut(t *testing.T, path string, n int) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-int64(n)); err != nil {
		t.Fatal(err)
	}
}

// leakInMemory starts one more process, which holds a value as a broken program would.
func (m *market) leakInMemory(t *testing.T, value string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(m.path("premises", "holder.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(self)
	cmd.Env = []string{holdCommand + "=1"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(in, value+"\n") }()
	var ready struct{}
	p := m.run("holder", cmd, log, &ready)
	found := m.memoryOf(t, p)
	in.Close()
	<-p.done
	if len(found) == 0 || !strings.HasPrefix(found[0], "holder: alpha's species 2") {
		t.Errorf("found %v, want it in the holder's memory", found)
	}
}

// leakOnWire sends a value over loopback in two segments.
func (m *market) leakOnWire(t *testing.T, value string) {
	need.That(t, m.wire != nil, "loopback can't be captured: needs root or CAP_NET_RAW")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m.wire.watch(t, "http://"+l.Addr().String())
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := base64.URLEncoding.EncodeToString([]byte("xy" + value + "z"))
	for _, part := range []string{text[:11], text[11:]} {
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len(part))); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	m.until("the capture has seen it", func() bool { found = m.onWire(t); return len(found) > 0 })
	if !strings.HasPrefix(found[0], "traffic: alpha's note 2") {
		t.Errorf("found %v", found)
	}
}

// TestPlantedValuesAreFoundAtTheirOwners shows that the values planted are in the form that is looked for.
func TestPlantedValuesAreFoundAtTheirOwners(t *testing.T) {
	m := &market{world: &world{T: t, out: t.TempDir()}, planted: map[string]planted{}}
	m.must(os.Mkdir(m.path("premises"), 0o700))
	path := m.csv("alpha")
	set := &canary.Set{}
	p := m.planted["alpha"]
	m.must(p.addTo(set, "alpha"))
	hits, err := searchFile(set, path)
	m.must(err)
	if want := len(p.species) + len(p.notes) + len(p.costs); len(hits) != want {
		t.Errorf("%d found, want %d", len(hits), want)
	}
}
