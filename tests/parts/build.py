"""Get the real parts that tests run: others' programs, built here once and cached.

Run as `python3 tests/parts/build.py [NAME...]` (all parts without a name). A part
comes from a package registry in one of four ways:

* a Go program of others, by `go install` at a fixed version;
* a Go program of this folder (`go/`), against a committed `go.sum`;
* the libraries that a Maven project names, at fixed versions;
* a Debian package, by `apt-get` when run as root, else named for the reader.

What is built lies outside the checkout, one folder for name, version and Go release
(`cosign-v2.6.5-go1.26.8/cosign`), so no build happens twice. A part appears under its
name only when it is whole. Standard library only: this runs before any install.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = Path(
    os.environ.get("JENKINS_NOTARY_PARTS") or CACHE / "jenkins-notary" / "parts"
).absolute()
"""Where built parts lie; read once, before a test gets an environment of its own."""

GO_SOURCES = Path(__file__).resolve().parent / "go"
GO_FLAGS = ("-trimpath", "-ldflags", "-s -w")
HEARTBEAT_S = 30
IMMUDB = "github.com/codenotary/immudb/cmd"
KUBERNETES = "k8s.io/kubernetes/cmd"
KUBERNETES_STAMPS = (
    "k8s.io/component-base/version.gitVersion=v1.33.13",
    "k8s.io/component-base/version.gitMajor=1",
    "k8s.io/component-base/version.gitMinor=33",
    "k8s.io/client-go/pkg/version.gitVersion=v1.33.13",
)
"""A server that does not know its version is refused by Helm."""

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before it starts a service; exit code 101 forbids it."""


class PartError(Exception):
    """A part cannot be got; the text says why and what would help."""


class GoPart(NamedTuple):
    """A Go program that others publish.

    Attributes:
        name: The program's name, also that of its last package folder.
        package: The import path of its main package.
        version: The module version, with its "v".
        takes: How long a first build takes, in words.
    """

    name: str
    package: str
    version: str
    takes: str

    def find(self) -> Path | None:
        """Return the newest cached program of this version, or None."""
        return find_cached(self.name, self.version)

    def get(self) -> Path:
        """Build the program with `go install` unless it is cached.

        Raises:
            PartError: Go is missing or the build fails.
        """
        target = f"{self.package}@{self.version}"

        def build(folder: Path) -> None:
            """Install the program into the folder."""
            run_go(["install", *GO_FLAGS, target], "mod", {"GOBIN": str(folder)})

        return build_cached(self.name, self.version, self.takes, build)

    def advice(self) -> str:
        """Return how to get the part."""
        return f"run `make parts` (needs Go; {self.takes} the first time)"


class OwnGoPart(NamedTuple):
    """A Go program built by a module of this folder, against its committed go.sum.

    Attributes:
        name: The program's name.
        module: The module's folder below `go/`; "" for one of the program's name.
        package: The main package, in the module or of others that it names.
        takes: How long a first build takes, in words.
        stamps: Variables that the linker sets, as `import/path.name=value`.
    """

    name: str
    module: str = ""
    package: str = "."
    takes: str = "a few seconds"
    stamps: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """Return the module's folder."""
        return GO_SOURCES / (self.module or self.name)

    @property
    def version(self) -> str:
        """Return 12 hex digits that change with any source file or stamp."""
        total = hashlib.sha256("".join(self.stamps).encode())
        for path in sorted(one for one in self.source.rglob("*") if one.is_file()):
            name = str(path.relative_to(self.source))
            total.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
        return total.hexdigest()[:12]

    def find(self) -> Path | None:
        """Return the cached program made of today's sources, or None."""
        return find_cached(self.name, self.version)

    def get(self) -> Path:
        """Build the program unless it is cached.

        Raises:
            PartError: Go is missing or the build fails.
        """

        def build(folder: Path) -> None:
            """Build the program into the folder."""
            flags = [*GO_FLAGS]
            flags[-1] += "".join(f" -X {stamp}" for stamp in self.stamps)
            words = ["build", *flags, "-o", str(folder / self.name), self.package]
            run_go(words, "readonly", cwd=self.source)

        return build_cached(self.name, self.version, self.takes, build)

    def advice(self) -> str:
        """Return how to get the part."""
        return f"run `make parts` (needs Go; {self.takes} the first time)"


