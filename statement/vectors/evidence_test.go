package vectors_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// raw is the form of simulated evidence, written here a second time.
type raw struct {
	Report []byte `json:"report"`
	Sig    []byte `json:"sig"`
}

func evidenceFile(t *testing.T, a *receipttest.Account) vectors.EvidenceFile {
	r := body[statement.Receipt](t, a.Bundle.Receipt)
	at := receipttest.Start.Add(time.Second).UnixMilli()
	made := receipttest.Start.Add(900 * time.Millisecond).UnixMilli()
	const age = 5 * 60 * 1000
	f := vectors.EvidenceFile{Comment: comment}
	add := func(name string, e statement.Evidence, atMS int64, want string) {
		f.Evidence = append(f.Evidence, vectors.Evidence{Name: name, Evidence: text(t, e), AtMS: atMS, Error: want})
	}
	add("genuine", r.Evidence, at, "")
	add("as old as can be", r.Evidence, made+age, "")
	add("as far ahead as can be", r.Evidence, made-age, "")
	add("too old", r.Evidence, made+age+1, "clock")
	add("too far ahead", r.Evidence, made-age-1, "clock")
	add("another kind", statement.Evidence{Kind: "sgx", Raw: r.Evidence.Raw}, at, "kind")
	add("endorsements", statement.Evidence{Kind: simulated.Kind, Raw: r.Evidence.Raw, Endorsements: [][]byte{{1}}}, at, "malformed")
	add("not JSON", statement.Evidence{Kind: simulated.Kind, Raw: []byte("x")}, at, "malformed")
	add("a byte behind", statement.Evidence{Kind: simulated.Kind, Raw: append(append([]byte{}, r.Evidence.Raw...), ' ')}, at, "malformed")

	var s raw
	if err := json.Unmarshal(r.Evidence.Raw, &s); err != nil {
		t.Fatal(err)
	}
	signed := func(s raw) statement.Evidence {
		return statement.Evidence{Kind: simulated.Kind, Raw: []byte(text(t, s))}
	}
	flipped := raw{Report: s.Report, Sig: append([]byte{}, s.Sig...)}
	flipped.Sig[5] ^= 1
	add("signature changed", signed(flipped), at, "signature")
	add("report changed", signed(raw{Report: replaced(t, s.Report, `"landlock"`, `"landlocc"`), Sig: s.Sig}), at, "signature")
	unframed, err := a.Operator.Key.Sign(s.Report)
	if err != nil {
		t.Fatal(err)
	}
	add("signed without its label", signed(raw{Report: s.Report, Sig: unframed}), at, "signature")

	sign := func(report []byte) statement.Evidence {
		sig, err := a.Operator.Key.Sign(frame("cordon/simulated-evidence/v1", report))
		if err != nil {
			t.Fatal(err)
		}
		return signed(raw{Report: report, Sig: sig})
	}
	data := dataOf(t, s.Report)
	for _, c := range []struct{ name, old, with string }{
		{"report data too long", data, data + strings.Repeat("00", 64)},
		{"report data too short", data, data[2:]},
		{"report data in capitals", data, strings.ToUpper(data)},
		{"report data not hex", data, "zz" + data[2:]},
		{"report data empty", data, ""},
		{"build malformed", string(receipttest.Build), "sha256:00"},
		{"operator malformed", a.Operator.Key.Public().String(), "ed25519:00"},
		{"not said to be simulated", `"simulated":true`, `"simulated":false`},
		{"said to be of another kind", `"kind":"simulated"`, `"kind":"sgx"`},
		{"form empty", `"form":"process"`, `"form":""`},
		{"details not sorted", `"landlock"`, `"zlandlock"`},
		{"unknown field", `{"build"`, `{"extra":1,"build"`},
		{"null", `"at_ms":1767366245900`, `"at_ms":null`},
	} {
		add(c.name, sign(replaced(t, s.Report, c.old, c.with)), at, "malformed")
	}
	add("time at the end of all times", sign(replaced(t, s.Report, `"at_ms":1767366245900`, `"at_ms":9223372036854775807`)), at, "clock")
	add("time before all times", sign(replaced(t, s.Report, `"at_ms":1767366245900`, `"at_ms":-9223372036854775808`)), at, "clock")
	return f
}

func dataOf(t *testing.T, report []byte) string {
	var r evidence.Report
	if err := json.Unmarshal(report, &r); err != nil {
		t.Fatal(err)
	}
	return r.ReportData
}

func TestEvidence(t *testing.T) {
	list := vectors.AllEvidence()
	if len(list) < 20 {
		t.Fatal("vectors are missing")
	}
	sentinels := map[string]error{"kind": evidence.ErrKind, "malformed": evidence.ErrMalformed, "signature": evidence.ErrSignature, "clock": evidence.ErrClock}
	verifiers := evidence.Verifiers{simulated.Kind: simulated.Verify}
	for _, v := range list {
		t.Run(v.Name, func(t *testing.T) {
			var e statement.Evidence
			if err := statement.Unmarshal([]byte(v.Evidence), &e); err != nil {
				t.Fatal(err)
			}
			c, err := verifiers.Verify(context.Background(), &e, time.UnixMilli(v.AtMS))
			if v.Error != "" {
				if c != nil || !errors.Is(err, sentinels[v.Error]) || sentinels[v.Error] == nil {
					t.Fatalf("%v, want %s", err, v.Error)
				}
				return
			}
			if err != nil || !c.Simulated || c.Build != receipttest.Build || c.Operator != receipttest.NewParty(t, "cloudco").Fingerprint() {
				t.Fatalf("%v", err)
			}
			var s raw
			if err := json.Unmarshal(e.Raw, &s); err != nil || hex.EncodeToString(c.ReportData[:]) != dataOf(t, s.Report) {
				t.Fatalf("report data: %v", err)
			}
		})
	}
}
