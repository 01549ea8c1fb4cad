package attest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/configfs/faketsm"
	"github.com/hf/nsm"
	"github.com/hf/nsm/request"
	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

var reportData = evidence.HelloBinding("job", "session")

// attribute is a file of configfs: what is written counts when it is closed, what is read is made at the first read.
type attribute struct {
	client configfsi.Client
	path   string
	buf    bytes.Buffer
	read   bool
}

func (a *attribute) Write(b []byte) (int, error) { return a.buf.Write(b) }
func (a *attribute) Close() error                { return a.client.WriteFile(a.path, a.buf.Bytes()) }

func (a *attribute) Read(b []byte) (int, error) {
	if !a.read {
		a.read = true
		text, err := a.client.ReadFile(a.path)
		if err != nil {
			return 0, err
		}
		a.buf.Write(text)
	}
	return a.buf.Read(b)
}

// tsmEntry makes an entry in a simulated configfs, as the stage does in the real one.
func tsmEntry(t *testing.T, c configfsi.Client) (Entry, string) {
	t.Helper()
	dir, err := c.MkdirTemp("/sys/kernel/config/tsm/report", "cordon")
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) *attribute { return &attribute{client: c, path: dir + "/" + name} }
	return Entry{In: file("inblob"), Out: file("outblob"), Aux: file("auxblob"), Provider: file("provider"), Generation: file("generation")}, dir
}

// tsm is the simulated subsystem with a maker's answers.
func tsm(provider string, aux []byte) (*faketsm.ReportSubsystem, configfsi.Client) {
	r := faketsm.Report611(0)
	r.ReadAttr = func(e *faketsm.ReportEntry, attr string) ([]byte, error) {
		switch attr {
		case "provider":
			return []byte(provider + "\n"), nil
		case "auxblob":
			return aux, nil
		case "outblob":
			return append([]byte("quote of "), e.InAttrs["inblob"].Value...), nil
		}
		return nil, os.ErrNotExist
	}
	return r, &faketsm.Client{Subsystems: map[string]configfsi.Client{"report": r}}
}

// table is one of SNP's certificates.
func table(guid []byte, cert []byte) []byte {
	out := append([]byte{}, guid...)
	out = binary.LittleEndian.AppendUint32(out, 2*tableEntry)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(cert)))
	out = append(out, make([]byte, tableEntry)...)
	return append(out, cert...)
}

func TestTSM(t *testing.T) {
	for kind, provider := range map[string]string{evidence.SNP: ProviderSNP, evidence.TDX: ProviderTDX} {
		_, c := tsm(provider, table(vlek, []byte("certificate")))
		first, _ := tsmEntry(t, c)
		second, _ := tsmEntry(t, c)
		a, err := TSM(kind, []Entry{first, second})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			q, err := a(t.Context(), reportData)
			if err != nil || string(q.Quote) != "quote of "+string(reportData[:]) {
				t.Fatalf("%s: %v, %q", kind, err, q.Quote)
			}
			if kind == evidence.SNP && (len(q.Endorsements) != 1 || string(q.Endorsements[0]) != "certificate") || kind == evidence.TDX && q.Endorsements != nil {
				t.Errorf("%s: endorsements %q", kind, q.Endorsements)
			}
		}
		if _, err := a(t.Context(), reportData); !errors.Is(err, ErrMachine) {
			t.Errorf("a third report from two entries: %v", err)
		}
	}
}

