package enclavebuild

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
	"github.com/cordon-exchange/cordon/internal/need"
)

const root = "../.."

// testSource stands for a commit: the copies that are built here are none.
var testSource = Source{Commit: strings.Repeat("0a", 20)}

// TestBuildsTheSameTwice builds the enclave twice: here with the caches that are there, and in a copy in another folder with no
// cache, another home, folder for temporary files, module cache path, umask, user and number of processors. Program, manifest and
// bill of materials must be the same bytes.
func TestBuildsTheSameTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything anew")
	}
	needTools(t)
	ctx := t.Context()
	here := must(Make(ctx, t.TempDir(), Options{Root: root, Go: "go", Source: testSource}))(t)
	there := elsewhere(t)
	for _, c := range []struct {
		what string
		a, b []byte
	}{
		{"program", must(os.ReadFile(here.Program))(t), must(os.ReadFile(there.Program))(t)},
		{"manifest", here.Manifest, there.Manifest},
		{"bill of materials", here.SBOM, there.SBOM},
	} {
		if !bytes.Equal(c.a, c.b) {
			t.Errorf("the two builds differ in the %s, at byte %d", c.what, firstDifference(c.a, c.b))
		}
	}
	checkManifest(t, here)
	checkSBOM(t, here)
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// elsewhere builds a copy of the module, by this program run anew as another user of another namespace.
func elsewhere(t *testing.T) *Release {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "another", "folder-of-the-second-build")
	source := filepath.Join(dir, "cordon")
	copyModule(t, source)
	modules := strings.TrimSpace(string(must(exec.Command("go", "env", "GOMODCACHE").Output())(t)))
	link := filepath.Join(dir, "modules")
	if err := os.Symlink(modules, link); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	cmd := exec.Command("sh", "-c", `umask 077 && exec "$0" -test.run '^TestSecondBuild$'`, "/proc/self/exe")
	cmd.Args[3] = must(os.Executable())(t)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "GOCACHE=" + filepath.Join(dir, "cache"), "GOMODCACHE=" + link,
		"GOPROXY=off", "GOMAXPROCS=1", "LANG=tr_TR.UTF-8", "TZ=Pacific/Auckland", "GOAMD64=v3", "CGO_CFLAGS=-O0", "USER=nobody",
		secondBuild + "=" + out, secondSource + "=" + source,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1234, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1234, HostID: os.Getgid(), Size: 1}},
	}
	text, err := cmd.CombinedOutput()
	if err != nil && len(text) == 0 { // no user namespaces here: the same user, then
		cmd2 := exec.Command(cmd.Path, cmd.Args[1:]...)
		cmd2.Env = cmd.Env
		text, err = cmd2.CombinedOutput()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &Release{
		Program:  filepath.Join(out, ProgramName),
		Manifest: must(os.ReadFile(filepath.Join(out, ManifestName)))(t), SBOM: must(os.ReadFile(filepath.Join(out, SBOMName)))(t),
	}
}

// Variables by which TestSecondBuild is told what to do.
const (
	secondBuild  = "CORDON_TEST_SECOND_BUILD"
	secondSource = "CORDON_TEST_SECOND_SOURCE"
)

