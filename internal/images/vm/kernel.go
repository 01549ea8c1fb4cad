package vm

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/images/debian"
)

// kernelFile is where Debian's package has the kernel. It is of the release that has virtio, TPM and Landlock built in, so that no
// module is loaded.
const kernelFile = "./boot/vmlinuz-6.12.117+deb12-cloud-amd64"

// Kernel reads Debian's kernel out of its pinned package, which is downloaded into folder where it is not there.
func Kernel(ctx context.Context, folder string) ([]byte, error) {
	p := debian.Kernel()
	path, err := p.Fetch(ctx, folder)
	if err != nil {
		return nil, err
	}
	files, err := p.Files(ctx, path, kernelFile)
	if err != nil {
		return nil, err
	}
	return files[kernelFile], nil
}
