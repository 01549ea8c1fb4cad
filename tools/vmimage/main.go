package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/images/debian"
	"github.com/cordon-exchange/cordon/internal/images/vm"
)

func main() {
	enclave := flag.String("enclave", "bin/cordon-enclave", "the enclave program")
	out := flag.String("out", "bin/vm", "folder for the image")
	cache := flag.String("cache", "bin", "folder in which the kernel's package is kept")
	flag.Parse()
	about, err := build(context.Background(), *enclave, *out, *cache)
	if err != nil {
		p := debian.Kernel()
		fmt.Fprintf(os.Stderr, "error: %v\nhint: the package %s %s comes from Debian bookworm's security archive: run apt-get update, or put it into %s as %s.deb\n",
			err, p.Name, p.Version, *cache, p.SHA256)
		os.Exit(1)
	}
	fmt.Printf("image of a virtual machine in %s\n  kernel  %s\n  image   %s\n  program %s\n  PCR 11  %s\n  build   %s\n",
		*out, about.Kernel, about.Image, about.Program, about.Value, about.Build)
}

func build(ctx context.Context, enclave, out, cache string) (*vm.About, error) {
	program, err := os.ReadFile(enclave)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	kernel, err := vm.Kernel(ctx, cache)
	if err != nil {
		return nil, err
	}
	initramfs, err := vm.Initramfs(program)
	if err != nil {
		return nil, err
	}
	about, err := vm.Read(kernel, initramfs)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return nil, err
	}
	for name, b := range map[string][]byte{vm.KernelFile: kernel, vm.InitramfsFile: initramfs, vm.AboutFile: append(text, '\n')} {
		if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
			return nil, err
		}
	}
	return about, nil
}
