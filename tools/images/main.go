package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/images"
)

func main() {
	kind := flag.String("kind", "", "snp, tdx, nitro or sgx; default: all of them")
	enclave := flag.String("enclave", "bin/cordon-enclave", "the enclave program")
	out := flag.String("out", "bin/images", "folder for the images, one folder in it for each kind")
	cache := flag.String("cache", "bin", "folder in which packages are kept")
	tree := flag.String("kernel-tree", "", "folder with another kernel: boot/vmlinuz-RELEASE, boot/config-RELEASE, lib/modules/RELEASE; default: Debian's, pinned")
	formOnly := flag.Bool("form-only", false, "build also what has the right form and would not come up, since the kernel lacks an option")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	kinds := []string{images.SNP, images.TDX, images.Nitro, images.SGX}
	if *kind != "" {
		kinds = []string{*kind}
	}
	for _, k := range kinds {
		if err := build(ctx, *enclave, filepath.Join(*out, k), images.Options{Kind: k, Cache: *cache, Tree: *tree, FormOnly: *formOnly}); err != nil {
			fmt.Fprintf(os.Stderr, "error: %s: %v\nhint: docs/hardware.md says what each kind needs\n", k, err)
			os.Exit(1)
		}
	}
}

func build(ctx context.Context, enclave, folder string, o images.Options) error {
	var err error
	if o.Enclave, err = os.ReadFile(enclave); err != nil {
		return err
	}
	about, files, err := images.Build(ctx, o)
	if err != nil {
		return err
	}
	if err := images.Write(folder, about, files); err != nil {
		return err
	}
	fmt.Printf("%s in %s: %s\n  program %s\n", o.Kind, folder, about.Hardware, about.Program)
	if len(about.Lacking) > 0 {
		fmt.Printf("  FORM ONLY, would not come up: the kernel lacks %s\n", strings.Join(about.Lacking, ", "))
	}
	if m := about.Measured; m != nil {
		for _, v := range m.Values {
			fmt.Printf("  %s %s\n", v.Name, v.Hex)
		}
		if m.Build != "" {
			fmt.Printf("  build %s\n", m.Build)
		}
	}
	return nil
}