// TestSecondBuild is the other half of TestBuildsTheSameTwice.
func TestSecondBuild(t *testing.T) {
	out, source := os.Getenv(secondBuild), os.Getenv(secondSource)
	if out == "" {
		t.Skip("run by TestBuildsTheSameTwice")
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		t.Fatal(err)
	}
	r := must(Make(t.Context(), out, Options{Root: source, Go: "go", Source: testSource}))(t)
	for name, b := range map[string][]byte{ManifestName: r.Manifest, SBOMName: r.SBOM} {
		if err := os.WriteFile(filepath.Join(out, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// copyModule copies what the build may read.
func copyModule(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := must(filepath.Rel(root, path))(t)
		switch {
		case e.IsDir() && (rel == ".git" || rel == "bin" || rel == "out" || rel == "docs"):
			return fs.SkipDir
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !e.Type().IsRegular() || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func needTools(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"gcc", "ld", "dpkg-query", "go"} {
		_, err := exec.LookPath(tool)
		need.That(t, err == nil, "no "+tool)
	}
}

func checkManifest(t *testing.T, r *Release) {
	t.Helper()
	m := must(DecodeManifest(r.Manifest))(t)
	program, sbom := must(os.ReadFile(r.Program))(t), r.SBOM
	for _, f := range []struct {
		File
		is []byte
	}{{m.Program, program}, {m.SBOM, sbom}} {
		sum := sha256.Sum256(f.is)
		if string(f.Digest) != "sha256:"+hex.EncodeToString(sum[:]) || f.Bytes != int64(len(f.is)) {
			t.Errorf("%s is not the file", f.Name)
		}
	}
	filter := must(lockdown.FilterHash())(t)
	if string(m.Filter) != "sha256:"+filter || m.Source != testSource || m.Go.Version != "go1.26.8" || m.Go.Experiment != "runtimesecret" {
		t.Errorf("manifest: %+v", m)
	}
	noPaths(t, r.Manifest)
}

// noPaths: nothing in it says where on this machine things lie.
func noPaths(t *testing.T, text []byte) {
	t.Helper()
	for _, path := range []string{"/usr/", "/tmp", "/home", "/root", os.TempDir(), must(os.Getwd())(t)} {
		if bytes.Contains(text, []byte(path)) {
			t.Errorf("it says %s", path)
		}
	}
}

func checkSBOM(t *testing.T, r *Release) {
	t.Helper()
	if err := schema(t).Validate(must(jsonschema.UnmarshalJSON(bytes.NewReader(r.SBOM)))(t)); err != nil {
		t.Errorf("not by the schema of CycloneDX: %v", err)
	}
	noPaths(t, r.SBOM)
	var b bom
	if err := json.Unmarshal(r.SBOM, &b); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, c := range b.Components {
		for _, f := range c.Components {
			files[f.Name] = f.Hashes[0].Content
		}
		if strings.Contains(c.Name, ".") && strings.Contains(c.Name, "/") && (len(c.Properties) != 1 || !strings.HasPrefix(c.Properties[0].Value, "h1:")) {
			t.Errorf("%s has no hash of go.sum", c.Name)
		}
	}
	for _, name := range []string{"libduckdb_static.a", "libparquet_extension.a", "libjemalloc_extension.a", "libc.a", "libstdc++.a", "libgcc_eh.a", "crt1.o"} {
		if len(files[name]) != 64 {
			t.Errorf("%s is not listed", name)
		}
	}
	if tag := must(exec.Command("sh", root+"/"+tagScript).Output())(t); len(tag) > 0 {
		script := must(os.ReadFile(root + "/" + tagScript))(t)
		if sum := files["libIPSec_MB.a"]; len(sum) != 64 || !bytes.Contains(script, []byte("sum="+sum+"\n")) {
			t.Errorf("libIPSec_MB.a is listed with %q, which is not the one that the build looks for", sum)
		}
	}
	out := must(exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/duckdb/duckdb-go-bindings/lib/linux-"+b.arch()).Output())(t)
	archive := must(os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "libduckdb_static.a")))(t)
	if sum := sha256.Sum256(archive); files["libduckdb_static.a"] != hex.EncodeToString(sum[:]) {
		t.Error("libduckdb_static.a has another hash")
	}
}

func (b *bom) arch() string {
	for _, c := range b.Components {
		if _, arch, ok := strings.Cut(c.Name, "lib/linux-"); ok {
			return arch
		}
	}
	return ""
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, name := range []string{"spdx.schema.json", "jsf-0.82.schema.json", "bom-1.6.schema.json"} {
		doc := must(jsonschema.UnmarshalJSON(bytes.NewReader(must(os.ReadFile("testdata/" + name))(t))))(t)
		if err := c.AddResource("http://cyclonedx.org/schema/"+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	return must(c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json"))(t)
}

// TestInputsOfNoOrigin: one thing wrong per case.
func TestInputsOfNoOrigin(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	stray := filepath.Join(dir, "stray.a")
	if err := os.WriteFile(stray, []byte("!<arch>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := func(text string) string {
		path := filepath.Join(dir, "list")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	libc := strings.TrimSpace(string(must(exec.Command("gcc", "-print-file-name=libc.a").Output())(t)))
	got := must(readInputs(context.Background(), list("out: \\\n  "+libc+" \\\n  "+dir+"/building/go.o\n\n"+libc+":\n"), "/modules", dir+"/building"))(t)
	if len(got) != 1 || got[0].name != "libc.a" || got[0].pack.source != "glibc" || got[0].pack.version == "" {
		t.Errorf("%+v", got)
	}
	for name, text := range map[string]string{
		"a file of no package": "out: " + stray + "\n",
		"a file not there":     "out: " + filepath.Join(dir, "none.a") + "\n",
		"no list":              "out\n",
	} {
		if _, err := readInputs(context.Background(), list(text), "/modules", "/building"); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, _, err := splitModule("cache/download/x.a"); err == nil {
		t.Error("a file beside the modules: taken")
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(fmt.Errorf("%w", err))
		}
		return v
	}
}
