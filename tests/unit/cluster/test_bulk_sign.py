"""Tests for the baseline's list, its script, and what becomes of each image."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.cluster.board import Judged, Verdict
from jenkins_notary.cluster.bulk_sign import (
    BATCH,
    KNOWN,
    LEFT,
    MAX_RESULTS_BYTES,
    OWN,
    WOULD_SIGN,
    Image,
    Seen,
    check_signer,
    find_images,
    format_script,
    read_results,
    see_containers,
    sort_out,
    to_asset,
)
from jenkins_notary.cluster.containers import Container
from jenkins_notary.errors import ConfigurationError, IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ONE, TWO, THREE, FOUR = (f"sha256:{digit * 64}" for digit in "1234")
SIGNER = "0x" + "5" * 40
KNOWN_SIGNER: dict[str, Any] = {
    "signer": SIGNER,
    "level": 0,
    "orgs": [],
    "administrator": False,
    "revoked_from": None,
}
SHELLS = [one for one in ("sh", "dash", "bash", "busybox") if shutil.which(one)]


def make_container(
    image: str = "web:1", digest: str | None = ONE, *, image_id: str | None = None
) -> Container:
    """Return a container that runs, unless its image has no id."""
    return Container(
        namespace="shop",
        pod="web-1",
        uid="u-1",
        name="web",
        kind="regular",
        image=image,
        image_id=f"{image}@{digest}" if image_id is None else image_id,
        container_id="containerd://c",
        digest=digest,
        error=None,
        node="n",
        running=True,
    )


def judge(container: Container) -> Judged:
    """Return a container on the board."""
    return Judged(
        container=container,
        verdict=Verdict.unknown("new"),
        exempt=None,
        stale=False,
        since_ms=0,
    )


def make_entry(digest: str = ONE, image: str = "web:1") -> dict[str, Any]:
    """Return an entry of ``/results``."""
    container = {"namespace": "shop", "image": image, "imageID": f"{image}@{digest}"}
    return {"hash": digest[7:], "containers": [container], "errors": []}


def test_what_has_not_started_or_has_no_digest_is_left_out() -> None:
    found = see_containers(
        [
            make_container(),
            make_container(image_id=""),
            make_container(digest=None, image_id="web:1"),
        ]
    )

    assert [*found] == [Seen("shop", "web:1", ONE)]


def test_an_image_is_listed_once_with_all_that_run_it() -> None:
    seen = [Seen("b", "web:2", ONE), Seen("a", "web:1", ONE), Seen("a", "app", TWO)]

    assert find_images(seen) == [
        Image(TWO, "app", 1, ("a",)),
        Image(ONE, "web:1", 2, ("a", "b")),
    ]


def test_results_of_a_watcher_are_read() -> None:
    unresolved = {"hash": "", "containers": [], "errors": ["no digest"]}
    waiting = make_entry(TWO)
    waiting["containers"][0]["imageID"] = ""
    old = {**make_entry(THREE), "hash": THREE}
    data = json.dumps([make_entry(), unresolved, waiting, old]).encode()

    assert [one.digest for one in read_results(data)] == [ONE, THREE]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"[" * 100_000,
        b"\xff",
        json.dumps([{"hash": "12", "containers": []}]).encode(),
        json.dumps([{"hash": ONE[7:]}]).encode(),
        json.dumps([{"containers": []}]).encode(),
    ],
)
def test_what_are_no_results_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"^results"):
        read_results(data)


def test_results_are_bounded() -> None:
    with pytest.raises(UsageError, match=r"at most 67108864 bytes"):
        read_results(b"[" + b" " * MAX_RESULTS_BYTES)


def test_container_of_another_shape_is_left_out() -> None:
    entry = {**make_entry(), "containers": [7, {"imageID": 7}, {"imageID": "web@x"}]}

    assert read_results(json.dumps([entry]).encode()) == [Seen("", "web@x", ONE)]


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"signer": "0x" + "6" * 40}, "not enrolled"),
        ({"revoked_from": 9}, "revoked from #9"),
        ({"administrator": True}, "an administrator's"),
        ({"orgs": ["acme"]}, "one of the org acme"),
        ({"level": 1}, "one of level 1"),
    ],
)
def test_key_that_could_pass_for_a_builds_is_refused(
    changes: dict[str, Any], got: str
) -> None:
    with pytest.raises(ConfigurationError, match=got) as caught:
        check_signer(SIGNER, [{**KNOWN_SIGNER, **changes}])

    assert "signer enrol KEY.pub.pem --level 0" in caught.value.advice


def test_key_for_baselines_alone_is_taken() -> None:
    check_signer(SIGNER, [KNOWN_SIGNER])


def sort(words: dict[str, str], mine: Sequence[str] = ()) -> dict[str, str]:
    """Return what becomes of images, by the words on them."""
    images = [Image(one, one[:9], 1, ("shop",)) for one in words]

    def authenticate(
        digests: Sequence[str], signers: Sequence[str]
    ) -> list[dict[str, Any]]:
        assert len(digests) <= BATCH
        own = {one: "TRUSTED" if one in mine else "UNKNOWN" for one in words}
        said = own if signers == (SIGNER,) else words
        return [{"status": said[one], "reason": "", "index": 3} for one in digests]

    found = sort_out(images, authenticate, SIGNER)
    return {one.image.digest: one.outcome for one in found}


def test_only_what_is_unknown_is_signed() -> None:
    words = {ONE: "TRUSTED", TWO: "UNKNOWN", THREE: "UNTRUSTED", FOUR: "UNSUPPORTED"}

    assert sort(words) == {ONE: KNOWN, TWO: WOULD_SIGN, THREE: LEFT, FOUR: LEFT}
    assert sort({ONE: "REVOKED"}) == {ONE: LEFT}


def test_what_was_signed_before_is_not_signed_again() -> None:
    assert sort({ONE: "UNKNOWN", TWO: "UNKNOWN"}, [TWO]) == {ONE: WOULD_SIGN, TWO: OWN}


def test_many_images_are_asked_for_in_batches() -> None:
    words = {f"sha256:{number:064x}": "UNKNOWN" for number in range(2 * BATCH + 1)}

    assert len(sort(words)) == 2 * BATCH + 1


def test_image_without_a_verdict_ends_the_call() -> None:
    word = {"status": None, "reason": "record #3: bad signature", "index": None}
    images = [Image(ONE, "web", 1, ("shop",))]

    with pytest.raises(IntegrityError, match=r"record #3: bad signature"):
        [*sort_out(images, lambda *_: [word], SIGNER)]


def test_record_names_the_image_and_where_it_ran() -> None:
    asset = to_asset(Image(ONE, "registry.example.com/web:1", 2, ("a", "b")))
    odd = to_asset(Image(ONE, "A B", 1, ("a",)))

    assert asset.ref == f"registry.example.com/web@{ONE}"
    assert asset.metadata == {"containers": 2, "namespaces": "a,b"}
    assert odd.ref is None


def run_script(script: bytes, folder: Path, shell: str) -> tuple[list[str], bytes]:
    """Run a script where jenkins-notary only notes how it was called."""
    fake = folder / "jenkins-notary"
    fake.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > "$OUT/argv"\ncat > "$OUT/stdin"\n'
    )
    fake.chmod(0o755)
    path = folder / "sign.sh"
    path.write_bytes(script)
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "OUT": str(folder)}
    done = subprocess.run(
        [*words, str(path), "--dry-run", "a b"],
        env=environ,
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    assert not done.stderr
    argv = (folder / "argv").read_text().splitlines()
    return argv, (folder / "stdin").read_bytes()


HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "a\nRESULTS\ntouch pwned\n",
    "\\\nRESULTS\n",
    "${IFS}\x1b[2J\u202e\u2028",
    "%s%n{count}{lines}",
]


@pytest.mark.parametrize("shell", SHELLS)
def test_script_hands_hostile_names_on_as_they_are(tmp_path: Path, shell: str) -> None:
    digests = [f"sha256:{number:064x}" for number in range(len(HOSTILE))]
    pods = [make_container(*pair) for pair in zip(HOSTILE, digests, strict=True)]
    script = format_script(map(judge, pods))
    argv, data = run_script(script, tmp_path, shell)

    assert argv == ["kube", "bulk-sign", "--results", "-", "--dry-run", "a b"]
    assert [one.image for one in read_results(data)] == HOSTILE
    assert script.isascii()
    assert not (tmp_path / "pwned").exists()


@given(st.lists(st.text(max_size=40), max_size=4))
def test_no_name_leaves_its_line_of_the_script(names: list[str]) -> None:
    pods = [
        make_container(name, f"sha256:{number:064x}", image_id=f"x{number}")
        for number, name in enumerate(names)
    ]
    script = format_script(map(judge, pods))
    body = script.partition(b"<<'RESULTS'\n")[2]

    assert body.endswith(b"\nRESULTS\n")
    assert body.count(b"RESULTS\n") == 1
    assert [one.image for one in read_results(body[: -len(b"RESULTS\n")])] == [
        name or f"x{number}" for number, name in enumerate(names)
    ]


def test_script_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "sign.sh"
    path.write_bytes(format_script([]))
    done = subprocess.run(
        ["/bin/sh", str(path)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 78
    assert b"jenkins-notary is not installed" in done.stderr
