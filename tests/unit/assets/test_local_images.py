"""Read images of local engines: by a stand-in program, and by a real podman."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets import local_images, programs
from jenkins_notary.assets.local_images import inspect_image
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from tests.parts import require_part
from tests.parts.registry import Layout

if TYPE_CHECKING:
    from pathlib import Path

ID = "ab" * 32
OTHER = "sha256:" + "cd" * 32


class StandIn:
    """A program on PATH that answers as a container engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def answer(
        self,
        output: object = "",
        *,
        error: str = "",
        code: int = 0,
        name: str = "docker",
    ) -> None:
        """Make the program print and exit; it keeps its arguments in `arguments`."""
        text = output if isinstance(output, str) else json.dumps(output)
        (self.folder / "output").write_text(text)
        (self.folder / "error").write_text(error)
        program = self.folder / name
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > {self.folder}/arguments\n'
            f"cat {self.folder}/output\ncat {self.folder}/error >&2\nexit {code}\n"
        )
        program.chmod(0o755)

    @property
    def arguments(self) -> list[str]:
        return (self.folder / "arguments").read_text().splitlines()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return StandIn(tmp_path)


def test_id_comes_first_and_registry_digests_are_linked(engine: StandIn) -> None:
    engine.answer(
        {
            "Id": f"sha256:{ID}",
            "RepoDigests": [f"reg.example/web@{OTHER}", f"other.example/w@{OTHER}"],
            "Size": 12,
            "Os": "linux",
            "Architecture": "amd64",
        }
    )

    asset = inspect_image("docker", "reg.example/web:1.2")

    assert [subject.digest for subject in asset.subjects] == [f"sha256:{ID}", OTHER]
    assert asset.ref == f"reg.example/web@{OTHER}"
    assert (asset.kind, asset.size) == ("docker", 12)
    assert asset.metadata == {"os": "linux", "architecture": "amd64", "version": "1.2"}
    assert engine.arguments[-2:] == ["--", "reg.example/web:1.2"]


def test_podman_answers_a_list_with_a_bare_id(engine: StandIn) -> None:
    engine.answer([{"Id": ID, "Digest": OTHER}], name="podman")

    asset = inspect_image("podman", "web:1")

    assert [subject.digest for subject in asset.subjects] == [f"sha256:{ID}", OTHER]
    assert asset.ref is None


@pytest.mark.parametrize("reference", [ID, f"sha256:{ID}", ID[:12]])
def test_image_is_found_by_its_id(engine: StandIn, reference: str) -> None:
    engine.answer({"Id": f"sha256:{ID}", "RepoDigests": None})

    asset = inspect_image("docker", reference)

    assert asset.digest == f"sha256:{ID}"
    assert "version" not in asset.metadata


@pytest.mark.parametrize(
    "reference", ["", "-v", "--help", "A B", "web;id", "$(id)", "../web"]
)
def test_malformed_reference_reaches_no_program(
    engine: StandIn, reference: str
) -> None:
    engine.answer({"Id": ID})

    with pytest.raises(UsageError):
        inspect_image("docker", reference)

    assert not (engine.folder / "arguments").exists()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Error: No such image: web:1", NotFoundError),
        ("Error: inspecting object: web:1: image not known", NotFoundError),
        ("Cannot connect to the Docker daemon at unix:///x", UnavailableError),
        ("permission denied while trying to connect", PermissionDeniedError),
        ("", UnavailableError),
    ],
)
def test_failure_goes_by_the_message(
    engine: StandIn, message: str, expected: type[NotaryError]
) -> None:
    engine.answer(error=message, code=1)

    with pytest.raises(expected) as caught:
        inspect_image("docker", "web:1")

    assert type(caught.value) is expected


@pytest.mark.parametrize(
    "output",
    ["", "x", "[]", "[{}, {}]", "7", "{}", {"Id": "sha256:12"}, {"Id": None}],
    ids=str,
)
def test_answer_without_an_id_is_refused(engine: StandIn, output: object) -> None:
    engine.answer(output)

    with pytest.raises((UnavailableError, UsageError)):
        inspect_image("docker", "web:1")


def test_odd_fields_are_left_out(engine: StandIn) -> None:
    engine.answer(
        {
            "Id": ID,
            "RepoDigests": [1, "x", "@", "web@sha256:12"],
            "Size": "big",
            "Os": 7,
            "Digest": 5,
        }
    )

    asset = inspect_image("docker", "web")

    assert (len(asset.subjects), asset.size, asset.metadata) == (1, None, {})


def test_missing_program_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="install docker"):
        inspect_image("docker", "web:1")


def test_program_that_does_not_answer_is_ended(
    engine: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answer()
    (engine.folder / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(local_images, "TIMEOUT_S", 0.2)

    with pytest.raises(UnavailableError, match=r"within 0\.2 s"):
        inspect_image("docker", "web:1")


def test_output_without_end_is_refused(
    engine: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answer("x" * 2000)
    monkeypatch.setattr(programs, "MAX_OUTPUT_BYTES", 1000)

    with pytest.raises(UnavailableError, match="at most 1000 bytes"):
        inspect_image("docker", "web:1")


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real podman with a store of its own."""
    program = shutil.which("podman")
    if program is None:
        pytest.skip(
            "real part podman is missing: "
            "apt-get install -y --no-install-recommends podman"
        )
    config = tmp_path / "storage.conf"
    config.write_text(
        f'[storage]\ndriver="vfs"\ngraphroot="{tmp_path}/store"\n'
        f'runroot="{tmp_path}/run"\n'
    )
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(config))
    return tmp_path


@pytest.mark.real("skopeo")
def test_real_podman_knows_the_digests_of_a_loaded_image(podman: Path) -> None:
    layout = Layout(podman / "layout")
    image = layout.add_image("hi")
    manifest = json.loads((layout.blobs / str(image["digest"])[7:]).read_bytes())
    archive = podman / "web.tar"
    copy = [str(require_part("skopeo")), "copy", "--insecure-policy"]
    source = f"oci:{layout.finish(image)}"
    subprocess.run([*copy, source, f"oci-archive:{archive}:web:1"], check=True)
    subprocess.run(["podman", "load", "-q", "-i", archive], check=True)

    asset = inspect_image("podman", "web:1")

    assert asset.digest == manifest["config"]["digest"]
    assert image["digest"] in {subject.digest for subject in asset.subjects}
    assert asset.ref == f"localhost/web@{image['digest']}"
    with pytest.raises(NotFoundError, match="podman pull"):
        inspect_image("podman", "absent:1")
