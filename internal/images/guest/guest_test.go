package guest

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func kernel(r Recipe) Kernel {
	config := []byte(strings.Join(r.Options, "\n") + "\n")
	return r.From("6.12-cloud", func(path string) []byte {
		switch {
		case path == "boot/config-6.12-cloud":
			return config
		case path == "boot/vmlinuz-6.12-cloud", strings.HasPrefix(path, "lib/modules/6.12-cloud/kernel/") && strings.HasSuffix(path, ".ko.zst"):
			return []byte(path)
		}
		return nil
	})
}

func TestMakeRefuses(t *testing.T) {
	for _, r := range Recipes() {
		for name, c := range map[string]struct {
			change  func(*Kernel)
			program string
			want    error
		}{
			"no kernel":           {func(k *Kernel) { k.Image = nil }, "p", ErrKernel},
			"no configuration":    {func(k *Kernel) { k.Config = nil }, "p", ErrKernel},
			"no program":          {func(*Kernel) {}, "", ErrKernel},
			"no module":           {func(k *Kernel) { delete(k.Modules, r.Modules[1].Path) }, "p", ErrKernel},
			"an option missing":   {func(k *Kernel) { k.Config = []byte(strings.Join(r.Options[1:], "\n")) }, "p", ErrOptions},
			"an option as module": {func(k *Kernel) { k.Config = []byte(strings.Replace(string(k.Config), "=y", "=m", 1)) }, "p", ErrOptions},
			"an option in a word": {func(k *Kernel) {
				k.Config = []byte(strings.Replace(string(k.Config), r.Options[0], "# "+r.Options[0], 1))
			}, "p", ErrOptions},
		} {
			t.Run(r.Kind+"/"+name, func(t *testing.T) {
				k := kernel(r)
				c.change(&k)
				if m, err := r.Make(k, []byte(c.program), false); !errors.Is(err, c.want) || m != nil {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestBuiltIn: what a kernel has built in needs no file, and what it has not does.
func TestBuiltIn(t *testing.T) {
	for _, r := range Recipes() {
		k := kernel(r)
		delete(k.Modules, r.Modules[0].Path)
		k.Config = append(k.Config, r.Modules[0].Option+"=y\n"...)
		m, err := r.Make(k, []byte("p"), false)
		if err != nil {
			t.Fatalf("%s: %v", r.Kind, err)
		}
		files, err := m.Files()
		if err != nil {
			t.Fatal(err)
		}
		var modules []string
		for _, f := range files {
			if strings.HasPrefix(f.Name, "modules/") {
				modules = append(modules, f.Name)
			}
		}
		if len(modules) != len(r.Modules)-1 || !strings.HasSuffix(modules[0], ".ko.zst") || !strings.HasPrefix(modules[0], "modules/01-") {
			t.Errorf("%s: %v", r.Kind, modules)
		}
	}
}

func TestFormOnlyTellsWhatIsLacking(t *testing.T) {
	r, err := Find("nitro")
	if err != nil {
		t.Fatal(err)
	}
	k := kernel(r)
	k.Config = []byte(strings.Join(r.Options[1:], "\n"))
	m, err := r.Make(k, []byte("p"), true)
	if err != nil || !slices.Equal(m.Lacking, r.Options[:1]) {
		t.Errorf("got %+v, %v", m, err)
	}
}

// TestCommandLines: the machine ends when its process does, nobody reads its memory through the kernel, and the process is told
// which machine it is.
func TestCommandLines(t *testing.T) {
	for _, r := range Recipes() {
		words := strings.Fields(r.Cmdline)
		for _, w := range []string{"panic=-1", "lockdown=confidentiality"} {
			if !slices.Contains(words, w) {
				t.Errorf("%s: no %s", r.Kind, w)
			}
		}
		if words[len(words)-1] != r.Kind {
			t.Errorf("%s: %q", r.Kind, r.Cmdline)
		}
	}
	if _, err := Find("moon"); !errors.Is(err, ErrKind) {
		t.Errorf("got %v", err)
	}
}
