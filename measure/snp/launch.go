package snp

import "fmt"

// Launch is how QEMU starts a guest with -kernel and kernel-hashes=on.
type Launch struct {
	Firmware  *Firmware // required: a build that measures what it boots, as OvmfPkg/AmdSev
	Boot      *Boot     // required: a digest over firmware alone does not say what runs
	VCPUs     int       // required
	Signature uint32    // required: of the model of the virtual processors
	Features  uint64    // required: SEV_FEATURES; bit 0 is SNP itself, kernels that allow it set bit 5 (debug swap) too
}

// featureSNP is the bit of SEV_FEATURES without which a guest is not one of SEV-SNP.
const featureSNP = 1

// Digest computes the launch digest (docs/spec/images.md, section 2.1).
func (l Launch) Digest() (Digest, error) {
	var d Digest
	if err := l.valid(); err != nil {
		return Digest{}, err
	}
	d.extendPages(pageNormal, fourGiB-uint64(len(l.Firmware.image)), l.Firmware.image)
	if err := l.after(&d); err != nil {
		return Digest{}, err
	}
	return d, nil
}

// after extends the digest of the firmware by everything else.
func (l Launch) after(d *Digest) error {
	if err := l.extendSections(d); err != nil {
		return err
	}
	for i := range l.VCPUs {
		reset := l.Firmware.reset
		if i == 0 {
			reset = firstReset
		}
		d.extendPages(pageVMSA, vmsaAddress, vmsa(reset, l.Features, l.Signature))
	}
	return nil
}

func (l Launch) valid() error {
	switch {
	case l.Firmware == nil:
		return fmt.Errorf("%w: none given", ErrFirmware)
	case l.VCPUs < 1 || l.VCPUs > maxVCPUs:
		return fmt.Errorf("%w: %d of them", ErrVCPU, l.VCPUs)
	case l.VCPUs > 1 && l.Firmware.reset == 0:
		return fmt.Errorf("%w: the firmware does not say where the second one begins", ErrVCPU)
	case l.Signature == 0:
		return fmt.Errorf("%w: no signature", ErrVCPU)
	case l.Features&featureSNP == 0:
		return fmt.Errorf("%w: features %#x are not those of SEV-SNP", ErrVCPU, l.Features)
	}
	return l.Boot.valid()
}

// extendSections adds the pages that the firmware's metadata asks for, in its order.
func (l Launch) extendSections(d *Digest) error {
	measured := false
	for _, s := range l.Firmware.sections {
		address := uint64(s.address)
		switch s.kind {
		case sectionMemory, sectionSVSM:
			d.extendBlank(pageZero, address, uint64(s.size))
		case sectionSecrets:
			d.extend(pageSecrets, address, [Size]byte{})
		case sectionCPUID:
			d.extend(pageCPUID, address, [Size]byte{})
		case sectionHashes:
			page, err := l.hashPage(s)
			if err != nil {
				return err
			}
			d.extendPages(pageNormal, address, page)
			measured = true
		}
	}
	if !measured {
		return ErrNoHashes
	}
	return nil
}

func (l Launch) hashPage(s section) ([]byte, error) {
	if l.Firmware.hashes/pageSize*pageSize != s.address {
		return nil, fmt.Errorf("%w: the table of hashes is not where its page is", ErrFirmware)
	}
	return l.Boot.page(l.Firmware.hashes % pageSize)
}
