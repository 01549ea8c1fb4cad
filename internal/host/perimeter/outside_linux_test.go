package perimeter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/internal/privileges"
)

// TestFormMatchesReality looks at a running enclave from outside and compares it with what Form and Observed say.
func TestFormMatchesReality(t *testing.T) {
	t.Parallel()
	eachForm(t, func(t *testing.T, r Request) {
		s, h := begin(t, Options{Request: r})
		f := s.Form()
		if _, err := s.try(t, "runtime", 0); err != nil { // so that there are many threads
			t.Fatal(err)
		}
		if f.Request() != r {
			t.Errorf("form %v for request %v", f.Request(), r)
		}
		checkNamespacesOutside(t, s.Pid(), f)
		checkMounts(t, s.Pid(), f)
		checkThreads(t, s.Pid(), f)
		checkDescriptors(t, s.Pid())
		checkIdentity(t, s.Pid(), f)
		checkObserved(t, h, f)
	})
}

func checkNamespacesOutside(t *testing.T, pid int, f Form) {
	t.Helper()
	var own []string
	for _, k := range namespaceKinds() {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, k.kind))
		if err != nil {
			t.Skip("only root may look at the enclave's namespaces")
		}
		ours, err := os.Readlink("/proc/self/ns/" + k.kind)
		if err != nil {
			t.Fatal(err)
		}
		if theirs != ours {
			own = append(own, k.kind)
		}
	}
	sort.Strings(own)
	if strings.Join(own, " ") != strings.Join(f.Namespaces, " ") {
		t.Errorf("own namespaces %v, form says %v", own, f.Namespaces)
	}
	want := map[Name]int{Process: 7, SharedPID: 6, NoUserNS: 0}[f.Name]
	if len(own) != want {
		t.Errorf("%d own namespaces, want %d", len(own), want)
	}
}

// checkMounts: the empty root and its proc, nothing underneath or on top, both read-only or without anything to write.
func checkMounts(t *testing.T, pid int, f Form) {
	t.Helper()
	if f.Root != RootEmpty {
		return
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	var mounts []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // id, parent, device, root, where, options …
		mounts = append(mounts, fields[4]+" "+strings.Split(fields[5], ",")[0])
	}
	want := []string{"/ ro", "/proc ro"}
	if f.Proc == ProcOwnEntry {
		want[1] = "/proc/self ro"
	}
	if !reflect.DeepEqual(mounts, want) {
		t.Errorf("mounts %q, want %q", mounts, want)
	}
}

// checkThreads: the filter and no_new_privs hold in every thread, not just in the one that asked.
func checkThreads(t *testing.T, pid int, f Form) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	if len(tasks) < 3 {
		t.Errorf("%d threads, want several", len(tasks))
	}
	for _, task := range tasks {
		var tid int
		if _, err := fmt.Sscan(task.Name(), &tid); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"Seccomp": "2", "NoNewPrivs": "1", "CapEff": strings.Repeat("0", 16), "CapPrm": strings.Repeat("0", 16)}
		if len(f.Namespaces) > 0 {
			want["CapBnd"] = strings.Repeat("0", 16)
		}
		for field, w := range want {
			got, err := statusField(tid, field)
			if errors.Is(err, os.ErrNotExist) {
				continue // a thread that has just ended
			}
			if err != nil || got != w {
				t.Errorf("thread: %s is %q (%v), want %q", field, got, err, w)
			}
		}
	}
}

// checkDescriptors: only the null device, the channel with its second stream, and what the Go runtime and net.FileConn made.
func checkDescriptors(t *testing.T, pid int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("only root may look at the enclave's descriptors")
	}
	count := map[string]int{}
	for _, fd := range fds {
		target, err := os.Readlink(dir + "/" + fd.Name())
		if err != nil {
			continue
		}
		kind, _, _ := strings.Cut(target, ":[")
		count[kind]++
	}
	if count["/dev/null"] != 3 {
		t.Errorf("standard descriptors: %v", count)
	}
	delete(count, "/dev/null")
	for kind := range count {
		if kind != "socket" && kind != "anon_inode" {
			t.Errorf("an open %s", kind)
		}
	}
}

