"""Plugin for sos (https://github.com/sosreport/sos): crash records, decoded, and their state.

Install it in sos/report/plugins: on Debian below /usr/lib/python3/dist-packages.
sos collects the archive up to its size limit, the newest files first; `sos clean` knows what to do
with host names and addresses.
"""

from __future__ import annotations

from sos.report.plugins import (
    DebianPlugin,
    IndependentPlugin,
    Plugin,
    RedHatPlugin,
    UbuntuPlugin,
)

_OWN = ("pstore", "none", "pstorefs", "/sys/fs/pstore")


# sos 4.0 (Debian 12) knows independent plugins by name only.
class Pstorefs(Plugin, IndependentPlugin, RedHatPlugin, DebianPlugin, UbuntuPlugin):
    """Kernel crash records (pstorefs)."""

    short_desc = "Kernel crash records, decoded"
    plugin_name = "pstorefs"
    profiles = ("system", "kernel", "hardware")
    packages = ("pstorefs",)
    commands = ("pstorefs",)

    def setup(self) -> None:
        """What to collect."""
        # Programs in on-dump.d may hold keys of whatever they talk to.
        self.add_copy_spec(["/var/lib/pstorefs", "/etc/pstorefs/*.conf", "/var/lib/systemd/pstore"])
        self.add_cmd_output(
            [
                "pstorefs --list",
                "pstorefs --show latest",
                "pstorefs --check",
                "systemctl status pstorefs-archive.service systemd-pstore.service",
                "journalctl --no-pager MESSAGE_ID=5b0f2c8e6a5d4c55a2a1e3d4b7f09c61",
            ]
        )
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            rows = [line.split(" ") for line in mounts]
        # This machine's own records alone, and no mount point with a blank in its name.
        points = [row[1] for row in rows if row[2] == "fuse.pstorefs" and row[0] in _OWN]
        self.add_cmd_output([f"cat {point}/status" for point in points if "\\" not in point])

    def postproc(self) -> None:
        """The key in a Sentry's DSN is a secret; what is behind it is not."""
        self.do_path_regex_sub("/etc/pstorefs/.*", r"(sentry\s*=\s*\w+://)[^@\s]*@", r"\1******@")
