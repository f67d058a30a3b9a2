"""Start a witness: its key, its state, the logs that it knows; then serve."""

from __future__ import annotations

import os

from jenkins_notary.api.session import SystemClock
from jenkins_notary.errors import ConfigurationError, UsageError
from jenkins_notary.files.witness_state import WitnessFile
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.keys.witness_key import generate_witness_key, load_witness_key
from jenkins_notary.serving.place import format_address, missing_extra
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.note import is_key_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.keys.witness_key import WitnessSigner
    from jenkins_notary.tlog.note import Ed25519Verifier


class WitnessChoices(NamedTuple):
    """How a witness runs.

    Attributes:
        logs: The content of the file of logs.
        key: The key's file; its state is beside it.
        name: The name of a key that is made, or None.
        host: Where it listens.
        port: Where it listens; 0 for any.
        certificate: Files of a certificate and its key, or None for plain HTTP.
    """

    logs: bytes
    key: str
    name: str | None
    host: str
    port: int
    certificate: tuple[str, str] | None


def witness(
    choices: WitnessChoices,
    *,
    notify: Callable[[str], None],
    report: Callable[[str], object],
) -> None:
    """Witness logs until SIGTERM or SIGINT.

    Plain HTTP is no danger here: what is sent is signed, and for everybody.

    Args:
        choices: How it runs.
        notify: Told what happens at the start.
        report: Told of each request.

    Raises:
        ConfigurationError: The extra ``[service]`` is not installed, or a file is not
            what it must be.
        NotFoundError: The state is gone.
    """
    try:
        from jenkins_notary.service.witness.protocol import WitnessApplication
        from jenkins_notary.serving import listen
    except ImportError as error:
        raise missing_extra("witness", error) from error
    logs = parse_logs(choices.logs)
    signer, state = open_witness(choices.key, choices.name)
    try:
        app = WitnessApplication(logs, state, signer, report)
        with listen.bind(choices.host, choices.port) as listener:
            port, is_tls = listener.getsockname()[1], choices.certificate is not None
            address = format_address(choices.host, port, is_tls=is_tls)
            notify(f"witness key {signer.vkey}")
            listen.run(
                app,
                listener,
                certificate=choices.certificate,
                on_ready=lambda: notify(f"witnessing on {address}"),
            )
    finally:
        state.close()


def open_witness(path: str, name: str | None) -> tuple[WitnessSigner, WitnessFile]:
    """Return a witness's key and what it has signed; make both at first.

    Raises:
        NotFoundError: The key is there, and its state is gone.
        UsageError: A key is to be made, and has no good name; or the key that is there
            has another.
        ConfigurationError: A file is not what it must be.
    """
    clock, state = SystemClock(), f"{path}.state"
    if os.path.exists(path):
        signer = load_witness_key(path, clock)
        if name is not None and name != signer.name:
            raise UsageError(f"--name {name}", expected=signer.name, got="another")
        return signer, WitnessFile(state, create=False)
    if name is None or not is_key_name(name):
        raise UsageError(
            "--name",
            expected="a name for the new key, without spaces or plus signs",
            got="none" if name is None else "another",
        )
    # The state first: a key without one is refused.
    opened = WitnessFile(state, create=True)
    return generate_witness_key(path, name, clock), opened


def parse_logs(data: bytes) -> dict[str, list[Ed25519Verifier]]:
    """Return the verifiers of each log, by origin.

    Args:
        data: A vkey a line; empty lines and those that begin with ``#`` are passed
            over. A log whose key was rotated has several lines.

    Raises:
        ConfigurationError: A line is no vkey of a log, or there is none.
    """
    found: dict[str, list[Ed25519Verifier]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            verifier = load_log_verifier(text)
            found.setdefault(verifier.name, []).append(verifier)
    if not found:
        raise ConfigurationError("logs", expected="a vkey a line", got="none")
    return found