class DebianPart(NamedTuple):
    """A program of the system's package archive.

    Attributes:
        name: The program's name on PATH.
        package: The Debian package that holds it.
    """

    name: str
    package: str

    def find(self) -> Path | None:
        """Return the installed program, or None."""
        found = shutil.which(self.name)
        return Path(found) if found else None

    def get(self) -> Path:
        """Install the package when run as root unless the program is there.

        Raises:
            PartError: Nobody here may install it, or installing fails.
        """
        found = self.find()
        if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
            say(f"{self.name}: installing the Debian package {self.package}")
            apt_install(self.package)
            found = self.find()
        if found is None:
            message = f"{self.name}: not installed; {self.advice()}"
            raise PartError(message)
        return found

    def advice(self) -> str:
        """Return how to get the part."""
        return f"run `apt-get install {self.package}` as root"


class MavenPart(NamedTuple):
    """The libraries of a Maven project: a repository of its own, to be used offline.

    Attributes:
        name: The part's name.
        project: The folder of its `pom.xml`.
    """

    name: str
    project: Path

    @property
    def home(self) -> Path:
        """Return the repository's folder, another one for each state of the pom."""
        pom = (self.project / "pom.xml").read_bytes()
        return FOLDER / f"{self.name}-{hashlib.sha256(pom).hexdigest()[:12]}"

    def find(self) -> Path | None:
        """Return the folder of the repository, or None."""
        return self.home if self.home.is_dir() else None

    def get(self) -> Path:
        """Have Maven fetch what compiling and testing need, unless it is there.

        Raises:
            PartError: Maven or a JDK is missing, or it fails.
        """
        home = self.home
        if home.is_dir():
            return home
        maven = shutil.which("mvn")
        if maven is None or shutil.which("javac") is None:
            message = "Maven or a JDK is not installed; get the parts mvn and javac"
            raise PartError(message)
        say(f"{self.name}: fetching (half a minute)")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="maven-", dir=home.parent) as temporary:
            repository = Path(temporary) / "whole"
            done = subprocess.run(
                [
                    *(maven, "-B", "-q", f"-Dmaven.repo.local={repository}"),
                    *(f"-Dbuild={temporary}/build", "-Dtest=NothingToRun", "test"),
                    "-Dsurefire.failIfNoSpecifiedTests=false",
                ],
                cwd=self.project,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode:
                message = f"mvn test: exit {done.returncode}\n{done.stdout[-2000:]}"
                raise PartError(message)
            try:
                repository.rename(home)
            except OSError:
                if not home.is_dir():
                    raise
        return home

    def advice(self) -> str:
        """Return how to get the part."""
        return "run `make parts` (needs Maven and a JDK)"


TORCHWOOD = "filippo.io/torchwood/cmd"

PARTS: dict[str, GoPart | OwnGoPart | MavenPart | DebianPart] = {
    part.name: part
    for part in (
        DebianPart("git", "git"),
        DebianPart("docker-registry", "docker-registry"),
        DebianPart("skopeo", "skopeo"),
        DebianPart("podman", "podman"),
        DebianPart("dash", "dash"),
        DebianPart("busybox", "busybox"),
        DebianPart("curl", "curl"),
        DebianPart("wget", "wget"),
        DebianPart("ssh-agent", "openssh-client"),
        DebianPart("chromium", "chromium"),
        DebianPart("promtool", "prometheus"),
        DebianPart("prometheus", "prometheus"),
        DebianPart("chromedriver", "chromium-driver"),
        DebianPart("etcd", "etcd-server"),
        DebianPart("javac", "default-jdk-headless"),
        DebianPart("mvn", "maven"),
        MavenPart("groovy-libraries", Path(__file__).resolve().parents[1] / "groovy"),
        OwnGoPart("sumdbcheck"),
        OwnGoPart("witnessed"),
        GoPart("litewitness", f"{TORCHWOOD}/litewitness", "v0.9.0", "half a minute"),
        GoPart(
            "versitygw",
            "github.com/versity/versitygw/cmd/versitygw",
            "v1.8.0",
            "3 minutes",
        ),
        OwnGoPart("immudb", "immudb", f"{IMMUDB}/immudb", "90 s"),
        OwnGoPart("immuadmin", "immudb", f"{IMMUDB}/immuadmin", "90 s"),
        OwnGoPart("immuclient", "immudb", f"{IMMUDB}/immuclient", "90 s"),
        OwnGoPart("immudb-load", "immudb", "./load", "half a minute"),
        GoPart(
            "fsck", "github.com/transparency-dev/tessera/cmd/fsck", "v1.0.4", "30 s"
        ),
        GoPart(
            "cosign", "github.com/sigstore/cosign/v2/cmd/cosign", "v2.6.5", "5 minutes"
        ),
        OwnGoPart(
            "kube-apiserver",
            "kubernetes",
            f"{KUBERNETES}/kube-apiserver",
            "6 minutes",
            KUBERNETES_STAMPS,
        ),
        OwnGoPart(
            "kubectl",
            "kubernetes",
            f"{KUBERNETES}/kubectl",
            "a minute, after kube-apiserver",
            KUBERNETES_STAMPS,
        ),
        GoPart("helm", "helm.sh/helm/v3/cmd/helm", "v3.22.0", "4 minutes"),
    )
}
"""Every part by name, the quick ones first."""


def find_cached(name: str, version: str) -> Path | None:
    """Return the cached program of that version, whichever Go built it, or None."""
    found = [
        path
        for path in FOLDER.glob(f"{name}-{version}-go*/{name}")
        if os.access(path, os.X_OK)
    ]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def build_cached(
    name: str, version: str, takes: str, build: Callable[[Path], None]
) -> Path:
    """Return the program from the cache, building it there first if need be.

    The build fills a folder of its own that is moved into place when whole; of two
    builds at once the first to finish stays.
    """
    home = FOLDER / f"{name}-{version}-{go_version()}"
    program = home / name
    if os.access(program, os.X_OK):
        return program
    say(f"{name} {version}: building ({takes} the first time)")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=home.parent) as temporary:
        folder = Path(temporary) / "whole"
        folder.mkdir()
        build(folder)
        try:
            folder.rename(home)
        except OSError:
            if not os.access(program, os.X_OK):
                raise
    return program


