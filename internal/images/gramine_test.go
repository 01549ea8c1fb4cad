package images

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// manifest is Gramine's published schema of manifests (python/graminelibos/manifest_check.py of Gramine 1.9), less every key
// that would let the host in: allowed files, arguments and environment from outside, debugging, statistics, passed-through
// calls. A key that is not here is one that Gramine refuses, or that the enclave must not have.
type manifest struct {
	Libos struct {
		Entrypoint string `toml:"entrypoint"`
	} `toml:"libos"`
	Loader struct {
		Entrypoint struct {
			URI string `toml:"uri"`
		} `toml:"entrypoint"`
		Argv     []string          `toml:"argv"`
		Env      map[string]string `toml:"env"`
		LogLevel string            `toml:"log_level"`
	} `toml:"loader"`
	FS struct {
		Root struct {
			Type string `toml:"type"`
		} `toml:"root"`
		Mounts []struct {
			Type string `toml:"type"`
			Path string `toml:"path"`
			URI  string `toml:"uri"`
		} `toml:"mounts"`
	} `toml:"fs"`
	Sys struct {
		DisallowSubprocesses bool `toml:"disallow_subprocesses"`
		Stack                struct {
			Size string `toml:"size"`
		} `toml:"stack"`
		Brk struct {
			MaxSize string `toml:"max_size"`
		} `toml:"brk"`
	} `toml:"sys"`
	SGX struct {
		Debug             *bool    `toml:"debug"`
		EDMM              bool     `toml:"edmm_enable"`
		EnclaveSize       string   `toml:"enclave_size"`
		MaxThreads        int      `toml:"max_threads"`
		UseExinfo         bool     `toml:"use_exinfo"`
		ISVProdID         int      `toml:"isvprodid"`
		ISVSVN            int      `toml:"isvsvn"`
		RemoteAttestation string   `toml:"remote_attestation"`
		FileCheckPolicy   string   `toml:"file_check_policy"`
		TrustedFiles      []string `toml:"trusted_files"`
	} `toml:"sgx"`
}

// rendered is the manifest as gramine-manifest would write it: the only thing that the template asks for is where Gramine is.
func rendered(t *testing.T) string {
	t.Helper()
	const libos = "/usr/lib/x86_64-linux-gnu/gramine/libsysdb.so"
	text := strings.ReplaceAll(string(manifestTemplate), "{{ gramine.libos }}", libos)
	if strings.ContainsAny(text, "{}%") && strings.Contains(text, "{{") {
		t.Fatal("the template asks for more")
	}
	return text
}

func TestManifest(t *testing.T) {
	var m manifest
	meta, err := toml.Decode(rendered(t), &m)
	if err != nil {
		t.Fatal(err)
	}
	if left := meta.Undecoded(); len(left) != 0 {
		t.Errorf("keys that Gramine's schema does not have, or that let the host in: %v", left)
	}
	if m.SGX.Debug == nil || *m.SGX.Debug || m.SGX.RemoteAttestation != "dcap" || m.SGX.FileCheckPolicy != "strict" {
		t.Errorf("sgx: %+v", m.SGX)
	}
	if !m.Sys.DisallowSubprocesses || m.Loader.LogLevel != "none" {
		t.Error("subprocesses, or a log that the host reads")
	}
	if !reflect.DeepEqual(m.Loader.Argv, []string{"cordon-enclave", "gramine"}) || m.Libos.Entrypoint != "/cordon-enclave" || m.FS.Root.Type != "tmpfs" {
		t.Errorf("arguments %v, entry %s, root %s", m.Loader.Argv, m.Libos.Entrypoint, m.FS.Root.Type)
	}
	if len(m.FS.Mounts) != 1 || m.FS.Mounts[0].Path != "/cordon-enclave" || m.FS.Mounts[0].URI != "file:cordon-enclave" {
		t.Errorf("mounts: %+v", m.FS.Mounts)
	}
	// What is mounted and run is measured.
	measured := strings.Join(m.SGX.TrustedFiles, " ")
	if len(m.SGX.TrustedFiles) != 2 || !strings.Contains(measured, "file:cordon-enclave") || !strings.Contains(measured, m.Loader.Entrypoint.URI) {
		t.Errorf("trusted files: %v", m.SGX.TrustedFiles)
	}
}

func TestWhatGramineIsGiven(t *testing.T) {
	about, files, err := Build(context.Background(), Options{Kind: SGX, Enclave: program})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		if f.Name != "cordon-enclave" && !strings.Contains(string(f.Data), "NEVER RUN ON HARDWARE") {
			t.Errorf("%s is not marked", f.Name)
		}
	}
	if !reflect.DeepEqual(names, []string{"cordon-enclave.manifest.template", "Dockerfile", "cordon-enclave"}) {
		t.Errorf("files: %v", names)
	}
	if about.Hardware != "never run on hardware" || about.Measured != nil {
		t.Errorf("got %+v", about)
	}
}

// TestDockerfile: every base is an argument, which the builder pins, and the signing key is a secret of the build.
func TestDockerfile(t *testing.T) {
	text := string(dockerfile)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "FROM ") && !strings.HasPrefix(line, "FROM ${GRAMINE}") {
			t.Errorf("a base that nobody pinned: %s", line)
		}
		if strings.HasPrefix(line, "COPY ") && strings.Contains(line, ".pem") {
			t.Errorf("a key enters the image: %s", line)
		}
	}
	if !strings.Contains(text, "--mount=type=secret,id=key") || strings.Contains(text, "ARG GRAMINE=") {
		t.Error("the key is no secret, or the base has a default")
	}
}
