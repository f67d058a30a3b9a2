"""Bad and hostile input: one clear error, the right code, and nothing recorded."""

from __future__ import annotations

import base64
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.program import PROGRAM, Ran, finish, program, start

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a ledger and a good file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").write_text("good")
    assert program("notarize", "good", "-q").code == 0
    return tmp_path


def assert_refused(done: Ran, code: int, *words: str) -> None:
    """Check that a call ended in one clear error, and that nothing was recorded."""
    assert done.code == code, done
    assert done.stdout == b""
    assert done.stderr.startswith("jenkins-notary: error: ")
    assert "Traceback" not in done.stderr
    assert "internal fault" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert program("ledger", "verify", "-o", "json").json["size"] == 2


@pytest.fixture
def closed_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


@pytest.mark.slow
def test_faults_of_ten_thousand_files_are_all_listed(folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(10_000):
        (folder / "many" / f"{number}").write_text(str(number))
    (folder / "many" / "77").unlink()
    os.mkfifo(folder / "many" / "77")
    (folder / "many" / "5000").unlink()
    (folder / "many" / "5000").symlink_to("nowhere")
    names = [f"many/{number}" for number in range(10_000)] + ["many/missing"]

    done = program("notarize", "-", stdin="\n".join(names).encode())

    assert_refused(done, 66, "3 faults", "many/77: ", "many/5000: ", "many/missing: ")
    assert program("authenticate", "many/1").code == 2
    good = [name for name in names if name not in {"many/77", "many/5000", names[-1]}]
    assert program("notarize", "-", stdin="\n".join(good).encode()).code == 0
    assert program("authenticate", *good[:3], good[-1]).code == 0


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        pytest.param("", 64, "an empty argument", id="empty"),
        pytest.param("  ", 64, "an empty argument", id="blank"),
        pytest.param("missing", 66, "no such file", id="missing"),
        pytest.param("fifo", 64, "a named pipe", id="fifo"),
        pytest.param("loop", 64, "loops", id="link-loop"),
        pytest.param("/dev/zero", 64, "a character device", id="device"),
        pytest.param("file://tree", 64, "a directory", id="directory-as-file"),
        pytest.param("dir://missing", 66, "no such directory", id="no-directory"),
        pytest.param("dir://good", 64, "a file", id="file-as-directory"),
        pytest.param("dir://", 64, "nothing", id="no-path"),
        pytest.param("outside", 64, "an absolute one", id="link-out-of-directory"),
        pytest.param("nothing*", 66, "nothing*", id="pattern-of-nothing"),
        pytest.param("git://tree", 66, "a git repository", id="no-repository"),
        pytest.param("oci-archive:good", 64, "a tar file", id="no-archive"),
        pytest.param("docker-archive:missing", 66, "no such file", id="no-file"),
        pytest.param("image://", 64, "nothing", id="no-reference"),
        pytest.param("image://a b", 64, "reference", id="broken-reference"),
        pytest.param("image://h/x@sha256:12", 64, "64 hex digits", id="short-digest"),
        pytest.param("sha256:12", 64, "64 hex digits", id="bare-short-digest"),
        pytest.param("sha256:" + "0" * 64, 64, "--name", id="digest-without-a-name"),
        pytest.param("what://x", 64, "before ://", id="unknown-scheme"),
        pytest.param("x" * 5000, 64, "too long", id="long-name"),
    ],
)
def test_asset_that_cannot_be_recorded(
    folder: Path, word: str, code: int, said: str
) -> None:
    os.mkfifo("fifo")
    Path("loop").symlink_to("loop")
    (folder / "tree" / "below").mkdir(parents=True)
    (folder / "outside").mkdir()
    (folder / "outside" / "link").symlink_to("/etc/passwd")

    assert_refused(program("notarize", word), code, said)
    assert_refused(program("notarize", "good", word), code, said)


