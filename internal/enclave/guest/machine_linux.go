package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/enclave/attest"
	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
	"github.com/cordon-exchange/cordon/internal/enclave/tpm"
)

// machine is what differs between kinds of machines: where evidence comes from, and how the host is reached.
type machine struct {
	kind     string // of evidence
	devices  int    // descriptors that the attester leaves
	attester func() error
	channel  func() error
}

// machineOf finds the machine of a perimeter's word.
func machineOf(word string) (machine, error) {
	m, ok := map[string]machine{
		"vm":    {evidence.TPMSoftware, 1, measure, serial},
		"snp":   {evidence.SNP, lockdown.TSMEntries * lockdown.TSMFiles, entries, serial},
		"tdx":   {evidence.TDX, lockdown.TSMEntries * lockdown.TSMFiles, entries, serial},
		"nitro": {evidence.Nitro, 1, module, parent},
	}[word]
	if !ok {
		return m, fmt.Errorf("%w: no machine %q", errStage, word)
	}
	return m, nil
}

// Attester is who vouches for the enclave in a machine, once it is the enclave: through the descriptors that the stage left.
func Attester(word string) (kind string, a attest.Attester, err error) {
	m, err := machineOf(word)
	if err != nil {
		return "", nil, err
	}
	switch m.kind {
	case evidence.TPMSoftware:
		a, err = attest.TPM(tpm.FD(lockdown.AttesterFD))
	case evidence.Nitro:
		a = attest.NSM(attest.NSMDevice(lockdown.AttesterFD, attest.SystemIoctl))
	default:
		a, err = attest.TSM(m.kind, opened())
	}
	return m.kind, a, err
}

// modulesFolder is where an image has the modules that its machine needs, in the order of their names. One that needs none has no folder.
const modulesFolder = "/modules"

// modules loads them, and removes the folder. The kernel, locked down, takes only what the maker of the kernel signed.
func modules() error {
	all, err := os.ReadDir(modulesFolder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := load(filepath.Join(modulesFolder, m.Name())); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("%s: %w", m.Name(), err)
		}
	}
	return os.RemoveAll(modulesFolder)
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", unix.MODULE_INIT_COMPRESSED_FILE)
}

// reports is where the kernel has reports made (Documentation/ABI/testing/configfs-tsm).
const reports = "/sys/kernel/config/tsm/report"

// attributes of a request, in the order of attest.Entry; the first is written.
var attributes = [lockdown.TSMFiles]string{"inblob", "outblob", "auxblob", "provider", "generation"}

// entries makes as many requests as the enclave needs reports, and opens their files: afterwards it can open none.
func entries() error {
	if err := unix.Mount("sysfs", "/sys", "sysfs", mountFlags|unix.MS_NODEV, ""); err != nil {
		return err
	}
	if err := unix.Mount("configfs", "/sys/kernel/config", "configfs", mountFlags|unix.MS_NODEV, ""); err != nil {
		return err
	}
	number := lockdown.AttesterFD
	for i := range lockdown.TSMEntries {
		dir := fmt.Sprintf("%s/cordon-%d", reports, i)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		for k, name := range attributes {
			flags := unix.O_RDONLY
			if k == 0 {
				flags = unix.O_WRONLY
			}
			fd, err := unix.Open(filepath.Join(dir, name), flags|unix.O_CLOEXEC, 0)
			if errors.Is(err, unix.ENOENT) && name == "auxblob" { // none on TDX
				fd, err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			}
			if err != nil {
				return err
			}
			if err := place(fd, number); err != nil {
				return err
			}
			number++
		}
	}
	return nil
}

// opened are the entries that the stage left open.
func opened() []attest.Entry {
	var out []attest.Entry
	for i := range lockdown.TSMEntries {
		var f [lockdown.TSMFiles]*os.File
		for k := range f {
			f[k] = os.NewFile(uintptr(lockdown.AttesterFD+i*lockdown.TSMFiles+k), attributes[k])
		}
		out = append(out, attest.Entry{In: f[0], Out: f[1], Aux: f[2], Provider: f[3], Generation: f[4]})
	}
	return out
}

// module opens Nitro's module.
func module() error {
	fd, err := open(attest.NSMPath)
	if err != nil {
		return err
	}
	return place(fd, lockdown.AttesterFD)
}

// Addresses of the instance that a Nitro enclave is part of. It is told of the start on one port (aws-nitro-enclaves-cli expects one
// byte, and answers it), and serves the channel on the other.
const (
	parentCID   = 3
	bootPort    = 9000
	ChannelPort = 7403
	bootByte    = 0xb7
)

// parent tells the instance that the enclave runs, and opens the channel to it.
func parent() error {
	boot, err := dial(bootPort)
	if err != nil {
		return err
	}
	defer unix.Close(boot)
	b := []byte{bootByte}
	if _, err := unix.Write(boot, b); err != nil {
		return err
	}
	if n, err := unix.Read(boot, b); err != nil || !slices.Equal(b[:max(n, 0)], []byte{bootByte}) {
		return errors.Join(errors.New("no word of the instance"), err)
	}
	fd, err := dial(ChannelPort)
	if err != nil {
		return err
	}
	return place(fd, lockdown.ChannelFD)
}

// dial connects as soon as somebody listens.
func dial(port uint32) (int, error) {
	for until := time.Now().Add(deviceTime); ; time.Sleep(devicePoll) {
		fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		err = unix.Connect(fd, &unix.SockaddrVM{CID: parentCID, Port: port})
		if err == nil {
			return fd, nil
		}
		unix.Close(fd)
		if time.Now().After(until) {
			return -1, err
		}
	}
}
