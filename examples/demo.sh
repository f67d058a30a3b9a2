#!/usr/bin/env bash
# The main job, whole, on real input: this project's own wheel, tree, commit and build log.
# Everything happens in a temporary folder; nothing of yours is read or changed.
# `make demo` sets up and runs it; `examples/demo.sh` alone needs jenkins-notary on PATH.
set -euo pipefail

repo=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state
export XDG_CACHE_HOME=$work/cache XDG_CONFIG_HOME=$work/config
unset "${!JENKINS_NOTARY_@}" 2>/dev/null || true
job='ci.example.com:tools/jenkins-notary/main#42'

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() { printf '$ jenkins-notary %s\n' "$*"; jenkins-notary "$@"; }
# expect CODE ARGUMENTS...: run, and insist on the exit code, which is a promise.
expect() {
  local want=$1 got=0
  shift
  run "$@" || got=$?
  [ "$got" = "$want" ] || { echo "expected exit code $want, got $got" >&2; exit 70; }
  echo "(exit code $got)"
}

say 'A build: a wheel from a clean checkout, and its log'
git clone --quiet "$repo" "$work/src"
cd "$work/src"
python -m pip wheel --no-deps --wheel-dir "$work/dist" . >"$work/build.log" 2>&1
cd "$work"
wheel=$(echo dist/*.whl)
ls -l "$wheel" build.log

say 'Notarize the wheel, its folder and the commit under a job id, with the log'
run notarize "$wheel" dir://dist git://src --job "$job" \
  --attr release=0.1 --attach build.log:build --receipts receipts
run log put "$job" build.log

say 'Is it ours, and still trusted?'
expect 0 authenticate "$wheel" dir://dist git://src

say 'One changed byte, and nobody knows it'
mkdir changed
cp "$wheel" changed/
printf 'x' | dd of="changed/${wheel##*/}" bs=1 seek=100 conv=notrunc status=none
expect 2 authenticate "changed/${wheel##*/}"

say 'Everything about the build, by job id; the history of the wheel, by checksum'
run evidence "$job"
run inspect "sha256:$(sha256sum "$wheel" | cut -d' ' -f1)"
run log "$job" --lines 1:2

say 'Security stops trusting it; building and notarizing it again changes nothing'
run untrust "$wheel" --reason 'CVE-2026-0001'
run notarize "$wheel" --job "$job" --quiet
expect 1 authenticate "$wheel"

say 'The ledger, checked whole'
run ledger status
run ledger verify

say 'A receipt, checked with no ledger at hand'
vkey=$(jenkins-notary ledger status -o json | python -c 'import json,sys; print(json.load(sys.stdin)["vkey"])')
mv "$XDG_DATA_HOME" "$work/ledger-is-gone"
name=$(basename "$wheel")
run receipt verify "$(find receipts -name "$name.tlog-proof")" \
  --envelope "$(find receipts -name "$name.dsse.json")" --log "$vkey"

say 'Done: every step answered as promised'
