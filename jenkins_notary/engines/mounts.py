"""Tell whether a path is on a file system of this host.

SQLite's log in shared memory and its locks hold between the processes of one host.
Over a network each host would have its own, and two writers would ruin the file.

Source: proc(5), ``/proc/PID/mountinfo``; SQLite "Write-Ahead Logging" ("All processes
using a database must be on the same host computer").
"""

from __future__ import annotations

import os

from jenkins_notary.errors import ConfigurationError

NETWORK_TYPES = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse.blobfuse2", "fuse.ceph",
        "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.grpcfuse",
        "fuse.juicefs", "fuse.mount-s3", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
        "fuse.vmhgfs-fuse", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4",
        "ocfs2", "orangefs", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs",
    }
)  # fmt: skip
"""File systems whose locks and shared memory do not reach all hosts that write."""


def check_file_system(
    path: str, *, allow_network: bool = False, mounts: str = "/proc/self/mountinfo"
) -> None:
    """Check that a path is on a file system of this host.

    Where the system does not list its mounts so, nothing is checked.

    Args:
        path: An absolute path; it need not exist.
        allow_network: Check nothing.
        mounts: The list of mounts, as proc(5) gives it.

    Raises:
        ConfigurationError: On a network file system.
    """
    if allow_network:
        return
    try:
        with open(mounts, "rb") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return
    real = os.fsencode(os.path.realpath(path))
    best, kind = b"", b""
    for line in lines:
        fields, _, rest = line.partition(b" - ")
        point = _unescape(fields.split(b" ")[4])
        if len(point) >= len(best) and (real + b"/").startswith(
            point.rstrip(b"/") + b"/"
        ):
            # Of two mounts on one place the later one is seen.
            best, kind = point, rest.split(b" ")[0]
    if kind.decode("ascii", "replace") in NETWORK_TYPES:
        raise ConfigurationError(
            f"ledger {path}",
            expected="a local file system: locks must reach every writer",
            got=kind.decode("ascii", "replace"),
            advice="keep it on a local disk, or use a notary service for many hosts",
        )


def _unescape(name: bytes) -> bytes:
    r"""Return a mount point without the octal escapes (``\040``) of the list."""
    head, *parts = name.split(b"\\")
    return head + b"".join(bytes((int(part[:3], 8),)) + part[3:] for part in parts)
