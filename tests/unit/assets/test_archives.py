"""Read image archives in place, and refuse hostile ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.assets import archives, tar_index
from jenkins_notary.assets.archives import read_docker_archive, read_oci_archive
from jenkins_notary.assets.files import hash_file
from jenkins_notary.assets.tar_index import index_tar
from jenkins_notary.errors import (
    AmbiguousError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    UsageError,
)
from tests.parts.registry import Layout, digest_of, tar_of

REF_NAME = "org.opencontainers.image.ref.name"


def pack(folder: Path, path: Path) -> Path:
    """Write a folder as a tar file."""
    with tarfile.open(path, "w") as tar:
        tar.add(folder, ".")
    return path


def named(descriptor: dict[str, object], name: str) -> dict[str, object]:
    return {**descriptor, "annotations": {REF_NAME: name}}


def file_digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def one_layout(tmp_path: Path) -> tuple[Layout, dict[str, object]]:
    layout = Layout(tmp_path / "layout")
    image = layout.add_image("hi")
    layout.finish(named(image, "web:1"))
    return layout, image


def docker_files(layer: bytes | None = None, **changes: object) -> dict[str, bytes]:
    """Return the files of a `docker save` archive with one image."""
    raw = tar_of({"hello": b"hi"})
    config = json.dumps({"rootfs": {"diff_ids": [digest_of(raw)]}}).encode()
    config_name = digest_of(config)[7:] + ".json"
    entry = {
        "Config": config_name,
        "RepoTags": ["shop/web:1"],
        "Layers": ["one/layer.tar"],
    }
    return {
        "manifest.json": json.dumps([entry | changes]).encode(),
        config_name: config,
        "one/layer.tar": raw if layer is None else layer,
    }


def config_of(files: dict[str, bytes]) -> str:
    return "sha256:" + next(name for name in files if len(name) > 60)[:64]


def write_tar(path: Path, files: dict[str, bytes]) -> str:
    path.write_bytes(tar_of(files))
    return str(path)


class TestOciArchive:
    def test_tar_file_gives_image_digests_and_its_own(self, tmp_path: Path) -> None:
        layout, image = one_layout(tmp_path)
        path = pack(layout.folder, tmp_path / "a.tar")

        asset = read_oci_archive(str(path), name="a.tar")

        assert asset.digest == image["digest"]
        assert len(asset.subjects) == 3
        assert asset.subjects[-1] == ("a.tar#file", file_digest(path), ())
        assert (asset.kind, asset.size) == ("image-archive", path.stat().st_size)
        assert asset.metadata["image"] == "web:1"

    def test_folder_gives_the_same_image_digests(self, tmp_path: Path) -> None:
        layout, _ = one_layout(tmp_path)
        path = pack(layout.folder, tmp_path / "a.tar")

        from_folder = read_oci_archive(str(layout.folder), name="a")
        from_tar = read_oci_archive(str(path), name="a")

        assert from_folder.subjects == from_tar.subjects[:-1]

    def test_index_links_each_platform(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path / "layout")
        entries = [layout.add_image("hi", a) for a in ("amd64", "arm64")]
        index = layout.add_index(entries)
        path = pack(layout.finish(index), tmp_path / "a.tar")

        asset = read_oci_archive(str(path), name="a")

        assert asset.digest == index["digest"]
        assert asset.metadata["platforms"] == "linux/amd64,linux/arm64"
        assert len(asset.subjects) == 6

    def test_several_images_need_a_name(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path / "layout")
        images = [layout.add_image(text) for text in ("one", "two")]
        layout.finish(named(images[0], "web:1"), named(images[1], "web:2"))

        with pytest.raises(AmbiguousError, match="web:1, web:2"):
            read_oci_archive(str(layout.folder), name="a")
        with pytest.raises(NotFoundError, match="image web:3"):
            read_oci_archive(f"{layout.folder}:web:3", name="a")
        asset = read_oci_archive(f"{layout.folder}:web:2", name="a")
        assert asset.digest == images[1]["digest"]

    def test_path_with_a_colon_is_a_path_if_it_exists(self, tmp_path: Path) -> None:
        layout, image = one_layout(tmp_path)
        path = pack(layout.folder, tmp_path / "a:web:1")

        assert read_oci_archive(str(path), name="a").digest == image["digest"]

    @pytest.mark.parametrize("is_packed", [False, True], ids=["folder", "tar"])
    def test_each_changed_blob_is_found(
        self, tmp_path: Path, *, is_packed: bool
    ) -> None:
        layout, _ = one_layout(tmp_path)
        for blob in sorted(layout.blobs.iterdir()):
            good = blob.read_bytes()
            blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
            path = layout.folder
            if is_packed:
                path = pack(layout.folder, tmp_path / "a.tar")

            with pytest.raises(NotaryError) as caught:
                read_oci_archive(str(path), name="a")

            assert caught.value.exit_code == 65
            blob.write_bytes(good)

    def test_each_missing_blob_is_found(self, tmp_path: Path) -> None:
        layout, _ = one_layout(tmp_path)
        for blob in sorted(layout.blobs.iterdir()):
            good = blob.read_bytes()
            blob.unlink()

            with pytest.raises(IntegrityError):
                read_oci_archive(str(layout.folder), name="a")

            blob.write_bytes(good)

    def test_blob_of_nobody_must_have_its_digest_too(self, tmp_path: Path) -> None:
        layout, _ = one_layout(tmp_path)
        (layout.blobs / ("0" * 64)).write_text("evil")

        with pytest.raises(IntegrityError, match="content with this digest"):
            read_oci_archive(str(layout.folder), name="a")

    def test_layer_with_urls_may_be_absent(self, tmp_path: Path) -> None:
        layout, image = one_layout(tmp_path)
        blob = layout.blobs / str(image["digest"])[7:]
        manifest = json.loads(blob.read_bytes())
        manifest["layers"].append(
            {
                "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar",
                "digest": "sha256:" + "1" * 64,
                "size": 5,
                "urls": ["https://layers.example/1"],
            }
        )
        descriptor = layout.add_blob(json.dumps(manifest).encode())
        media_type = manifest["mediaType"]
        layout.finish({"mediaType": media_type, **descriptor})

        asset = read_oci_archive(str(layout.folder), name="a")

        assert asset.digest == descriptor["digest"]

    def test_link_in_place_of_a_blob_is_refused(self, tmp_path: Path) -> None:
        layout, image = one_layout(tmp_path)
        blob = layout.blobs / str(image["digest"])[7:]
        blob.rename(tmp_path / "elsewhere")
        blob.symlink_to(tmp_path / "elsewhere")

        with pytest.raises(IntegrityError, match="a link"):
            read_oci_archive(str(layout.folder), name="a")

    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"oci-layout": b"{}"},
            {"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'},
            {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'},
            {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": b"{}"},
            {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": b"[]"},
        ],
    )
    def test_what_is_no_layout_is_refused(
        self, tmp_path: Path, files: dict[str, bytes]
    ) -> None:
        with pytest.raises(NotaryError):
            read_oci_archive(write_tar(tmp_path / "a", {"x": b"", **files}), name="a")

    def test_document_in_a_folder_is_bounded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layout, _ = one_layout(tmp_path)
        monkeypatch.setattr(archives, "MAX_MANIFEST_BYTES", 10)

        with pytest.raises(UsageError, match="at most 10 bytes"):
            read_oci_archive(str(layout.folder), name="a")
        packed = pack(layout.folder, tmp_path / "a.tar")
        with pytest.raises(UsageError, match="at most 10 bytes"):
            read_oci_archive(str(packed), name="a")

    def test_missing_archive_is_not_found(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            read_oci_archive(str(tmp_path / "absent"), name="a")

    def test_pipe_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")

        with pytest.raises(UsageError, match="an archive file"):
            read_oci_archive(str(tmp_path / "pipe"), name="a")

    def test_archive_that_changes_while_it_is_read_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layout, _ = one_layout(tmp_path)
        path = pack(layout.folder, tmp_path / "a.tar")

        def hash_then_touch(name: str) -> tuple[str, int]:
            found = hash_file(name)
            os.utime(name, ns=(1, 1))
            return found

        monkeypatch.setattr(archives, "hash_file", hash_then_touch)

        with pytest.raises(UsageError, match="changed while it was read"):
            read_oci_archive(str(path), name="a")


class TestDockerArchive:
    def test_first_subject_is_the_config_and_the_file_is_linked(
        self, tmp_path: Path
    ) -> None:
        files = docker_files()
        path = write_tar(tmp_path / "a.tar", files)

        asset = read_docker_archive(path, name="a.tar")

        assert [subject.digest for subject in asset.subjects] == [
            config_of(files),
            file_digest(Path(path)),
        ]
        assert asset.metadata["image"] == "shop/web:1"

    def test_compressed_layer_is_unpacked_and_compared(self, tmp_path: Path) -> None:
        layer = gzip.compress(tar_of({"hello": b"hi"}))
        files = docker_files(layer)

        asset = read_docker_archive(write_tar(tmp_path / "a", files), name="a")

        assert asset.digest == config_of(files)

    @pytest.mark.parametrize(
        "layer",
        [
            b"",
            b"evil",
            tar_of({"hello": b"evil"}),
            gzip.compress(tar_of({"hello": b"evil"})),
            gzip.compress(tar_of({"hello": b"hi"}))[:-9],
            gzip.compress(tar_of({"hello": b"hi"})) + b"more",
        ],
        ids=["empty", "text", "tar", "gzip", "cut", "longer"],
    )
    def test_changed_layer_is_found(self, tmp_path: Path, layer: bytes) -> None:
        path = write_tar(tmp_path / "a", docker_files(layer))

        with pytest.raises(IntegrityError, match=r"layer one/layer\.tar"):
            read_docker_archive(path, name="a")

    def test_layer_that_unpacks_without_end_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "MAX_LAYER_BYTES", 1000)
        bomb = gzip.compress(bytes(50_000_000))
        path = write_tar(tmp_path / "a", docker_files(bomb))

        with pytest.raises(UsageError, match="at most 1000 bytes"):
            read_docker_archive(path, name="a")

    @pytest.mark.parametrize(
        "config", [b"{}", b'{"rootfs":7}', b'{"rootfs":{"diff_ids":["x"]}}']
    )
    def test_config_without_layer_digests_is_refused(
        self, tmp_path: Path, config: bytes
    ) -> None:
        name = digest_of(config)[7:] + ".json"
        files = docker_files(None, Config=name) | {name: config}

        with pytest.raises(UsageError, match=r"rootfs\.diff_ids"):
            read_docker_archive(write_tar(tmp_path / "a", files), name="a")

    def test_layout_of_one_platform_of_an_index_has_gaps(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path / "layout")
        entries = [layout.add_image("hi", a) for a in ("amd64", "arm64")]
        layout.finish(layout.add_index(entries))
        kept = json.loads((layout.blobs / str(entries[0]["digest"])[7:]).read_bytes())
        (layout.blobs / str(entries[1]["digest"])[7:]).unlink()
        config = kept["config"]["digest"]
        entry = {
            "Config": "blobs/sha256/" + config[7:],
            "RepoTags": None,
            "Layers": ["blobs/sha256/" + kept["layers"][0]["digest"][7:]],
        }
        (layout.folder / "manifest.json").write_text(json.dumps([entry]))
        path = pack(layout.folder, tmp_path / "a.tar")

        asset = read_docker_archive(str(path), name="a")

        assert asset.digest == config
        assert "image" not in asset.metadata

    def test_changed_config_is_found(self, tmp_path: Path) -> None:
        files = docker_files()
        name = config_of(files)[7:] + ".json"
        files[name] += b" "

        with pytest.raises(IntegrityError, match="the digest that is its name"):
            read_docker_archive(write_tar(tmp_path / "a", files), name="a")

    def test_several_images_need_a_tag(self, tmp_path: Path) -> None:
        files = docker_files()
        entry = json.loads(files["manifest.json"])[0]
        files["manifest.json"] = json.dumps(
            [entry, entry | {"RepoTags": ["shop/web:2"]}]
        ).encode()
        path = write_tar(tmp_path / "a.tar", files)

        with pytest.raises(AmbiguousError, match="shop/web:1, shop/web:2"):
            read_docker_archive(path, name="a")
        asset = read_docker_archive(f"{path}:shop/web:2", name="a")
        assert asset.digest == config_of(files)

    @pytest.mark.parametrize(
        "changes",
        [
            {"Config": "absent.json"},
            {"Config": "../../etc/passwd"},
            {"Config": None},
            {"Layers": []},
            {"Layers": ["one/layer.tar", "one/layer.tar"]},
            {"Layers": ["absent"]},
            {"Layers": [7]},
            {"Layers": "one/layer.tar"},
        ],
        ids=str,
    )
    def test_entry_that_lies_is_refused(
        self, tmp_path: Path, changes: dict[str, object]
    ) -> None:
        path = write_tar(tmp_path / "a", docker_files(None, **changes))

        with pytest.raises(IntegrityError):
            read_docker_archive(path, name="a")

    @pytest.mark.parametrize("listing", [b"", b"{}", b"[]", b"[1]", b'[],"a":[{}]'])
    def test_listing_without_an_image_is_refused(
        self, tmp_path: Path, listing: bytes
    ) -> None:
        files = docker_files() | {"manifest.json": listing}

        with pytest.raises((UsageError, NotFoundError)):
            read_docker_archive(write_tar(tmp_path / "a", files), name="a")

    def test_layout_in_the_same_file_must_be_the_same_image(
        self, tmp_path: Path
    ) -> None:
        layout = Layout(tmp_path / "layout")
        image = layout.add_image("hi")
        layout.finish(image)
        manifest = json.loads((layout.blobs / str(image["digest"])[7:]).read_bytes())
        entry = {
            "Config": "blobs/sha256/" + manifest["config"]["digest"][7:],
            "RepoTags": ["shop/web:1"],
            "Layers": ["blobs/sha256/" + manifest["layers"][0]["digest"][7:]],
        }
        (layout.folder / "manifest.json").write_text(json.dumps([entry]))
        both = pack(layout.folder, tmp_path / "a.tar")

        assert (
            read_docker_archive(str(both), name="a").digest
            == manifest["config"]["digest"]
        )
        layout.finish(layout.add_image("evil"))
        pack(layout.folder, both)
        with pytest.raises(IntegrityError, match=r"manifest\.json and index\.json"):
            read_docker_archive(str(both), name="a")


def tar_with(*entries: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return buffer.getvalue()


def entry_of(name: str, kind: bytes = b"0", **fields: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry


def members_of(content: bytes) -> dict[str, tar_index.Member]:
    return index_tar(io.BytesIO(content), len(content), "a.tar")


class TestTarIndex:
    def test_folder_may_stand_twice_and_be_written_as_a_file(self) -> None:
        content = tar_with(entry_of("a", b"5"), entry_of("a", b"5"), entry_of("b/"))

        assert {m.name: m.kind for m in members_of(content).values()} == {
            "a": "folder",
            "b": "folder",
        }

    def test_size_of_a_pax_header_counts(self) -> None:
        record = b"9 size=3\n"
        header = entry_of("pax", b"x")
        header.size = len(record)
        content = (
            header.tobuf(tarfile.USTAR_FORMAT)
            + record.ljust(512, b"\0")
            + entry_of("a").tobuf(tarfile.USTAR_FORMAT)
            + b"abc".ljust(512, b"\0")
        )

        assert members_of(content)["a"].size == 3

    def test_number_beyond_octal_is_read(self) -> None:
        entry = entry_of("a")
        entry.size = 3
        header = bytearray(entry.tobuf(tarfile.USTAR_FORMAT))
        header[124:136] = b"\x80" + (3).to_bytes(11, "big")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)

        assert members_of(bytes(header) + b"abc".ljust(512, b"\0"))["a"].size == 3

    @pytest.mark.parametrize(
        "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
    )
    @pytest.mark.parametrize("name", ["a", "b/" * 40 + "c", "ü" * 20])
    def test_members_are_those_that_the_writer_put_in(
        self, form: int, name: str
    ) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
            tar.addfile(entry_of(name, size=3), io.BytesIO(b"abc"))
            tar.addfile(entry_of("link", b"2", linkname="a"))
        content = buffer.getvalue()

        members = members_of(content)

        member = members[name]
        assert content[member.offset : member.offset + member.size] == b"abc"
        assert members["link"][1:] == ("link", members["link"].offset, 0, "a")

    def test_long_names_of_gnu_and_pax_are_read(self) -> None:
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
                tar.addfile(entry_of("n" * 300))

            assert list(members_of(buffer.getvalue())) == ["n" * 300]

    @pytest.mark.parametrize(
        ("entries", "got"),
        [
            ([entry_of("/etc/passwd")], "/etc/passwd"),
            ([entry_of("../up")], "../up"),
            ([entry_of("a/../../up")], "up"),
            ([entry_of("..")], "got .."),
            ([entry_of("dev", b"3")], "device"),
            ([entry_of("pipe", b"6")], "pipe"),
            ([entry_of("sparse", b"S")], "type"),
            ([entry_of("a"), entry_of("./a")], "a twice"),
            ([entry_of("manifest.json"), entry_of("manifest.json")], "twice"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_member_that_no_image_has_is_refused(
        self, entries: list[tarfile.TarInfo], got: str
    ) -> None:
        with pytest.raises(IntegrityError, match=got.replace(".", r"\.")):
            members_of(tar_with(*entries))

    def test_member_longer_than_the_file_is_refused(self) -> None:
        entry = entry_of("giant")
        entry.size = 8 * 1024**4

        with pytest.raises(IntegrityError, match="fewer"):
            members_of(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))

    def test_giant_header_extension_is_refused(self) -> None:
        entry = entry_of("x", b"x")
        entry.size = 1024**3

        with pytest.raises(UsageError, match="header extensions"):
            members_of(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))

    @pytest.mark.parametrize(
        "record",
        [
            b"",
            b"x",
            b"5 a=",
            b"0 a=b\n",
            b"99 path=a\n",
            b"9999999 path=a\n",
            b"-1 path=a\n",
            b"22 GNU.sparse.major=1\n",
            b"11 size=-1\n",
            b"10 size=a\n",
            b"12 path=\xff\xff\xff\n",
            b"11 path=a\0\n",
        ],
    )
    def test_bad_pax_record_is_refused(self, record: bytes) -> None:
        header = entry_of("pax", b"x")
        header.size = max(len(record), 1)
        body = record.ljust(512, b"\0")
        content = (
            header.tobuf(tarfile.USTAR_FORMAT)
            + body
            + entry_of("a").tobuf(tarfile.USTAR_FORMAT)
            + bytes(1024)
        )

        with pytest.raises(NotaryError):
            members_of(content)

    def test_global_pax_header_may_not_rename_members(self) -> None:
        record = b"10 path=a\n"
        header = entry_of("pax", b"g")
        header.size = len(record)
        content = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")

        with pytest.raises(IntegrityError, match="pax key path"):
            members_of(content)

    @pytest.mark.parametrize(
        ("content", "got"),
        [
            (gzip.compress(b"x"), "compressed with gzip"),
            (b"BZh9", "compressed with bzip2"),
            (b"\xfd7zXZ\0", "compressed with xz"),
            (b"(\xb5/\xfd", "compressed with zstd"),
            (b"", "something else"),
            (b"x" * 2000, "something else"),
        ],
        ids=["gzip", "bzip2", "xz", "zstd", "empty", "text"],
    )
    def test_what_is_no_plain_tar_is_named(self, content: bytes, got: str) -> None:
        with pytest.raises(UsageError, match=got):
            members_of(content)

    def test_too_many_members_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tar_index, "MAX_MEMBERS", 3)

        with pytest.raises(UsageError, match="at most 3 members"):
            members_of(tar_with(*(entry_of(str(n)) for n in range(4))))

    @given(st.integers(0, 511), st.integers(1, 255))
    def test_each_changed_header_byte_is_found_or_harmless(
        self, at: int, change: int
    ) -> None:
        content = bytearray(tar_with(entry_of("name", size=5)))
        content[at] ^= change

        with pytest.raises(NotaryError):
            members_of(bytes(content))

    @given(st.integers(1, 512 * 2 - 1))
    def test_cut_archive_is_found(self, length: int) -> None:
        content = tar_with(entry_of("a", size=512))[:length]

        with pytest.raises(NotaryError):
            members_of(content)

    @given(st.binary(max_size=1024))
    def test_any_bytes_are_read_or_refused(self, content: bytes) -> None:
        header = entry_of("a").tobuf(tarfile.USTAR_FORMAT)
        try:
            members_of(header + content)
        except NotaryError:
            return


def test_link_to_a_layer_is_followed_once_inside_of_the_archive(
    tmp_path: Path,
) -> None:
    files = docker_files(None, Layers=["two/layer.tar"])
    buffer = io.BytesIO(tar_of(files))
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        tar.addfile(entry_of("two/layer.tar", b"2", linkname="../one/layer.tar"))
    path = tmp_path / "a.tar"
    path.write_bytes(buffer.getvalue())

    asset = read_docker_archive(str(path), name="a")

    assert asset.digest == config_of(files)


@pytest.mark.parametrize(
    "target", ["../../etc/passwd", "/etc/passwd", "absent", "layer.tar", "../one"]
)
def test_link_to_anything_else_is_refused(tmp_path: Path, target: str) -> None:
    buffer = io.BytesIO(tar_of(docker_files(None, Layers=["two/layer.tar"])))
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        tar.addfile(entry_of("two/layer.tar", b"2", linkname=target))
    path = tmp_path / "a.tar"
    path.write_bytes(buffer.getvalue())

    with pytest.raises(IntegrityError):
        read_docker_archive(str(path), name="a")


@pytest.mark.parametrize("name", ["manifest.json"])
def test_link_in_place_of_the_listing_is_refused(tmp_path: Path, name: str) -> None:
    files = docker_files()
    files["real"] = files.pop(name)
    buffer = io.BytesIO(tar_of(files))
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        tar.addfile(entry_of(name, b"2", linkname="real"))
    path = tmp_path / "a.tar"
    path.write_bytes(buffer.getvalue())

    with pytest.raises(IntegrityError, match="a link"):
        read_docker_archive(str(path), name="a")
