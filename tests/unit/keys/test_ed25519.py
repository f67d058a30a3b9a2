"""The short way to Ed25519 and the library's public one give the same objects."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType, SimpleNamespace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519 as public

from jenkins_notary.keys import ed25519

BINDING = "cryptography.hazmat.bindings._rust"
RAW = bytes(range(32))


def load_again() -> ModuleType:
    """Return the module, read anew under another name."""
    spec = spec_from_file_location("ed25519_again", ed25519.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_private_binding_is_still_there() -> None:
    # Where a new version of the library ends this, the fallback costs 8 ms a start.
    module = sys.modules[BINDING]

    assert ed25519._load_private is module.openssl.ed25519.from_private_bytes
    assert ed25519._load_public is module.openssl.ed25519.from_public_bytes
    assert ed25519._generate is module.openssl.ed25519.generate_key


def test_both_ways_give_objects_of_the_same_classes() -> None:
    ours, theirs = ed25519.load_private(RAW), public.Ed25519PrivateKey
    raw = ours.public_key().public_bytes_raw()

    assert type(ours) is type(theirs.from_private_bytes(RAW))
    assert type(ed25519.generate()) is type(theirs.generate())
    assert type(ed25519.load_public(raw)) is type(
        public.Ed25519PublicKey.from_public_bytes(raw)
    )
    assert isinstance(ours, theirs)
    assert isinstance(ed25519.load_public(raw), public.Ed25519PublicKey)


def test_both_ways_sign_and_verify_alike() -> None:
    ours = ed25519.load_private(RAW)
    theirs = public.Ed25519PrivateKey.from_private_bytes(RAW)
    raw = theirs.public_key().public_bytes_raw()
    signature = theirs.sign(b"message")
    ed25519.load_public(raw).verify(signature, b"message")

    assert ours.sign(b"message") == signature
    assert ours.private_bytes_raw() == theirs.private_bytes_raw() == RAW
    assert ours.public_key().public_bytes_raw() == raw


def test_each_generated_key_is_new() -> None:
    first, second = ed25519.generate(), ed25519.generate()

    assert first.private_bytes_raw() != second.private_bytes_raw()


def test_a_bad_signature_is_told_from_any_other_failure() -> None:
    key = ed25519.load_private(RAW)
    with pytest.raises(InvalidSignature) as caught:
        key.public_key().verify(key.sign(b"message"), b"messagE")

    assert ed25519.is_bad_signature(caught.value)
    assert not ed25519.is_bad_signature(ValueError("other"))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused_either_way(length: int) -> None:
    for load in (
        ed25519.load_private,
        ed25519.load_public,
        public.Ed25519PrivateKey.from_private_bytes,
        public.Ed25519PublicKey.from_public_bytes,
    ):
        with pytest.raises(ValueError, match="32"):
            load(bytes(length))


@pytest.mark.parametrize(
    "binding",
    [
        pytest.param(SimpleNamespace(), id="no compiled part of that name"),
        pytest.param(SimpleNamespace(openssl=SimpleNamespace()), id="no ed25519 in it"),
        pytest.param(
            SimpleNamespace(openssl=SimpleNamespace(ed25519=SimpleNamespace())),
            id="other names in it",
        ),
    ],
)
def test_without_the_private_binding_the_public_module_is_used(
    binding: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ModuleType(BINDING)
    vars(changed).update(vars(binding))
    monkeypatch.setitem(sys.modules, BINDING, changed)
    module = load_again()
    ours = module.load_private(RAW)
    raw = ours.public_key().public_bytes_raw()
    signature = ours.sign(b"message")
    module.load_public(raw).verify(signature, b"message")

    assert type(ours) is type(ed25519.load_private(RAW))
    assert signature == ed25519.load_private(RAW).sign(b"message")
    assert type(module.generate()) is type(ed25519.generate())
    assert module._load_private == public.Ed25519PrivateKey.from_private_bytes
