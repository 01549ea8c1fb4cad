package channel

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/statement"
)

var (
	someone  = statement.Fingerprint("cordon1" + strings.Repeat("ab", 32))
	envelope = statement.Envelope{PayloadType: statement.PayloadType, Payload: []byte("{}"), Signatures: []statement.Signature{{KeyID: "k", Sig: []byte("s")}}}
	limits   = Limits{MemoryBytes: 1 << 30, Threads: 2, ReplyMS: 1000, RunMS: 1000}
	job      = Job{Job: envelope, Contract: envelope, Statements: []statement.Envelope{envelope}, Limits: limits}
)

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b []byte
	var err error
	switch v := v.(type) {
	case Finish:
		b, err = v.Encode()
	case *Finish:
		b, err = v.Encode()
	default:
		b, err = statement.Marshal(v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decoders of everything that crosses the channel, each to a value that encodes again.
var decoders = map[string]func([]byte) (any, error){
	"job":      func(b []byte) (any, error) { return ptr(DecodeJob(b)) },
	"evidence": func(b []byte) (any, error) { return ptr(DecodeEvidence(b)) },
	"messages": func(b []byte) (any, error) { return ptr(DecodeMessages(b)) },
	"replies":  func(b []byte) (any, error) { return ptr(DecodeReplies(b, 10)) },
	"ranges":   func(b []byte) (any, error) { return ptr(DecodeRanges(b)) },
	"stage":    func(b []byte) (any, error) { return ptr(DecodeStage(b)) },
	"finish":   func(b []byte) (any, error) { return ptr(DecodeFinish(b)) },
	"leaving":  func(b []byte) (any, error) { return ptr(DecodeFinish(b)) },
	"problem":  func(b []byte) (any, error) { return ptr(DecodeProblem(b)) },
	"report": func(b []byte) (any, error) {
		a, err := DecodeReport(b)
		if a == nil {
			return nil, err
		}
		return NewReport(*a), err
	},
	"quote": func(b []byte) (any, error) {
		a, err := DecodeReport(b)
		if a == nil {
			return nil, err
		}
		return NewReport(*a), err
	},
}

// ptr keeps a nil pointer from becoming a value that is not nil.
func ptr[T any](v *T, err error) (any, error) {
	if v == nil {
		return nil, err
	}
	return v, err
}

func accepted(t testing.TB) map[string]any {
	var data evidence.ReportData
	data[5] = 7
	return map[string]any{
		"job":      job,
		"evidence": statement.Evidence{Kind: "simulated", Raw: []byte{1}},
		"messages": Messages{Items: []Message{{To: someone, Kind: "hello", Body: []byte{1}}}},
		"replies":  Replies{Items: []Reply{{Seq: 11, From: someone, Body: []byte{1}}, {Seq: 15, From: someone, Body: []byte{2}}}},
		"ranges":   Ranges{Items: []Range{{Object: "a/b", Off: 0, Bytes: MaxRange - 1}, {Object: "a/b", Off: 1<<53 - 1, Bytes: 1}}},
		"stage":    Stage{Name: "run"},
		"finish":   Finish{State: Failed, Code: "no-answer:delta"},
		"leaving":  Finish{State: Done, Artifacts: []Artifact{{Name: ArtifactKey + string(someone), Body: []byte{1}}, {Name: ArtifactBundle + string(someone), Body: []byte{2}}}},
		"problem":  Problem{Code: "not-found"},
		"report":   NewReport(Attest{Data: data}),
		"quote":    NewReport(Attest{Data: data, Quoted: hosted.Quoted{Quote: []byte{1}, Endorsements: [][]byte{{2}}}}),
	}
}

func TestAcceptedReencodes(t *testing.T) {
	for name, v := range accepted(t) {
		in := encode(t, v)
		got, err := decoders[name](in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(encode(t, got), in) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

func TestRefused(t *testing.T) {
	with := func(change func(*Job)) Job {
		j := job
		change(&j)
		return j
	}
	reply := func(seqs ...int64) Replies {
		r := Replies{Items: []Reply{}}
		for _, s := range seqs {
			r.Items = append(r.Items, Reply{Seq: s, From: someone, Body: []byte{1}})
		}
		return r
	}
	for _, c := range []struct {
		name, what string
		v          any
	}{
		{"no memory limit", "job", with(func(j *Job) { j.Limits.MemoryBytes = 0 })},
		{"no time limit", "job", with(func(j *Job) { j.Limits.RunMS = 0 })},
		{"no patience", "job", with(func(j *Job) { j.Limits.ReplyMS = -1 })},
		{"too many threads", "job", with(func(j *Job) { j.Limits.Threads = 4096 })},
		{"nothing to send", "messages", Messages{Items: []Message{}}},
		{"to nobody", "messages", Messages{Items: []Message{{Kind: "hello", Body: []byte{1}}}}},
		{"kind with a space", "messages", Messages{Items: []Message{{To: someone, Kind: "hello you", Body: []byte{1}}}}},
		{"empty message", "messages", Messages{Items: []Message{{To: someone, Kind: "hello", Body: []byte{}}}}},
		{"reply seen before", "replies", reply(10)},
		{"replies out of order", "replies", reply(12, 11)},
		{"reply twice", "replies", reply(12, 12)},
		{"reply of nobody", "replies", Replies{Items: []Reply{{Seq: 11, Body: []byte{1}}}}},
		{"stage in capitals", "stage", Stage{Name: "Run"}},
		{"stage that says too much", "stage", Stage{Name: strings.Repeat("a", MaxText+1)}},
		{"no state", "finish", Finish{Code: "internal"}},
		{"done with a code", "finish", Finish{State: Done, Code: "internal"}},
		{"failed without a code", "finish", Finish{State: Failed}},
		{"failed with an artifact", "finish", Finish{State: Failed, Code: "internal", Artifacts: []Artifact{{Name: "result", Body: []byte{1}}}}},
		{"artifact of no name", "finish", Finish{State: Done, Artifacts: []Artifact{{Name: "other", Body: []byte{1}}}}},
		{"artifact for nobody", "finish", Finish{State: Done, Artifacts: []Artifact{{Name: "key-x", Body: []byte{1}}}}},
		{"empty artifact", "finish", Finish{State: Done, Artifacts: []Artifact{{Name: "result", Body: []byte{}}}}},
		{"artifact twice", "finish", Finish{State: Done, Artifacts: []Artifact{{Name: "result", Body: []byte{1}}, {Name: "result", Body: []byte{1}}}}},
		{"code with text", "finish", Finish{State: Failed, Code: "value 42 is wrong"}},
		{"short report", "report", Report{Data: "00"}},
		{"report in capitals", "report", Report{Data: strings.Repeat("AB", 64)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := decoders[c.what](encode(t, c.v))
			if !errors.Is(err, ErrMalformed) || got != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	big := append(append([]byte(`{"name":"`), bytes.Repeat([]byte("a"), MaxSmall)...), `"}`...)
	if _, err := DecodeStage(big); !errors.Is(err, ErrMalformed) {
		t.Error("a stage without bound")
	}
}

func TestArtifactNames(t *testing.T) {
	for name, want := range map[string]bool{
		"result": true, "key-" + string(someone): true, "bundle-" + string(someone): true,
		"": false, "key-": false, "key-me": false, "results": false, "receipt": false, "key-" + string(someone) + "x": false, "../result": false,
	} {
		if ValidArtifact(name) != want {
			t.Errorf("%q: want %v", name, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for name, v := range accepted(f) {
		f.Add(name, encode(f, v))
	}
	f.Add("job", []byte(`{"job":null}`))
	f.Fuzz(func(t *testing.T, what string, src []byte) {
		decode, ok := decoders[what]
		if !ok {
			return
		}
		got, err := decode(src)
		if err != nil {
			if got != nil {
				t.Error("refused, and returned something")
			}
			return
		}
		if !bytes.Equal(encode(t, got), src) {
			t.Error("accepted bytes that are not the encoding of what they mean")
		}
	})
}

// Vectors are lines of: what, "ok" or "refused", bytes.
func TestVectors(t *testing.T) {
	src, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(src)) {
		what, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		verdict, text, _ := strings.Cut(rest, " ")
		decode, ok := decoders[what]
		if !ok || verdict != "ok" && verdict != "refused" {
			t.Fatalf("not a vector: %s", line)
		}
		got, err := decode([]byte(text))
		if (err == nil) != (verdict == "ok") || (err != nil && got != nil) {
			t.Errorf("%s %s: got %v", what, text, err)
		}
		seen[what+verdict]++
	}
	for what := range decoders {
		if seen[what+"ok"] == 0 || seen[what+"refused"] == 0 {
			t.Errorf("no vectors of %s", what)
		}
	}
}
