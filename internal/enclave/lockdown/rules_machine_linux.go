package lockdown

import "golang.org/x/sys/unix"

// nsmRequest is the one request of Nitro's module (linux/nsm.h).
const nsmRequest = 0xc0200a00

// attesterAllowed is what the machine of a claim needs beyond the list: Nitro's module is asked by ioctl, and only that one request of all
// passes. Other machines are asked by read, write and close.
func attesterAllowed(claim string) []rule {
	if claim != claimNitro {
		return nil
	}
	return []rule{{name: "ioctl", nr: unix.SYS_IOCTL, reason: "attestation documents of Nitro's module", anyOf: []condition{equal(1, nsmRequest)}}}
}