def go_version() -> str:
    """Return the release of the Go that builds, such as "go1.26.8"."""
    return run_go(["env", "GOVERSION"], "mod").strip()


def run_go(
    arguments: list[str],
    mod: str,
    environment: dict[str, str] | None = None,
    *,
    cwd: Path | None = None,
) -> str:
    """Run the go command, with a sign of life now and then; return its output.

    Raises:
        PartError: Go is missing or the command fails; with the end of its output.
    """
    go = shutil.which("go")
    if go is None:
        message = "Go is not installed; get it from https://go.dev/dl or your system"
        raise PartError(message)
    settings = {"CGO_ENABLED": "0", "GOFLAGS": f"-mod={mod} -buildvcs=false"}
    with tempfile.TemporaryFile("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            [go, *arguments],
            env=os.environ | settings | (environment or {}),
            cwd=cwd or tempfile.gettempdir(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while True:
            try:
                code = process.wait(timeout=HEARTBEAT_S)
                break
            except subprocess.TimeoutExpired:
                say(f"  still building, {time.monotonic() - started:.0f} s")
        output.seek(0)
        text = output.read()
    if code:
        message = f"go {' '.join(arguments)}: exit {code}\n{text[-2000:]}"
        raise PartError(message)
    return text


def apt_install(package: str) -> None:
    """Install a Debian package without starting any service it brings.

    Raises:
        PartError: apt-get fails, also after renewing its lists.
    """
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    keep_off = not POLICY.exists()
    if keep_off:
        POLICY.write_text("#!/bin/sh\nexit 101\n", "ascii")
        POLICY.chmod(0o755)
    try:
        for command in (install, ["apt-get", "update", "-q"], install):
            done = subprocess.run(
                command,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            if command is install and done.returncode == 0:
                return
    finally:
        if keep_off:
            POLICY.unlink()
    message = (
        f"apt-get install {package}: exit {done.returncode}\n{done.stdout[-2000:]}"
    )
    raise PartError(message)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def main(names: list[str]) -> int:
    """Get the named parts, or all; return how many are missing, 64 for a bad name."""
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        say(f"no such part: {', '.join(unknown)}; known: {', '.join(PARTS)}")
        return 64
    missing = 0
    for name in names or PARTS:
        try:
            say(f"{name}: {PARTS[name].get()}")
        except PartError as error:
            missing += 1
            say(f"{name}: MISSING: {error}")
    return missing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