def test_directory_with_a_loop_is_recorded_by_its_links(folder: Path) -> None:
    (folder / "tree" / "below").mkdir(parents=True)
    (folder / "tree" / "below" / "up").symlink_to("..")

    assert program("notarize", "tree").code == 0
    assert program("authenticate", "tree").code == 0
    (folder / "tree" / "below" / "up").unlink()
    assert program("authenticate", "tree").code == 2


def test_empty_file_is_a_file_like_any_other(folder: Path) -> None:
    (folder / "empty").touch()

    assert program("notarize", "empty").code == 0
    assert program("authenticate", "empty").code == 0


def obey_modes() -> None:
    """Take from a process that is to start the superuser's right to read anything."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="the superuser reads anything")
@pytest.mark.parametrize("name", ["closed", "shut", "half"])
def test_unreadable_file_is_77(folder: Path, name: str) -> None:
    (folder / "closed").write_text("x")
    (folder / "closed").chmod(0)
    (folder / "shut").mkdir(mode=0)
    (folder / "half").mkdir()
    (folder / "half" / "closed").write_text("x")
    (folder / "half" / "closed").chmod(0)

    done = subprocess.run(
        [*PROGRAM, "notarize", "good", name],
        capture_output=True,
        check=False,
        preexec_fn=obey_modes,
    )

    (folder / "shut").chmod(0o700)
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert_refused(ran, 77, name, "permission denied")


def test_file_that_changes_while_it_is_read_is_refused(folder: Path) -> None:
    (folder / "growing").write_bytes(bytes(300 << 20))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with open(folder / "growing", "r+b") as file:
                file.write(os.urandom(16))
            time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = program("notarize", "growing")
    finally:
        stop.set()
        writer.join()

    assert_refused(done, 64, "changed while it was read")


@pytest.mark.parametrize("options", [[], ["--plain-http", "127.0.0.1"]])
def test_registry_that_is_down_is_69_soon(closed_port: int, options: list[str]) -> None:
    began = time.monotonic()

    done = program("notarize", f"image://127.0.0.1:{closed_port}/app:1", *options)

    assert_refused(done, 69, f"127.0.0.1:{closed_port}")
    assert time.monotonic() - began < 30


class Login(BaseHTTPRequestHandler):
    """A registry that lets nobody in."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - as above

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Endless(Login):
    """A server whose answer has no end."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            return


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve on a port of this machine."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_registry_that_asks_for_a_login_is_77(folder: Path) -> None:
    auth = base64.b64encode(b"bot:s3cr3t-pw").decode()
    with serving(Login) as port:
        host = f"127.0.0.1:{port}"
        argv = ("notarize", f"image://{host}/app:1", "--plain-http", "127.0.0.1")
        anonymous = program(*argv)
        (folder / "config.json").write_text(
            f'{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}'
        )
        known = program(*argv, environ={"DOCKER_CONFIG": str(folder)})

    assert_refused(anonymous, 77, host)
    assert_refused(known, 77, host)
    assert "s3cr3t-pw" not in known.stderr
    assert auth not in known.stderr


def test_registry_whose_answer_has_no_end_is_refused() -> None:
    with serving(Endless) as port:
        done = program(
            *("notarize", f"image://127.0.0.1:{port}/app:1"),
            *("--plain-http", "127.0.0.1"),
        )

    assert_refused(done, 64, "expected at most", "bytes")


@pytest.mark.parametrize(
    "job",
    [
        *("", "app", "#1", "app#", "app#0", "app#-1", "app#x", "a#1#2", "a:b:c#1"),
        *("../a#1", "a//b#1", "a/./b#1", "a\nb#1", "a\x1b[2J#1", "https://ci/"),
        pytest.param("a#" + "9" * 30, id="number"),
        pytest.param("x" * 5000 + "#1", id="long"),
    ],
)
def test_malformed_job_id_is_64(job: str) -> None:
    assert_refused(program("notarize", "good", f"--job={job}"), 64, "job id")


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(["notarize", "good", "--key", "good.pem"], 78, id="no-key"),
        pytest.param(["notarize", "good", "--key", "open.pem"], 78, id="open-key"),
        pytest.param(["notarize", "good", "--key", "locked.pem"], 78, id="locked"),
        pytest.param(["notarize", "good", "--key", "."], 78, id="folder-as-key"),
        pytest.param(["notarize", "good", "--key", "missing.pem"], 66, id="missing"),
        pytest.param(["notarize", "good", "--ledger", "."], 78, id="folder-as-ledger"),
        pytest.param(["notarize", "good", "--ledger", "good"], 65, id="file-as-ledger"),
        pytest.param(["notarize", "good", "--ledger", "x://y"], 78, id="engine"),
        pytest.param(["notarize", "good", "--ledger", ""], 78, id="no-ledger"),
        pytest.param(["notarize", "good", "--log", "no vkey"], 78, id="vkey"),
        pytest.param(
            ["notarize", "good", "--ledger", "good/x.db"], 64, id="below-file"
        ),
        pytest.param(["notarize", "good", "-a", "x"], 64, id="attribute"),
        pytest.param(["notarize", "good", "-a", "x=" + "x" * 2000], 64, id="long-attr"),
        pytest.param(["notarize", "good", "--attach", "missing"], 66, id="attachment"),
        pytest.param(["notarize", "good", "--attach", "."], 64, id="attached-folder"),
        pytest.param(["notarize", "good", "--supersede", "1"], 64, id="no-reason"),
        pytest.param(
            ["notarize", "good", "--supersede", "1", "--reason", "x"], 64, id="positive"
        ),
        pytest.param(["untrust", "good"], 64, id="untrust-without-a-reason"),
        pytest.param(["signer", "enrol", "0x" + "0" * 40], 66, id="unknown-signer"),
        pytest.param(["signer", "enrol", "good"], 78, id="no-public-key"),
        pytest.param(["signer", "revoke", "0x12"], 64, id="short-signer"),
        pytest.param(["ledger", "erase", "0", "--reason", "x"], 64, id="erase-genesis"),
        pytest.param(
            ["ledger", "erase", "99", "--reason", "x"], 66, id="erase-nothing"
        ),
        pytest.param(["log", "put", "a#1", "."], 64, id="log-of-a-folder"),
        pytest.param(["import", "good"], 64, id="import-of-prose"),
    ],
)
def test_call_that_cannot_be_done(folder: Path, argv: list[str], code: int) -> None:
    for name in ("good", "open"):
        (folder / f"{name}.pem").write_text("no key")
        (folder / f"{name}.pem").chmod(0o600 if name == "good" else 0o644)
    locked = {"JENKINS_NOTARY_KEY_PASSPHRASE": "right"}
    assert program("key", "generate", "--key", "locked.pem", environ=locked).code == 0

    environ = {"JENKINS_NOTARY_KEY_PASSPHRASE": "wrong-passphrase"}
    done = program(*argv, environ=environ)

    assert_refused(done, code)
    assert "wrong-passphrase" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"nope: 1", id="unknown"),
        pytest.param(b"ledger: [1]", id="list"),
        pytest.param(b"limit: many", id="integer"),
        pytest.param(b"quiet: maybe", id="flag"),
        pytest.param(b"output: xml", id="choice"),
        pytest.param(b"output: json\noutput: text", id="twice"),
        pytest.param(b"token: s3cr3t-pw", id="secret"),
        pytest.param(b"- quiet", id="no-mapping"),
        pytest.param(b"quiet: &a [*a]", id="recursive"),
        pytest.param(b"!!python/object/apply:os.system [touch pwned]", id="code"),
        pytest.param(b"\xff\xfe", id="no-utf-8"),
        pytest.param(b"[" * 50_000, id="deep"),
        pytest.param(b"a: &a [x]\nb: &b [*a,*a,*a,*a]\n" * 2, id="aliases"),
        pytest.param(b"#" * (2 << 20), id="huge"),
    ],
)
def test_configuration_that_is_wrong_is_78(folder: Path, text: bytes) -> None:
    (folder / "config.yaml").write_bytes(text)

    done = program("notarize", "good", "--config", "config.yaml")

    assert_refused(done, 78, "config.yaml")
    assert "s3cr3t-pw" not in done.stderr
    assert not (folder / "pwned").exists()


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["-x"],
        ["--"],
        ["nope"],
        ["ledger"],
        ["ledger", "nope"],
        ["notarize"],
        ["notarize", "--job"],
        ["notarize", "-o"],
        ["notarize", "good", "-o", "xml"],
        ["notarize", "--output=", "good"],
        ["notarize", "good", "--supersede", "x"],
        ["inspect", "good", "--limit", "0"],
        ["inspect", "good", "--limit", "9" * 40],
        ["inspect", "good", "more"],
        ["authenticate", "good", "--as-of", "soon"],
        ["authenticate", "good", "--as-of=-1"],
        ["evidence"],
        ["log"],
        ["completion", "sh"],
        ["authenticate", "good", "--no-ledger"],
    ],
    ids=" ".join,
)
def test_codes_of_the_runtime_never_leak(argv: list[str]) -> None:
    done = program(*argv)

    assert done.code == 64, done
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("jenkins-notary: error: ")


def test_error_is_a_document_when_one_is_asked_for() -> None:
    done = program("notarize", "missing", "-o", "json")

    assert done.code == done.json["code"] == 66
    assert done.json["subject"] == "missing"
    assert "missing" in done.json["message"]


@pytest.mark.parametrize(
    "argv",
    [
        ["notarize", "-"],
        ["log", "put", "a#1", "-"],
        ["attach", "-", "--job", "a#1"],
        ["authenticate", "-"],
    ],
    ids=lambda argv: argv[0],
)
def test_ctrl_c_is_130_and_nothing_is_recorded(argv: list[str], folder: Path) -> None:
    process = start(*argv, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"some text\n" * 10)
    process.stdin.flush()
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    done = finish(process)

    assert done.code == 130, done
    assert "Traceback" not in done.stderr
    assert program("ledger", "verify", "-o", "json").json["size"] == 2
    assert not list(folder.rglob("tmp/*"))


def test_ctrl_c_at_any_moment_is_130_or_done(folder: Path) -> None:
    for number in range(40):
        process = start("notarize", "good")
        time.sleep(0.005 * number)
        process.send_signal(signal.SIGINT)
        done = finish(process)

        assert done.stdout == b"" or done.stdout.endswith(b"\n")
        # Until our `main` runs, Python itself dies of the signal (130 in a shell), or
        # ends with 1 while it starts or imports the program: no verdict, no output.
        assert done.code in {0, 130, -signal.SIGINT, 1}, done
        assert done.code != 1 or done.stdout == b"", done
        running = re.search(r"jenkins_notary/.*, in (?!<module>)", done.stderr)
        assert done.code != 1 or running is None, done
        assert "internal fault" not in done.stderr, done
    assert program("ledger", "verify").code == 0
    assert folder.is_dir()


@pytest.mark.parametrize(
    "argv",
    [
        "inspect good",
        "inspect good --envelope",
        "evidence --signer $S",
        "authenticate good",
        "ledger status",
        "ledger verify -o json",
        "--help",
        "completion bash",
        "nope",
    ],
)
def test_reader_that_went_away_changes_no_code(argv: str) -> None:
    signer = program("key", "show", "-o", "json").json["signer"]
    words = argv.replace("$S", signer)
    line = f'"$@" {words} | true; echo ${{PIPESTATUS[0]}}'

    done = subprocess.run(
        ["bash", "-c", line, "bash", *PROGRAM], capture_output=True, check=False
    )

    assert done.stdout == (b"64\n" if argv == "nope" else b"0\n")
    assert re.sub(rb"jenkins-notary: error: .*\n", b"", done.stderr) == b""


@pytest.mark.parametrize("argv", [["notarize", "-"], ["log", "put", "a#1", "-"]])
def test_closed_standard_input_is_one_error(argv: list[str]) -> None:
    line = '"$@" <&-'

    done = subprocess.run(
        ["bash", "-c", line, "bash", *PROGRAM, *argv], capture_output=True, check=False
    )

    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert_refused(ran, 64, "standard input")
