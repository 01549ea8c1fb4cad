// Package deploy_test checks what can be checked of the files here without building images: that every command line is one of cordon's.
package deploy_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/cordon-exchange/cordon/internal/cli"
	"github.com/cordon-exchange/cordon/internal/need"
)

// command has the real command line read args, up to where the command would run, and returns the command's name.
func command(args []string) (name string, err error) {
	root := cli.NewRootCommand()
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	var instead func(*cobra.Command)
	instead = func(c *cobra.Command) {
		if c.Runnable() {
			c.Run, c.RunE = nil, func(c *cobra.Command, _ []string) error {
				if !c.HasSubCommands() { // a word that only groups others prints their names
					name = c.CommandPath()
				}
				return nil
			}
		}
		for _, sub := range c.Commands() {
			instead(sub)
		}
	}
	instead(root)
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		return "", err
	}
	if name == "" {
		return "", errors.New("nothing would run")
	}
	return name, nil
}

func parse(t *testing.T, where string, args []string) {
	t.Helper()
	if _, err := command(args); err != nil {
		t.Errorf("%s: %q: %v", where, args, err)
	}
}

// TestParseFindsMistakes: a command line with a mistake in it would fail the tests below.
func TestParseFindsMistakes(t *testing.T) {
	for _, args := range [][]string{{"exchange", "serve", "--hom", "x"}, {"exchange", "serv"}, {"exchange"}, {"exchange", "serve", "extra"}, {"exchange", "serve", "--lease", "x"}} {
		if name, err := command(args); err == nil {
			t.Errorf("%q passed as %s", args, name)
		}
	}
	if name, err := command([]string{"exchange", "serve", "--home", "x"}); err != nil || name != "cordon exchange serve" {
		t.Errorf("%s %v", name, err)
	}
}

func files(t *testing.T, pattern string, want int) map[string]string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) != want {
		t.Fatalf("%d files match %s, this test knows %d: %v", len(list), pattern, want, err)
	}
	out := map[string]string{}
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

func TestDockerfiles(t *testing.T) {
	instruction := regexp.MustCompile(`(?m)^([A-Z]+) +(.*)$`)
	for name, text := range files(t, "docker/*.Dockerfile", 4) {
		last := map[string]string{}
		for _, m := range instruction.FindAllStringSubmatch(text, -1) {
			last[m[1]] = m[2]
		}
		if last["FROM"] != "scratch" {
			t.Errorf("%s: the image is from %q, not from scratch", name, last["FROM"])
		}
		if name == filepath.Join("docker", "enclave.Dockerfile") {
			continue // carries a program that only a host starts
		}
		var entry, args []string
		if err := json.Unmarshal([]byte(last["ENTRYPOINT"]), &entry); err != nil || len(entry) != 1 || entry[0] != "/cordon" {
			t.Errorf("%s: entry point %q: %v", name, last["ENTRYPOINT"], err)
		}
		if err := json.Unmarshal([]byte(last["CMD"]), &args); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		parse(t, name, args)
		if last["USER"] == "" || strings.HasPrefix(last["USER"], "0") || strings.HasPrefix(last["USER"], "root") {
			t.Errorf("%s: runs as %q", name, last["USER"])
		}
		for _, m := range regexp.MustCompile(`\./(cmd|tools)/[a-z-]+`).FindAllString(text, -1) {
			if _, err := os.Stat(filepath.Join("..", m)); err != nil {
				t.Errorf("%s builds %s: %v", name, m, err)
			}
		}
	}
}

func TestCompose(t *testing.T) {
	var c struct {
		Services map[string]struct {
			Build   struct{ Context, Dockerfile string }
			Command []string
			CapDrop []string `yaml:"cap_drop"`
		}
	}
	text := files(t, "compose.yaml", 1)["compose.yaml"]
	if err := yaml.Unmarshal([]byte(text), &c); err != nil || len(c.Services) != 2 {
		t.Fatalf("%d services: %v", len(c.Services), err)
	}
	for name, s := range c.Services {
		parse(t, name, s.Command)
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" {
			t.Errorf("%s keeps capabilities", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)docker compose run --rm host (.*)$`).FindAllStringSubmatch(text, -1) {
		parse(t, "the comment", strings.Fields(m[1]))
	}
}

// TestUnits: systemd takes them, their commands are cordon's, and what they leave open is known.
func TestUnits(t *testing.T) {
	exposure := map[string]string{"cordon-exchange.service": "15", "cordon-agent.service": "15", "cordon-host.service": "60"}
	exec1 := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/cordon (.*)$`)
	for name, text := range files(t, "systemd/*.service", 3) {
		m := exec1.FindAllStringSubmatch(text, -1)
		if len(m) != 1 {
			t.Errorf("%s: %d commands", name, len(m))
			continue
		}
		parse(t, name, strings.Fields(m[0][1]))
		for _, c := range regexp.MustCompile(`(?m)^#.*: cordon (.*)$`).FindAllStringSubmatch(text, -1) {
			parse(t, name, strings.Fields(c[1]))
		}
		t.Run(filepath.Base(name), func(t *testing.T) { verify(t, filepath.Base(name), text, exposure[filepath.Base(name)]) })
	}
}

func verify(t *testing.T, name, text, exposure string) {
	_, err := exec.LookPath("systemd-analyze")
	need.That(t, err == nil, "systemd-analyze is not installed")
	self, err := os.Executable() // a program that is there, in the place of ours
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), name)
	text = strings.ReplaceAll(text, "ExecStart=/usr/local/bin/cordon ", "ExecStart="+self+" ")
	text = regexp.MustCompile(`(?m)^User=.*$`).ReplaceAllString(text, "User=daemon") // made when it is installed
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold="+exposure, unit).CombinedOutput(); err != nil {
		t.Errorf("exposed more than %s of 100: %v\n%s", exposure, err, out)
	}
}
