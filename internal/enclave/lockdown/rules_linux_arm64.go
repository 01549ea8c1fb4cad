package lockdown

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_AARCH64
	// x32Bit has no meaning here; no call has this number.
	x32Bit = 0x40000000
)

func archAllowed() []rule {
	return []rule{
		{name: "newfstatat", nr: unix.SYS_FSTATAT, reason: "DuckDB: is it a file"},
	}
}

func archPretended() []rule {
	return []rule{
		{name: "faccessat", nr: unix.SYS_FACCESSAT, reason: "DuckDB asks this before stat, which says what is there"},
	}
}

func archDeadly() []call {
	return []call{{"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD}}
}
