# Run one command of jenkins-notary for a Jenkins step; every value comes by environment.
set -eu
case "$NOTARY_COMMAND" in
    notarize | untrust | unsupport | authenticate | gate) set -- - ;;
    *) if [ -n "${NOTARY_ARG:-}" ]; then set -- -- "$NOTARY_ARG"; else set --; fi ;;
esac
exec jenkins-notary "$NOTARY_COMMAND" -o json "$@" \
    < "$NOTARY_DIR/assets.txt" > "$NOTARY_DIR/out.json"
