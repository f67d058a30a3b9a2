# Run one command of jenkins-notary for a Jenkins step; every value comes by environment.
# Where the agent part lies beside the list of assets, it is run: by the first Python that
# can, else by this shell. Otherwise the installed program is.
# Jenkins runs it with -x: a trace would only hide what the program says.
set +x -eu
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
set -- "$NOTARY_COMMAND" -o json "$@"
agent=$NOTARY_DIR/notary-agent
if [ ! -e "$agent.pyz" ]; then
    exec jenkins-notary "$@" < "$NOTARY_DIR/assets.txt" > "$NOTARY_DIR/out.json"
fi
for python in python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 python; do
    command -v "$python" > /dev/null 2>&1 || continue
    code=0
    # Isolated, so that nothing in the workspace or the user's folder is imported.
    "$python" -I -S "$agent.pyz" "$@" < "$NOTARY_DIR/assets.txt" > "$NOTARY_DIR/out.json" || code=$?
    # A Python that cannot run it, too old or broken, prints no document.
    if [ -s "$NOTARY_DIR/out.json" ] || [ "$code" -gt 128 ]; then exit "$code"; fi
done
exec sh "$agent.sh" "$@" < "$NOTARY_DIR/assets.txt" > "$NOTARY_DIR/out.json"
