# Run one command of jenkins-notary for a Jenkins step; every value comes by environment.
set -eu
# A Java in a POSIX locale hands on ? for what is not ASCII: a record would be another one.
if [ "${NOTARY_UTF8:-}" = '?' ]; then
    printf '%s\n' '{"error": "configuration", "code": 78, "message": "environment: expected an agent that hands on UTF-8, got ? for a letter; start its Java with LANG=C.UTF-8"}' \
        > "$NOTARY_DIR/out.json"
    exit 78
fi
case "$NOTARY_COMMAND" in
    notarize | untrust | unsupport | authenticate | gate) set -- - ;;
    *) if [ -n "${NOTARY_ARG:-}" ]; then set -- -- "$NOTARY_ARG"; else set --; fi ;;
esac
exec jenkins-notary "$NOTARY_COMMAND" -o json "$@" \
    < "$NOTARY_DIR/assets.txt" > "$NOTARY_DIR/out.json"
