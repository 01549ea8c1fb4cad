package lockdown

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_AARCH64
	sysFstatat = unix.SYS_FSTATAT
	// x32Bit has no meaning here; no call has this number.
	x32Bit = 0x40000000
)

func archAllowed() []rule {
	return []rule{
		{name: "faccessat", nr: unix.SYS_FACCESSAT, reason: "DuckDB: is it there"},
	}
}

func archDeadly() []call {
	return []call{{"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD}}
}
