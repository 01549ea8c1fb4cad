package docs_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/internal/tests3"
)

// operating returns the commands of docs/operating.md before and behind the heading of the bucket.
func operating(t *testing.T) (folder, bucket string) {
	t.Helper()
	before, after, ok := strings.Cut(read(t, "docs/operating.md"), "\n## A bucket as the lake\n")
	if !ok {
		t.Fatal("the page has no section about buckets")
	}
	commands := func(text string) (out string, n int) {
		for _, m := range regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllStringSubmatch(text, -1) {
			out, n = out+m[1], n+1
		}
		return out, n
	}
	var n, k int
	folder, n = commands(before)
	bucket, k = commands(after)
	const limits = 1 // a file, which internal/cli reads: TestLimitsInDocs
	if n != 6 || k != 1 || strings.Count(before+after, "```") != 2*(n+k+limits) {
		t.Fatalf("%d and %d blocks of commands; this test runs 6 and 1, and there are no others but the limits", n, k)
	}
	return folder, bucket
}

// free is an address of this machine that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func runCommands(t *testing.T, script string) string {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(bin, "cordon"))
	need.That(t, err == nil, "bin/cordon is not built: run make build")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"+script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestOperating(t *testing.T) {
	script, _ := operating(t)
	_, err := exec.LookPath("curl")
	need.That(t, err == nil, "curl is not installed")
	script = strings.NewReplacer("127.0.0.1:7400", free(t), "127.0.0.1:7401", free(t)).Replace(script)
	out := runCommands(t, script)
	for _, want := range []string{`{"alive":true}`, `{"ready":true,"store":"ok","lake":"ok"}`, "cordon_requests_total{", "named, not copied", ", copied", "manifest: sha256:",
		"restored: exchange1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if n := strings.Count(out, ": 0 faults\n"); n != 2 {
		t.Errorf("%d checks without faults, want 2:\n%s", n, out)
	}
}

func TestOperatingWithABucket(t *testing.T) {
	_, script := operating(t)
	s := tests3.Start(t)
	script = strings.NewReplacer("http://127.0.0.1:7070", s.Endpoint(), "127.0.0.1:7402", free(t), "AWS_ACCESS_KEY_ID=exchange", "AWS_ACCESS_KEY_ID="+os.Getenv("AWS_ACCESS_KEY_ID"),
		"of-the-bucket-alone", os.Getenv("AWS_SECRET_ACCESS_KEY")).Replace(script)
	if out := runCommands(t, script); !strings.Contains(out, ": 0 faults\n") || !strings.Contains(out, "manifest: sha256:") {
		t.Errorf("got:\n%s", out)
	}
}

// TestOperatingOverPostgreSQL copies a database that is served, restores it, and serves the copy, by the commands of its page. A request
// that was signed for the first is refused by the second.
func TestOperatingOverPostgreSQL(t *testing.T) {
	_, err := exec.LookPath("pg_dump")
	need.That(t, err == nil, "pg_dump is not installed (Debian: postgresql-client)")
	blocks := regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllStringSubmatch(read(t, "docs/operating-postgresql.md"), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of commands; this test runs 1, and there are no others", len(blocks))
	}
	db := testpg.Database(t)
	copied := strings.Replace(db, "?", "restored?", 1)
	name := strings.TrimPrefix(copied[:strings.Index(copied, "?")], "postgres://cordon@/")
	script := strings.NewReplacer("postgres://cordon@db.example/exchange", db, "postgres://cordon@db.example/restored", copied,
		"' restored\n", "' "+name+"\n").Replace(blocks[0][1])
	serve := func(n int, db, address string) string {
		file := "ready" + strconv.Itoa(n) + ".json"
		return "cordon exchange serve --home home --store '" + db + "' --listen " + address + " --json >" + file + " &\npid=$!\nuntil [ -s " + file + " ]; do sleep 0.1; kill -0 $pid; done\ncurl -fsS http://" + address + "/v1/exchange\n"
	}
	first, second := free(t), free(t)
	out := runCommands(t, serve(1, db, first)+script+serve(2, copied, second))
	instances := regexp.MustCompile(`"id":"(exchange1[0-9a-f]{64})","instance":"([0-9a-f]{32})"`).FindAllStringSubmatch(out, -1)
	if len(instances) != 2 || instances[0][1] != instances[1][1] || instances[0][2] == instances[1][2] {
		t.Errorf("ids and instances %v: want one id and two instances", instances)
	}
	if !strings.Contains(out, ": 0 faults\n") {
		t.Errorf("got:\n%s", out)
	}
}