func TestTSMRefuses(t *testing.T) {
	for name, kind := range map[string]string{"another kind of evidence": evidence.Nitro, "no entry": evidence.SNP} {
		if a, err := TSM(kind, nil); a != nil || !errors.Is(err, ErrMachine) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		provider string
		aux      []byte
		before   func(t *testing.T, c configfsi.Client, dir string)
	}{
		"a machine of another maker":           {provider: ProviderTDX},
		"no machine that the kernel knows":     {provider: ""},
		"a table that points behind its end":   {provider: ProviderSNP, aux: table(vcek, []byte("x"))[:2*tableEntry]},
		"a table without end, too long":        {provider: ProviderSNP, aux: make([]byte, maxAux+1)},
		"an entry that somebody wrote to also": {provider: ProviderSNP, before: func(t *testing.T, c configfsi.Client, dir string) { write(t, c, dir+"/privlevel", "0") }},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := tsm(c.provider, c.aux)
			e, dir := tsmEntry(t, client)
			if c.before != nil {
				c.before(t, client, dir)
			}
			a, err := TSM(evidence.SNP, []Entry{e})
			if err != nil {
				t.Fatal(err)
			}
			if q, err := a(t.Context(), reportData); !errors.Is(err, ErrMachine) || q.Endorsements != nil && err == nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func write(t *testing.T, c configfsi.Client, path, text string) {
	t.Helper()
	if err := c.WriteFile(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesAbsent(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "only the end": make([]byte, tableEntry), "others only": table(bytes.Repeat([]byte{1}, 16), []byte("ask")),
	} {
		if c, err := certificates(b); err != nil || c != nil {
			t.Errorf("%s: %v, %q", name, err, c)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	f.Add(table(vcek, []byte("certificate")))
	f.Add(make([]byte, tableEntry))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := certificates(b)
		if err != nil && c != nil || len(c) > 1 || len(c) == 1 && !bytes.Contains(b, c[0]) {
			t.Fatalf("%v, %d certificates", err, len(c))
		}
	})
}

// gramine makes the files that Gramine shows.
func gramine(t *testing.T, kind, quote string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{gramineType: kind, gramineData: "", gramineQuote: quote} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestGramine(t *testing.T) {
	dir := gramine(t, "dcap\n", "a quote")
	a, err := Gramine(dir)
	if err != nil {
		t.Fatal(err)
	}
	q, err := a(t.Context(), reportData)
	if err != nil || string(q.Quote) != "a quote" || q.Endorsements != nil {
		t.Fatalf("%v, %q", err, q.Quote)
	}
	if b, err := os.ReadFile(filepath.Join(dir, gramineData)); err != nil || !bytes.Equal(b, reportData[:]) {
		t.Errorf("asked for %x, %v", b, err)
	}
}

func TestGramineRefuses(t *testing.T) {
	for name, kind := range map[string]string{"Gramine without SGX": "none", "EPID": "epid", "nothing said": ""} {
		if a, err := Gramine(gramine(t, kind, "a quote")); a != nil || !errors.Is(err, ErrMachine) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, err := Gramine(t.TempDir()); a != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no Gramine: %v", err)
	}
	for name, spoil := range map[string]func(dir string) error{
		"an empty quote":   func(dir string) error { return os.Truncate(filepath.Join(dir, gramineQuote), 0) },
		"a quote too long": func(dir string) error { return os.Truncate(filepath.Join(dir, gramineQuote), hosted.MaxQuote+1) },
		"no quote":         func(dir string) error { return os.Remove(filepath.Join(dir, gramineQuote)) },
		"no room for data": func(dir string) error { return os.Remove(filepath.Join(dir, gramineData)) },
	} {
		dir := gramine(t, "dcap", "a quote")
		a, err := Gramine(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if q, err := a(t.Context(), reportData); !errors.Is(err, ErrMachine) || q.Quote != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// module answers requests as the Nitro module does.
type module struct {
	request []byte
	answer  []byte
	err     error
	claim   uint64 // length that it claims to have written
}

func (m *module) ioctl(fd, req uintptr, arg unsafe.Pointer) error {
	if fd != 7 || req != NSMRequest {
		return unix.ENOTTY
	}
	message := (*[2]unix.Iovec)(arg)
	m.request = bytes.Clone(unsafe.Slice(message[0].Base, message[0].Len))
	n := copy(unsafe.Slice(message[1].Base, message[1].Len), m.answer)
	message[1].Len = max(uint64(n), m.claim)
	return m.err
}

// answerWith is the module's answer with a document.
func answerWith(t testing.TB, doc []byte) []byte {
	t.Helper()
	b, err := cbor.Marshal(map[string]any{"Attestation": map[string]any{"document": doc}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Request and call are what AWS's interface, as another program has it, asks for.
func TestNSM(t *testing.T) {
	doc, err := os.ReadFile("../../../evidence/testdata/nitro/" + document0(t))
	if err != nil {
		t.Fatal(err)
	}
	m := &module{answer: answerWith(t, doc)}
	q, err := NSM(NSMDevice(7, m.ioctl))(t.Context(), reportData)
	if err != nil || !bytes.Equal(q.Quote, doc) {
		t.Fatalf("%v, %d bytes", err, len(q.Quote))
	}
	other := &module{answer: m.answer}
	s, err := nsm.OpenSession(nsm.Options{
		Open: func() (nsm.FileDescriptor, error) { return seventh{}, nil },
		Syscall: func(trap, a1, a2, a3 uintptr) (uintptr, uintptr, syscall.Errno) {
			if trap != unix.SYS_IOCTL {
				return 0, 0, unix.ENOSYS
			}
			err, _ := other.ioctl(a1, a2, *(*unsafe.Pointer)(unsafe.Pointer(&a3))).(syscall.Errno)
			return 0, 0, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Send(&request.Attestation{UserData: reportData[:]})
	if err != nil || res.Attestation == nil || !bytes.Equal(res.Attestation.Document, doc) {
		t.Fatalf("the other program: %v", err)
	}
	if a, b := decoded(t, m.request), decoded(t, other.request); a != b {
		t.Errorf("asked\n%s, the other program asks\n%s", a, b)
	}
}

type seventh struct{}

func (seventh) Fd() uintptr  { return 7 }
func (seventh) Close() error { return nil }

// decoded brings CBOR to the form in which two encodings of one value are equal.
func decoded(t *testing.T, b []byte) string {
	t.Helper()
	var v any
	if err := cbor.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	mode, err := cbor.CanonicalEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	out, err := mode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	text, err := cbor.Diagnose(out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// document0 is one recorded document.
func document0(t *testing.T) string {
	t.Helper()
	all, err := filepath.Glob("../../../evidence/testdata/nitro/*.cbor")
	if err != nil || len(all) == 0 {
		all, err = filepath.Glob("../../../evidence/testdata/nitro/*.bin")
	}
	if err != nil || len(all) == 0 {
		t.Fatal("no recorded document", err)
	}
	return filepath.Base(all[0])
}

func TestNSMRefuses(t *testing.T) {
	good := answerWith(t, bytes.Repeat([]byte{7}, 300))
	refusal, err := cbor.Marshal(map[string]any{"Error": "InvalidOperation"})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*module{
		"the kernel says no":        {answer: good, err: unix.EIO},
		"the module says no":        {answer: refusal},
		"nothing":                   {},
		"an empty document":         {answer: answerWith(t, nil)},
		"cut short":                 {answer: good[:len(good)-1]},
		"something behind it":       {answer: append(bytes.Clone(good), 0)},
		"another map":               {answer: append([]byte{cborMap | 2}, good[1:]...)},
		"longer than there is room": {answer: good, claim: maxDocument + 1},
	} {
		if q, err := NSM(NSMDevice(7, m.ioctl))(t.Context(), reportData); !errors.Is(err, ErrMachine) || q.Quote != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(answerWith(f, bytes.Repeat([]byte{7}, 300)))
	f.Add(answerWith(f, bytes.Repeat([]byte{7}, 30)))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := document(b)
		if (doc == nil) == (err == nil) {
			t.Fatal("either a document or an error")
		}
		var v struct{ Attestation struct{ Document []byte } }
		if err == nil && (cbor.Unmarshal(b, &v) != nil || !bytes.Equal(v.Attestation.Document, doc)) {
			t.Fatal("read otherwise than by a decoder")
		}
	})
}