func checkIdentity(t *testing.T, pid int, f Form) {
	t.Helper()
	uid, err := statusField(pid, "Uid")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(os.Geteuid())
	if f.User == UserUnprivileged {
		want = fmt.Sprint(privileges.Nobody)
	}
	if uid != strings.TrimSpace(strings.Repeat(want+" ", 4)) {
		t.Errorf("runs as %q, form says %q", uid, f.User)
	}
	if os.Geteuid() == 0 && f.User != UserUnprivileged {
		t.Errorf("root starts an enclave as %q", f.User)
	}
	groups, err := statusField(pid, "Groups")
	if err != nil || (f.User == UserUnprivileged && groups != "") {
		t.Errorf("groups %q (%v)", groups, err)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || string(cmdline) != "cordon-enclave\x00"+f.Request().String()+"\x00" {
		t.Errorf("command line %q (%v)", cmdline, err)
	}
	if adj, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid)); err != nil || string(adj) != "1000\n" {
		t.Errorf("out-of-memory score %q (%v)", adj, err)
	}
	// Not dumpable: the entry belongs to root, not to the user it runs as.
	if f.Name == NoUserNS && f.User == UserUnprivileged {
		var st unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d/mem", pid), &st); err != nil || st.Uid != 0 {
			t.Errorf("memory file owned by %d (%v), want 0", st.Uid, err)
		}
	}
}

func checkObserved(t *testing.T, h hello, f Form) {
	t.Helper()
	o := h.Observed
	if o.Claim != f.Request().String() {
		t.Errorf("claim %q, form %q", o.Claim, f.Request())
	}
	has := func(kind string) bool {
		for _, n := range f.Namespaces {
			if n == kind {
				return true
			}
		}
		return false
	}
	if o.UserNamespace != has("user") || o.NetworkNamespace != has("net") || o.PIDNamespace != has("pid") {
		t.Errorf("observed namespaces %+v, form says %v", o, f.Namespaces)
	}
	if o.EmptyRoot != (f.Root == RootEmpty) || !o.RootDenied {
		t.Errorf("observed root %+v, form says %q", o, f.Root)
	}
	if !o.NoNewPrivs || !o.NoCapabilities || !o.NotDumpable || !o.NoCore || o.MemoryBytes != f.Limits.MemoryBytes {
		t.Errorf("observed %+v", o)
	}
}

func statusField(pid int, name string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(v), " "), nil
		}
	}
	return "", errors.New("no such field")
}

// TestLyingHost: a host that claims more than there is gets no enclave.
func TestLyingHost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		real  Name
		claim string
		want  string
	}{
		{SharedPID, "process", "own pid namespace"},
		{NoUserNS, "process-shared-pid", "own user namespace"},
		{NoUserNS, "process", "own user namespace"},
		{NoUserNS, "insecure", "unknown claim"},
		{NoUserNS, "", "unknown claim"},
	}
	for _, tt := range tests {
		t.Run(string(tt.real)+" as "+tt.claim, func(t *testing.T) {
			r := offered(t, tt.real)
			if os.Geteuid() != 0 && tt.real == NoUserNS && tt.claim != "insecure" && tt.claim != "" {
				tt.want = "no capabilities" // the bounding set is full, which is checked first
			}
			lie := realFacts()
			lie.start = func(cmd *exec.Cmd) error {
				var c stageConfig
				if err := json.Unmarshal([]byte(cmd.Args[2]), &c); err != nil {
					return err
				}
				c.Claim = tt.claim
				text, err := json.Marshal(c)
				cmd.Args[2] = string(text)
				return errors.Join(err, cmd.Start())
			}
			e, err := Start(t.Context(), Options{Image: probeImage(t), Request: r, Limits: testLimits(), facts: lie})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Conn().Close()
			said, _ := io.ReadAll(e.Conn())
			if !strings.HasSuffix(strings.TrimSpace(string(said)), tt.want) {
				t.Errorf("the enclave said %q, want %q", said, tt.want)
			}
			if st := e.Wait(); st.Code != 3 {
				t.Errorf("ended by %v", st)
			}
		})
	}
}

// TestInheritedDescriptor: what the host leaks does not reach the enclave.
func TestInheritedDescriptor(t *testing.T) {
	t.Parallel()
	leak, err := os.Open("/etc/passwd")
	need.That(t, err == nil, "no file to leak")
	defer leak.Close()
	f := realFacts()
	f.start = func(cmd *exec.Cmd) error {
		cmd.ExtraFiles = append(cmd.ExtraFiles, leak, leak)
		cmd.Env = append(cmd.Env, "CORDON_LEAK=1")
		return cmd.Start()
	}
	s, _ := begin(t, Options{Request: offered(t, NoUserNS), facts: f}) // Prepare checks both
	checkDescriptors(t, s.Pid())
	checkEnvironment(t, s)
}

