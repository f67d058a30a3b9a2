from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.engines.mounts import check_file_system
from jenkins_notary.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:40 / /mnt rw - tmpfs tmpfs rw
24 22 0:41 / /mnt/team rw shared:7 master:2 - nfs4 nas:/team rw,vers=4.2
25 22 0:42 / /mnt/team\040share rw - cifs //nas/share rw
26 24 0:43 / /mnt/team/local rw - xfs /dev/vdb rw
27 22 0:44 / /home/ssh rw - fuse.sshfs build@ci: rw
28 22 0:45 / /over rw - nfs nas:/over rw
29 22 0:46 / /over rw - ext4 /dev/vdc rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> str:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return str(path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/mnt/team/ledger.db", "nfs4", id="nfs"),
        pytest.param("/mnt/team share/a/ledger.db", "cifs", id="escaped space"),
        pytest.param("/home/ssh/ledger.db", "fuse.sshfs", id="sshfs"),
        pytest.param("/mnt/team/local/../ledger.db", "nfs4", id="dots"),
    ],
)
def test_network_file_system_is_refused(mounts: str, path: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"got {kind};") as caught:
        check_file_system(path, mounts=mounts)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/var/ledger.db", id="root"),
        pytest.param("/mnt/ledger.db", id="tmpfs"),
        pytest.param("/mnt/team-b/ledger.db", id="name that only begins alike"),
        pytest.param("/mnt/team/local/ledger.db", id="local below network"),
        pytest.param("/over/ledger.db", id="local mounted over network"),
    ],
)
def test_local_file_system_is_allowed(mounts: str, path: str) -> None:
    check_file_system(path, mounts=mounts)


def test_network_file_system_is_allowed_when_asked_for(mounts: str) -> None:
    check_file_system("/mnt/team/ledger.db", allow_network=True, mounts=mounts)


def test_link_into_a_network_file_system_is_followed(
    mounts: str, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/mnt/team/ledger.db")

    with pytest.raises(ConfigurationError):
        check_file_system(str(tmp_path / "link"), mounts=mounts)


def test_system_without_a_list_of_mounts_checks_nothing(tmp_path: Path) -> None:
    check_file_system("/mnt/team/ledger.db", mounts=str(tmp_path / "none"))
