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
	Modules []Module // in the order in which they are loaded
	Options []string // of the kernel's configuration, which must stand in it as here
	Cmdline string
}

// Module is a part that a kernel may have as a file or built in.
type Module struct {
	Path   string // below kernel/, without an ending
	Option string // of the kernel's configuration; with "=y" there is no file
}

// Modules that machines need.
var (
	modConfigfs  = Module{"fs/configfs/configfs", "CONFIG_CONFIGFS_FS"}
	modTSM       = Module{"drivers/virt/coco/tsm", "CONFIG_TSM_REPORTS"}
	modSEV       = Module{"drivers/virt/coco/sev-guest/sev-guest", "CONFIG_SEV_GUEST"}
	modTDX       = Module{"drivers/virt/coco/tdx-guest/tdx-guest", "CONFIG_TDX_GUEST_DRIVER"}
	modNSM       = Module{"drivers/misc/nsm", "CONFIG_NSM"}
	modMMIO      = Module{"drivers/virtio/virtio_mmio", "CONFIG_VIRTIO_MMIO"}
	modVsock     = Module{"net/vmw_vsock/vsock", "CONFIG_VSOCKETS"}
	modCommon    = Module{"net/vmw_vsock/vmw_vsock_virtio_transport_common", "CONFIG_VIRTIO_VSOCKETS_COMMON"}
	modTransport = Module{"net/vmw_vsock/vmw_vsock_virtio_transport", "CONFIG_VIRTIO_VSOCKETS"}
)

// Endings that a module's file may have; the kernel unpacks it itself when it is loaded.
func Endings() []string { return []string{".ko.xz", ".ko.zst", ".ko.gz", ".ko"} }

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
			Modules: []Module{modConfigfs, modTSM, modSEV},
			Options: append(common(), "CONFIG_AMD_MEM_ENCRYPT=y", "CONFIG_VIRTIO_CONSOLE=y", "CONFIG_VIRTIO_PCI=y"),
			Cmdline: "quiet panic=-1 lockdown=confidentiality snp",
		},
		{
			Kind:    "tdx",
			Modules: []Module{modConfigfs, modTSM, modTDX},
			Options: append(common(), "CONFIG_INTEL_TDX_GUEST=y", "CONFIG_EFI_STUB=y", "CONFIG_VIRTIO_CONSOLE=y", "CONFIG_VIRTIO_PCI=y"),
			Cmdline: "quiet panic=-1 lockdown=confidentiality tdx",
		},
		{
			Kind:    "nitro",
			Modules: []Module{modNSM, modMMIO, modVsock, modCommon, modTransport},
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

// Kernel is a kernel, its configuration and modules.
type Kernel struct {
	Release string
	Image   []byte
	Config  []byte
	Modules map[string]File // by their path below kernel/, without an ending
}

// File is a module's file.
type File struct {
	Ending string
	Data   []byte
}

// Paths of a kernel's files, as Debian lays them out: image, configuration, and each module with an ending.
func (r Recipe) Paths(release, ending string) (image, config string, modules []string) {
	for _, m := range r.Modules {
		modules = append(modules, m.path(release)+ending)
	}
	return "boot/vmlinuz-" + release, "boot/config-" + release, modules
}

func (m Module) path(release string) string { return "lib/modules/" + release + "/kernel/" + m.Path }

// From puts a kernel together from its files. get returns the contents of a path, or nil where there is no such file.
func (r Recipe) From(release string, get func(string) []byte) Kernel {
	image, config, _ := r.Paths(release, "")
	k := Kernel{Release: release, Image: get(image), Config: get(config), Modules: map[string]File{}}
	for _, m := range r.Modules {
		for _, e := range Endings() {
			if data := get(m.path(release) + e); len(data) > 0 {
				k.Modules[m.Path] = File{e, data}
				break
			}
		}
	}
	return k
}

// options of the kernel's configuration, as lines.
func (k Kernel) options() map[string]bool {
	has := map[string]bool{}
	for line := range bytes.Lines(k.Config) {
		has[strings.TrimSpace(string(line))] = true
	}
	return has
}

// Lacking lists the options that the kernel's configuration does not have as the recipe needs them.
func (r Recipe) Lacking(k Kernel) []string {
	has := k.options()
	var out []string
	for _, o := range r.Options {
		if !has[o] {
			out = append(out, o)
		}
	}
	return out
}

// moduleName is the name of a module's file in the image: by their names they are loaded.
func (m Module) name(i int, ending string) string {
	return fmt.Sprintf("modules/%02d-%s%s", i, path.Base(m.Path), ending)
}
