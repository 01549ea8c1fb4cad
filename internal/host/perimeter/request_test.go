package perimeter

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestRequestText(t *testing.T) {
	t.Parallel()
	for _, n := range Names() {
		for _, swap := range []bool{false, true} {
			r := Request{Name: n, AllowSwap: swap}
			got, err := ParseRequest(r.String())
			if err != nil || got != r {
				t.Errorf("%v: got %v, %v", r, got, err)
			}
		}
	}
	for _, bad := range []string{
		"", "+swap", "insecure", "none", "Process", "process ", "process+swap+swap", "process+", "process,process-shared-pid",
	} {
		if got, err := ParseRequest(bad); !errors.Is(err, errRequest) || got != (Request{}) {
			t.Errorf("%q: got %v, %v", bad, got, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add("process+swap")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRequest(text)
		if err == nil && r.String() != text {
			t.Errorf("%q re-encodes to %q", text, r)
		}
		if err != nil && r != (Request{}) {
			t.Errorf("refused, but %v returned", r)
		}
	})
}

// TestFormJSON holds the form's text still: it stands in receipts.
func TestFormJSON(t *testing.T) {
	t.Parallel()
	f := Form{
		Name: Process, Swap: SwapNone, Kernel: "6.18.44", Namespaces: []string{"cgroup", "ipc"}, Root: RootEmpty,
		Proc: ProcOwnNamespace, LandlockABI: 7, Landlock: []string{LandlockFS}, User: UserUnprivileged,
		Capabilities: CapabilitiesNone, NoNewPrivs: true,
		Limits: Limits{MemoryBytes: 1 << 30, AddressBytes: 1 << 32, Files: DefaultFiles, Threads: DefaultThreads},
	}
	got, err := json.Marshal(f)
	const want = `{"name":"process","swap":"none","kernel":"6.18.44","namespaces":["cgroup","ipc"],"root":"empty",` +
		`"proc":"own-namespace","landlock_abi":7,"landlock":["fs"],"user":"unprivileged","capabilities":"none",` +
		`"no_new_privs":true,"core_bytes":0,"limits":{"memory_bytes":1073741824,"address_bytes":4294967296,"files":1024,"threads":256,"cpu_seconds":0}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
