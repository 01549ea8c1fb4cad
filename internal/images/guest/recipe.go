package guest

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
)

// Errors of recipes.
var (
	ErrKind    = errors.New("guest: no such kind of machine")
	ErrKernel  = errors.New("guest: kernel, module or program missing")
	ErrOptions = errors.New("guest: the kernel lacks what such a machine needs")
)

// Recipe says what a kind of machine needs.
type Recipe struct {
	Kind    string   // the word that the first process is given
	Modules []string // in the order in which they are loaded, as paths below kernel/ without an ending
	Options []string // of the kernel's configuration, which must stand in it as here
	Cmdline string
}

// moduleEnding of Debian's kernel, which unpacks modules itself when they are loaded.
const moduleEnding = ".ko.xz"

// common options: one file system in memory, and doors that nobody opens shut.
func common() []string {
	return []string{
		"CONFIG_BLK_DEV_INITRD=y", "CONFIG_DEVTMPFS=y", "CONFIG_PROC_FS=y", "CONFIG_MODULE_DECOMPRESS=y", "CONFIG_MODULE_SIG=y",
		"CONFIG_SECURITY_LOCKDOWN_LSM=y", "CONFIG_SECURITY_LANDLOCK=y", "CONFIG_SECCOMP_FILTER=y",
	}
}

// Recipes of all kinds. Their command lines have no "--": what firmware or a hypervisor appends (where the root folder is, which
// devices there are) is for the kernel, and would be the first process's behind it. The last word is none that the kernel knows,
// and so the process's.
func Recipes() []Recipe {
	return []Recipe{
		{
			Kind:    "snp",
			Modules: []string{"fs/configfs/configfs", "drivers/virt/coco/tsm", "drivers/virt/coco/sev-guest/sev-guest"},
			Options: append(common(), "CONFIG_AMD_MEM_ENCRYPT=y", "CONFIG_VIRTIO_CONSOLE=y", "CONFIG_VIRTIO_PCI=y"),
			Cmdline: "quiet panic=-1 lockdown=confidentiality snp",
		},
		{
			Kind:    "tdx",
			Modules: []string{"fs/configfs/configfs", "drivers/virt/coco/tsm", "drivers/virt/coco/tdx-guest/tdx-guest"},
			Options: append(common(), "CONFIG_INTEL_TDX_GUEST=y", "CONFIG_EFI_STUB=y", "CONFIG_VIRTIO_CONSOLE=y", "CONFIG_VIRTIO_PCI=y"),
			Cmdline: "quiet panic=-1 lockdown=confidentiality tdx",
		},
		{
			Kind: "nitro",
			Modules: []string{
				"drivers/misc/nsm", "drivers/virtio/virtio_mmio", "net/vmw_vsock/vsock", "net/vmw_vsock/vmw_vsock_virtio_transport_common",
				"net/vmw_vsock/vmw_vsock_virtio_transport",
			},
			// The hypervisor names the enclave's devices at the end of the command line.
			Options: append(common(), "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=y"),
			Cmdline: "reboot=k quiet panic=-1 pci=off lockdown=confidentiality nitro",
		},
	}
}

// Find returns the recipe of a kind.
func Find(kind string) (Recipe, error) {
	for _, r := range Recipes() {
		if r.Kind == kind {
			return r, nil
		}
	}
	return Recipe{}, fmt.Errorf("%w: %q", ErrKind, kind)
}

// Kernel is a kernel of Debian, its configuration and modules.
type Kernel struct {
	Release string
	Image   []byte
	Config  []byte
	Modules map[string][]byte // by their path below kernel/, without an ending
}

// Paths of a kernel's files in its package, for the modules of a recipe.
func (r Recipe) Paths(release string) (image, config string, modules []string) {
	for _, m := range r.Modules {
		modules = append(modules, modulePath(release, m))
	}
	return "./boot/vmlinuz-" + release, "./boot/config-" + release, modules
}

func modulePath(release, module string) string {
	return "./lib/modules/" + release + "/kernel/" + module + moduleEnding
}

// From sorts the files of a package into a kernel.
func (r Recipe) From(release string, files map[string][]byte) Kernel {
	image, config, _ := r.Paths(release)
	k := Kernel{Release: release, Image: files[image], Config: files[config], Modules: map[string][]byte{}}
	for _, m := range r.Modules {
		k.Modules[m] = files[modulePath(release, m)]
	}
	return k
}

// Lacking lists the options that the kernel's configuration does not have as the recipe needs them.
func (r Recipe) Lacking(k Kernel) []string {
	has := map[string]bool{}
	for line := range bytes.Lines(k.Config) {
		has[strings.TrimSpace(string(line))] = true
	}
	var out []string
	for _, o := range r.Options {
		if !has[o] {
			out = append(out, o)
		}
	}
	return out
}

// moduleName is the name of a module's file in the image: by their names they are loaded.
func moduleName(i int, module string) string {
	return fmt.Sprintf("modules/%02d-%s%s", i, path.Base(module), moduleEnding)
}