// TestLastWordsGoNowhere: an enclave that panics over a value, or whose engine aborts, ends, and nobody hears what it says of it.
func TestLastWordsGoNowhere(t *testing.T) {
	t.Parallel()
	eachForm(t, func(t *testing.T, r Request) {
		for _, name := range []string{"panic with data", "abort in C", "fault in C"} {
			t.Run(name, func(t *testing.T) {
				s, _ := begin(t, Options{Request: r})
				o, err := s.try(t, name, 4711)
				if !errors.Is(err, errEnded) {
					t.Fatalf("survived: %v", o)
				}
				if st := s.Wait(); st.Clean() {
					t.Errorf("ended by %v", st)
				}
				if s.said.has("canary") {
					t.Error("its last words were heard")
				}
				if !s.said.has(r.String()) { // the claim, in its first message
					t.Error("nothing was recorded at all")
				}
			})
		}
	})
}

// listener collects what is written to a file.
func listener(t *testing.T) (words func() string, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(r)
		done <- string(text)
	}()
	t.Cleanup(func() { w.Close(); r.Close() })
	return func() string { return <-done }, w
}

// TestNoEars: a host that wants to listen to an enclave's standard error gets no enclave. Its own last words show what it would hear.
func TestNoEars(t *testing.T) {
	t.Parallel()
	for _, fd := range []string{"stdin", "stdout", "stderr"} {
		t.Run(fd, func(t *testing.T) {
			words, w := listener(t)
			f := realFacts()
			f.start = func(cmd *exec.Cmd) error {
				switch fd {
				case "stdin":
					cmd.Stdin = w
				case "stdout":
					cmd.Stdout = w
				case "stderr":
					cmd.Stderr = w
				}
				return cmd.Start()
			}
			e, err := Start(t.Context(), Options{Image: probeImage(t), Request: offered(t, NoUserNS), Limits: testLimits(), facts: f})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Conn().Close()
			said, _ := io.ReadAll(e.Conn())
			if !strings.HasSuffix(strings.TrimSpace(string(said)), "standard descriptors") {
				t.Errorf("the enclave said %q", said)
			}
			if st := e.Wait(); st.Code != 3 {
				t.Errorf("ended by %v", st)
			}
			w.Close()
			if text := words(); text != "" {
				t.Errorf("heard %q", text)
			}
		})
	}
}

// TestSecondStream: a host that gives something else than a stream for ciphertext gets no enclave.
func TestSecondStream(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := realFacts()
	f.start = func(cmd *exec.Cmd) error {
		cmd.ExtraFiles[1] = file
		return cmd.Start()
	}
	e, err := Start(t.Context(), Options{Image: probeImage(t), Request: offered(t, NoUserNS), Limits: testLimits(), facts: f})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Conn().Close()
	defer e.Bulk().Close()
	defer e.Kill()
	_ = e.Conn().SetReadDeadline(time.Now().Add(10 * time.Second))
	said, _ := io.ReadAll(e.Conn())
	if !strings.HasSuffix(strings.TrimSpace(string(said)), "second stream") {
		t.Fatalf("the enclave said %q", said)
	}
	if st := e.Wait(); st.Code != 3 {
		t.Errorf("ended by %v", st)
	}
}

// TestFilterIsTheSameInEachProcess: receipts compare hashes across jobs.
func TestFilterIsTheSameInEachProcess(t *testing.T) {
	t.Parallel()
	r := offered(t, NoUserNS) // where process ids differ
	_, a := begin(t, Options{Request: r})
	_, b := begin(t, Options{Request: r})
	if a.Filter == "" || a.Filter != b.Filter || !reflect.DeepEqual(a.Names, b.Names) {
		t.Errorf("filters %s and %s", a.Filter, b.Filter)
	}
}

// TestStartTime reports how long an enclave takes from Start to its first byte: fork, first stage, execution,
// checks, filter, and the HTTP/2 preface.
func TestStartTime(t *testing.T) {
	f, err := Strongest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	img := probeImage(t)
	var all []time.Duration
	for range 20 {
		start := time.Now()
		e, err := Start(t.Context(), Options{Image: img, Request: f.Request(), Limits: testLimits()})
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := io.ReadFull(e.Conn(), b); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(start))
		e.Kill()
		e.Wait()
		e.Conn().Close()
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	t.Logf("%s: start to first byte: first quartile %v, median %v, worst %v", f.Request(), all[5], all[10], all[19])
	if all[10] > 2*time.Second {
		t.Errorf("median start %v", all[10])
	}
}
