package sandbox

import (
	"strings"

	"golang.org/x/sys/unix"
)

// capabilityNames are the capabilities of Linux, in the order of their numbers (capabilities(7)).
const capabilityNames = `chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
	net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace
	sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control
	setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`

// everyCapability are those that this process could ever pass on.
func everyCapability() []string {
	var out []string
	for i, name := range strings.Fields(capabilityNames) {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(i), 0, 0, 0); err == nil && has == 1 {
			out = append(out, "CAP_"+strings.ToUpper(name))
		}
	}
	return out
}
