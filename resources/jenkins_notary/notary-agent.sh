#!/bin/sh
# The part of jenkins-notary that runs on build agents, where there is no Python.
#
#   notary-agent.sh notarize|untrust|unsupport|authenticate [OPTION...] ASSET...
#
# Needs: a POSIX shell, awk; sha256sum, shasum or openssl; curl or GNU wget.
# Assets: files by path, simple patterns, sha256:<64 hex>, `-` for a list on standard
# input. Options, environment, JSON and exit codes are those of jenkins-notary; what it
# has beyond this is refused by name (64). The answer's completeness, names, digests,
# statuses and codes are checked; the receipt's signature is not: that needs Python.
# The token is never an argument of a program.
set -u
umask 077
LC_ALL=C
export LC_ALL
VERSION=0.1.0
MAX_ASSETS=1000
work= is_finished= client= session= may_lack=

# Strings of JSON, text in UTF-8, and names of files, for awk. Bytes, as LC_ALL=C says.
AWK_TEXT='
function quote(text,    out, place, char, code) {
    if (text !~ /[\001-\037"\\\177]/) return "\"" text "\""
    out = ""
    for (place = 1; place <= length(text); place++) {
        char = substr(text, place, 1)
        code = index(CONTROLS, char)
        if (char == "\"" || char == "\\") out = out "\\" char
        else if (code) out = out sprintf("\\u%04x", code)
        else if (char == "\177") out = out "\\u007f"
        else out = out char
    }
    return "\"" out "\""
}
function is_utf8(text) {
    while (match(text, /[\200-\377]/)) {
        text = substr(text, RSTART)
        if (!match(text, UTF8)) return 0
        text = substr(text, RLENGTH + 1)
    }
    return 1
}
function encode(code) {
    if (code < 128) return sprintf("%c", code)
    if (code < 2048) return byte(192 + int(code / 64)) byte(128 + code % 64)
    if (code < 65536)
        return byte(224 + int(code / 4096)) byte(128 + int(code / 64) % 64) \
            byte(128 + code % 64)
    return byte(240 + int(code / 262144)) byte(128 + int(code / 4096) % 64) \
        byte(128 + int(code / 64) % 64) byte(128 + code % 64)
}
function byte(code) { return sprintf("%c", code) }
function hex(text,    place, value) {
    value = 0
    for (place = 1; place <= length(text); place++)
        value = value * 16 + index("0123456789abcdef", tolower(substr(text, place, 1))) - 1
    return value
}
function unquote(text,    out, place, char, code, low) {
    text = substr(text, 2, length(text) - 2)
    if (!index(text, "\\")) return text
    out = ""
    for (place = 1; place <= length(text); place++) {
        char = substr(text, place, 1)
        if (char != "\\") { out = out char; continue }
        char = substr(text, ++place, 1)
        if (char == "u") {
            code = hex(substr(text, place + 1, 4)); place += 4
            if (code >= 55296 && code < 56320 && substr(text, place + 1, 2) == "\\u") {
                low = hex(substr(text, place + 3, 4)); place += 6
                code = 65536 + (code - 55296) * 1024 + low - 56320
            }
            out = out encode(code)
        } else if (char == "n") out = out "\n"
        else if (char == "t") out = out "\t"
        else if (char == "r") out = out "\r"
        else if (char == "b") out = out "\b"
        else if (char == "f") out = out "\f"
        else out = out char
    }
    return out
}
function normal(path,    parts, count, place, out, depth, kept, rooted) {
    rooted = substr(path, 1, 1) == "/"
    count = split(path, parts, "/"); depth = 0
    for (place = 1; place <= count; place++) {
        if (parts[place] == "" || parts[place] == ".") continue
        if (parts[place] == ".." && depth > 0 && kept[depth] != "..") { depth--; continue }
        if (parts[place] == ".." && rooted) continue
        kept[++depth] = parts[place]
    }
    out = ""
    for (place = 1; place <= depth; place++) out = out (place > 1 ? "/" : "") kept[place]
    return (rooted ? "/" : "") out
}
function last_part(path) { sub(/.*\//, "", path); return path == "" ? "root" : path }
function display(path, here,    clean) {
    clean = normal(path)
    if (substr(clean, 1, 1) == "/") {
        if (index(clean, here "/") == 1) return substr(clean, length(here) + 2)
        return last_part(clean)
    }
    if (clean == "" || clean == ".." || substr(clean, 1, 3) == "../")
        return last_part(normal(here "/" clean))
    return clean
}
BEGIN {
    FACTS_FILE = ENVIRON["N_WORK"] "/facts"; FAULTS_FILE = ENVIRON["N_WORK"] "/faults"
    ANSWER = ENVIRON["N_WORK"] "/answer"; CODE_FILE = ENVIRON["N_WORK"] "/code"
    CONTROLS = ""
    for (n = 1; n < 32; n++) CONTROLS = CONTROLS sprintf("%c", n)
    TAIL = "[\200-\277]"
    UTF8 = "^([\302-\337]" TAIL "|\340[\240-\277]" TAIL "|[\341-\354\356\357]" TAIL TAIL \
        "|\355[\200-\237]" TAIL "|\360[\220-\277]" TAIL TAIL "|[\361-\363]" TAIL TAIL TAIL \
        "|\364[\200-\217]" TAIL TAIL ")"
}
'

# A strict reader of JSON: `scan(text)` fills KIND and RAW by path, and ends the program
# with 3 where the text is not one whole value.
AWK_JSON='
function broken() { BROKEN = 1; exit 3 }
function token(pattern,    size, part) {
    for (size = 4096; ; size *= 16) {
        part = substr(T, P, size)
        if (match(part, pattern) && (RLENGTH < length(part) || P + RLENGTH > length(T))) {
            part = substr(part, 1, RLENGTH); P += RLENGTH
            return part
        }
        if (P + size > length(T)) broken()
    }
}
function blank() { while (P <= length(T) && index(" \t\r\n", substr(T, P, 1))) P++ }
function value(path, depth,    char, key, count, start) {
    if (depth > 32) broken()
    blank(); start = P; char = substr(T, P, 1)
    if (char == "{" || char == "[") {
        KIND[path] = char; P++; blank(); count = 0
        if (substr(T, P, 1) == (char == "{" ? "}" : "]")) P++
        else while (1) {
            if (char == "{") {
                blank(); key = unquote(token(STRING)); blank()
                if (substr(T, P++, 1) != ":" || (path "/" key) in KIND) broken()
            } else key = count
            count++
            value(path "/" key, depth + 1); blank()
            if (substr(T, P, 1) == ",") { P++; continue }
            if (substr(T, P++, 1) != (char == "{" ? "}" : "]")) broken()
            break
        }
        COUNT[path] = count
    } else if (char == "\"") { KIND[path] = "s"; token(STRING) }
    else if (char ~ /[-0-9]/) { KIND[path] = "n"; token(NUMBER) }
    else { KIND[path] = "w"; token("^(true|false|null)") }
    FROM[path] = start; TO[path] = P
}
function raw(path) { return path in KIND ? substr(T, FROM[path], TO[path] - FROM[path]) : "" }
function text(path) { return KIND[path] == "s" ? unquote(raw(path)) : "" }
function scan(whole) {
    STRING = "^\"([^\"\\\\\001-\037]|\\\\([\"\\\\/bfnrt]|u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]))*\""
    NUMBER = "^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?"
    T = whole; P = 1
    value("", 0); blank()
    if (P <= length(T)) broken()
}
'

say() {
    TEXT=$1 awk "$AWK_TEXT"'BEGIN {
        text = ENVIRON["TEXT"]
        gsub(/[\001-\037\177]/, " ", text)
        if (!is_utf8(text)) gsub(/[\200-\377]/, "?", text)
        print "jenkins-notary: " text
    }' >&2
}

# fail CODE WORD SUBJECT EXPECTED GOT ADVICE: print the error in both forms and end.
fail() {
    error_json "$@"
    say "error: $(text_of "$@")"
    finish "$1"
}

# finish CODE: end with a code of ours; whatever else ends the script is a fault (70).
finish() {
    is_finished=1
    exit "$1"
}

leave() {
    code=$?
    [ -z "$work" ] || rm -rf "$work"
    [ -n "$is_finished" ] || { say "error: internal fault"; exit 70; }
    exit "$code"
}

text_of() {
    line=$3
    [ -z "$4" ] || line="$line: expected $4"
    [ -z "$5" ] || { [ -n "$4" ] && line="$line, got $5" || line="$line: got $5"; }
    [ -z "$6" ] || line="$line; $6"
    printf '%s' "$line"
}

error_json() {
    CODE=$1 WORD=$2 SUBJECT=$3 EXPECTED=$4 GOT=$5 ADVICE=$6 MESSAGE=$(text_of "$@") \
        awk "$AWK_TEXT"'
        function part(key, variable,    value) {
            value = ENVIRON[variable]
            if (value == "") return ""
            if (!is_utf8(value)) gsub(/[\200-\377]/, "?", value)
            return ", \"" key "\": " quote(value)
        }
        BEGIN {
            print "{\"error\": \"" ENVIRON["WORD"] "\", \"code\": " ENVIRON["CODE"] \
                part("message", "MESSAGE") part("subject", "SUBJECT") \
                part("expected", "EXPECTED") part("got", "GOT") part("advice", "ADVICE") "}"
        }'
}

usage() { fail 64 usage "$1" "${2:-}" "${3:-}" "${4:-}"; }

needs_python() {
    usage "$1" "" "something that needs Python 3.8 or newer" \
        "install python3 on the agent, or the whole jenkins-notary"
}

# items TEXT: a list from the environment, a line each; without a line break by comma.
items() {
    case $1 in
        *"
"*) printf '%s' "$1" ;;
        *) printf '%s' "$1" | tr ',' '\n' ;;
    esac
}

read_environment() {
    ledger=${JENKINS_NOTARY_LEDGER:-} job=${JENKINS_NOTARY_JOB:-}
    name=${JENKINS_NOTARY_NAME:-} reason=${JENKINS_NOTARY_REASON:-}
    claims=${JENKINS_NOTARY_CLAIMS:-} org=${JENKINS_NOTARY_ORG:-}
    as_of=${JENKINS_NOTARY_AS_OF:-} ca_file=${JENKINS_NOTARY_CA_FILE:-}
    timeout=${JENKINS_NOTARY_TIMEOUT:-20} token_file=${JENKINS_NOTARY_TOKEN_FILE:-}
    log=${JENKINS_NOTARY_LOG:-} output=${JENKINS_NOTARY_OUTPUT:-text}
    strict=${JENKINS_NOTARY_STRICT:-false} receipts=${JENKINS_NOTARY_RECEIPTS:-}
    attr=$(items "${JENKINS_NOTARY_ATTR:-}") signer=$(items "${JENKINS_NOTARY_SIGNER:-}")
    supersede=$(items "${JENKINS_NOTARY_SUPERSEDE:-}")
    plain_http=$(items "${JENKINS_NOTARY_PLAIN_HTTP:-}")
    for refused in ATTACH DIGEST_FILE POLICY CONFIG AGAINST NULL; do
        eval "given=\${JENKINS_NOTARY_$refused:-}"
        [ -z "$given" ] || needs_python "JENKINS_NOTARY_$refused"
    done
    lists=
}

# add LIST VALUE: the first flag of a list replaces what the environment says.
add() {
    case $lists in
        *" $1 "*) eval "$1=\"\$$1
\$2\"" ;;
        *) lists="$lists $1 "; eval "$1=\$2" ;;
    esac
}

read_arguments() {
    only_words=
    while [ $# -gt 0 ]; do
        word=$1
        shift
        if [ -n "$only_words" ]; then add_word "$word"; continue; fi
        case $word in
            --) only_words=1; continue ;;
            - | [!-]* | "") add_word "$word"; continue ;;
            --strict) strict=true; continue ;;
            --no-strict) strict=false; continue ;;
            -q | --quiet) continue ;;
            --*=*) flag=${word%%=*} value=${word#*=} ;;
            -o?* | -a?*) flag=${word%"${word#??}"} value=${word#??}; value=${value#=} ;;
            *)
                flag=$word
                [ $# -gt 0 ] || usage "jenkins-notary $command" "" "$flag: no value"
                value=$1
                shift
                ;;
        esac
        set_option "$flag" "$value"
    done
}

set_option() {
    case $1 in
        --ledger | --job | --name | --reason | --claims | --org | --timeout | --log | \
            --output | --receipts)
            eval "${1#--}=\$2" ;;
        -o) output=$2 ;;
        --as-of) as_of=$2 ;;
        --ca-file) ca_file=$2 ;;
        --token-file) token_file=$2 JENKINS_NOTARY_TOKEN= ;;
        -a | --attr) add attr "$2" ;;
        --signer | --supersede) add "${1#--}" "$2" ;;
        --plain-http) add plain_http "$2" ;;
        *) needs_python "option $1" ;;
    esac
}

add_word() {
    case $1 in
        *"
"*) usage "asset" "a name without line breaks" "one with" ;;
        -)
            [ ! -e "$work/listed" ] || usage "the list of assets" "one" "a second one"
            : >"$work/listed"
            # An entry that is blank or itself a list is found with the others.
            awk '{ sub(/\r$/, ""); print }' >>"$work/words"
            awk '/^[ \t]*$/ || /^-0?$/ { exit 1 }' "$work/words" ||
                usage "the list on standard input" "an asset in each line" "a blank one"
            ;;
        *) printf '%s\n' "$1" >>"$work/words" ;;
    esac
}

find_hasher() {
    for hasher in sha256sum shasum openssl; do
        command -v "$hasher" >/dev/null 2>&1 && return
    done
    fail 78 configuration "this agent" "sha256sum, shasum or openssl" "none of them" ""
}

# A file is given by standard input, so that its name means nothing to the program.
hash_file() {
    case $hasher in
        sha256sum) sha256sum <"$1" ;;
        shasum) shasum -a 256 <"$1" ;;
        *) openssl dgst -sha256 -r <"$1" ;;
    esac | cut -c -64
}

# read_word WORD: append one asset to $work/names and $work/facts, or its error to
# $work/faults (as JSON) with an `error` line among the facts.
read_word() {
    case $1 in
        "" | *[![:space:]]*) ;;
        *) fault 64 usage asset "a file name" "an empty argument" "" "$1"; return ;;
    esac
    case $1 in
        "") fault 64 usage asset "a file name" "an empty argument" "" "$1" ;;
        file://*) read_file "${1#file://}" "$1" ;;
        [sS][hH][aA]256:*) read_digest "$1" ;;
        *://* | oci-archive:* | oci:* | docker-archive:*)
            fault 64 usage "$1" "a file or sha256:<64 hex>" "what needs Python" \
                "install python3 on the agent" "$1" ;;
        *)
            if [ -e "$1" ] || [ -h "$1" ]; then read_file "$1" "$1"; return; fi
            case $1 in
                *'**'*)
                    fault 64 usage "pattern $1" "no **" "what needs Python" \
                        "install python3 on the agent" "$1" ;;
                *[*?[]*) read_pattern "$1" ;;
                *) read_file "$1" "$1" ;;
            esac
            ;;
    esac
}

read_pattern() {
    found=
    old_ifs=$IFS
    IFS=
    # Unquoted on purpose: the shell expands the pattern, and nothing else in it.
    for path in $1; do
        [ -f "$path" ] || continue
        found=1
        IFS=$old_ifs
        read_file "$path" "$path"
        IFS=
    done
    IFS=$old_ifs
    [ -n "$found" ] || fault 66 not-found "pattern $1" "at least one file" \
        "nothing that matches" "" "$1"
}

read_file() {
    if [ -d "$1" ]; then
        fault 64 usage "$1" "a file" "a directory, which needs Python" "" "$2"
    elif [ ! -e "$1" ]; then
        fault 66 not-found "$1" "a file" "no such file" "" "$2"
    elif [ ! -f "$1" ]; then
        fault 64 usage "$1" "a regular file" "something else" "" "$2"
    elif [ ! -r "$1" ]; then
        fault 77 permission "$1" "a readable file" "permission denied" "" "$2"
    else
        hash_readable "$1" "$2"
    fi
}

hash_readable() {
    size=$(($(wc -c <"$1")))
    digest=$(hash_file "$1")
    if [ ${#digest} -ne 64 ]; then
        fault 74 storage "$1" "a readable file" "an error" "" "$2"
    elif [ "$size" -ne "$(($(wc -c <"$1")))" ]; then
        fault 64 usage "$1" "a file at rest" "one that changed while it was read" "" "$2"
    elif ! shown=$(ASSET=$1 HERE=$(pwd) awk "$AWK_TEXT"'
        BEGIN {
            if (!is_utf8(ENVIRON["ASSET"])) exit 1
            print display(ENVIRON["ASSET"], ENVIRON["HERE"])
        }'); then
        fault 64 usage "$1" "a name in UTF-8" "other bytes" "" "$2"
    else
        printf '%s\n' "$shown" >>"$work/names"
        printf 'file sha256:%s %s\n' "$digest" "$size" >>"$work/facts"
    fi
}

read_digest() {
    digest=$(printf '%s' "$1" | tr 'A-F' 'a-f' | sed 's/^[sS][hH][aA]256://')
    case $digest in
        *[!0-9a-f]*) digest= ;;
    esac
    if [ ${#digest} -ne 64 ]; then
        fault 64 usage "digest $1" "sha256:<64 hex digits>" "another form" "" "$1"
    elif [ -z "$name" ] && [ "$command" = notarize ]; then
        fault 64 usage "sha256:$digest" "a name for the bare digest" none \
            "add --name NAME" "$1"
    else
        printf 'sha256:%s\n' "$digest" >>"$work/names"
        printf 'digest sha256:%s null\n' "$digest" >>"$work/facts"
    fi
}

# fault CODE WORD SUBJECT EXPECTED GOT ADVICE ASSET
fault() {
    printf '%s\n' "$7" >>"$work/names"
    printf 'error %s\n' "$1" >>"$work/facts"
    error_json "$1" "$2" "$3" "$4" "$5" "$6" >>"$work/faults"
    fault_count=$((fault_count + 1))
    last_fault=$1
    say "error: $(text_of "$@")"
}

read_assets() {
    fault_count=0 last_fault=
    : >"$work/names" && : >"$work/facts" && : >"$work/faults" ||
        fail 74 storage "temporary folder" "" "it cannot be written" ""
    [ -s "$work/words" ] || usage assets "at least one" none
    while IFS= read -r word; do
        read_word "$word" </dev/null
    done <"$work/words"
    count=$(($(wc -l <"$work/facts")))
    [ "$count" -le "$MAX_ASSETS" ] || usage assets "at most $MAX_ASSETS" "$count" \
        "install python3 on the agent"
    if [ -n "$name" ]; then
        [ "$count" -eq 1 ] || usage "name $name" "one asset to give it to" "$count"
        [ "$fault_count" -gt 0 ] || printf '%s\n' "$name" >"$work/names"
    fi
}

# Recording is all or nothing: the faults of all assets come together.
check_faults() {
    [ "$fault_count" -gt 0 ] || return 0
    if [ "$fault_count" -eq 1 ]; then
        cat "$work/faults"
        finish "$last_fault"
    fi
    worst=$(awk "$AWK_WORST"'$1 == "error" { note($2) } END { print WORST }' "$work/facts")
    printf '{"error": "faults", "code": %s, "message": "%s faults", "faults": [' \
        "$worst" "$fault_count"
    awk 'NR > 1 { printf ", " } { printf "%s", $0 }' "$work/faults"
    printf ']}\n'
    finish "$worst"
}

AWK_WORST='
function note(code,    place, list, count) {
    count = split("65 70 74 78 77 69 67 66 64 1 4 3 5 2 0", list, " ")
    for (place = 1; place <= count; place++) if (list[place] == code) break
    if (place > count) { code = 70; place = 2 }
    if (RANK == "" || place < RANK) { RANK = place; WORST = code }
}
'

# The job of the environment, or the one that was given; facts only of the same build.
find_job() {
    own=
    if [ -n "${JOB_NAME:-}" ] && [ -n "${BUILD_NUMBER:-}" ]; then
        instance=$(printf '%s' "${JENKINS_URL:-}" | awk '{
            if (sub(/^https?:\/\//, "")) {
                sub(/[\/?#].*/, ""); sub(/.*@/, ""); gsub(/[][]/, ""); gsub(/:/, "-")
                print tolower($0)
            }
        }')
        own=${instance:+$instance:}$JOB_NAME#$BUILD_NUMBER
        [ -n "$job" ] && [ "$job" != "$own" ] && [ "$job" != "$JOB_NAME#$BUILD_NUMBER" ] ||
            job=$own
    fi
    [ -n "$job" ] || return 0
    printf '%s' "$job" | awk '
        /[\001-\037\177"?*<>|\\]/ || !/^([A-Za-z0-9.-]+:)?[^:#]+#[1-9][0-9]*$/ { exit 1 }' ||
        usage "job id" "[INSTANCE:]FULL/NAME#NUMBER" "$job" \
            "the URL of a build needs Python"
}

# The names that tell of a build and hold no secret; URLs lose user and query.
AWK_CLAIM='
function fact(variable,    value) {
    value = ENVIRON[variable]
    if (value == "" || !is_utf8(value)) return
    if (value ~ /:\/\//) { gsub(/:\/\/[^\/]*@/, "://", value); sub(/[?#].*/, "", value) }
    FACTS = FACTS (FACTS == "" ? "" : ", ") quote(variable) ": " quote(substr(value, 1, 2048))
}
function job_json(    count, list, place) {
    if (ENVIRON["N_JOB"] == "") return "null"
    if (ENVIRON["N_JOB"] != ENVIRON["N_OWN"]) return "{\"id\": " quote(ENVIRON["N_JOB"]) "}"
    count = split("BRANCH_NAME BUILD_ID BUILD_NUMBER BUILD_TAG BUILD_URL CHANGE_ID " \
        "CHANGE_TARGET GIT_BRANCH GIT_COMMIT JENKINS_NOTARY_MODE JENKINS_URL " \
        "JOB_BASE_NAME JOB_NAME JOB_URL NODE_LABELS NODE_NAME STAGE_NAME TAG_NAME", list, " ")
    for (place = 1; place <= count; place++) fact(list[place])
    return "{\"id\": " quote(ENVIRON["N_JOB"]) ", \"ci\": \"jenkins\", \"environment\": {" \
        FACTS "}}"
}
function text_or_null(variable) {
    return ENVIRON[variable] == "" ? "null" : quote(ENVIRON[variable])
}
function attributes(    count, list, place, at, out, key) {
    count = split(ENVIRON["N_ATTR"], list, "\n"); out = ""
    for (place = 1; place <= count; place++) {
        if (list[place] ~ /^[ \t]*$/) continue
        at = index(list[place], "="); key = substr(list[place], 1, at - 1)
        if (key !~ /^[A-Za-z][A-Za-z0-9_.-]*$/ || length(key) > 64 || (key in SEEN)) exit 4
        SEEN[key] = 1
        out = out (out == "" ? "" : ", ") quote(key) ": " quote(substr(list[place], at + 1))
    }
    return "{" out "}"
}
function listing(variable, quoted,    count, list, place, out) {
    count = split(ENVIRON[variable], list, "\n"); out = ""
    for (place = 1; place <= count; place++) {
        gsub(/^[ \t]+|[ \t]+$/, "", list[place])
        if (list[place] == "") continue
        if (!quoted && list[place] !~ /^(0|[1-9][0-9]*)$/) exit 4
        out = out (out == "" ? "" : ", ") (quoted ? quote(list[place]) : list[place])
    }
    return "[" out "]"
}
'

make_claim() {
    record_id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    [ ${#record_id} -eq 32 ] || fail 70 internal "random numbers" "16 bytes" "fewer" ""
    run_claim "$1" "" || usage "--attr or --supersede" \
        "KEY=VALUE, each key once; a record's index" "another form"
}

run_claim() {
    N_STATUS=$1 N_ID=$record_id N_AT=$(date -u +%Y-%m-%dT%H:%M:%S.000Z) N_JOB=$job \
        N_OWN=$own N_REASON=$reason N_ATTR=$attr N_SUPERSEDE=$supersede N_V=$2 \
        awk "$AWK_TEXT$AWK_CLAIM"'
        BEGIN {
            printf "{%s\"recordId\": \"%s\", \"claimedAt\": \"%s\", \"status\": \"%s\"", \
                ENVIRON["N_V"], ENVIRON["N_ID"], ENVIRON["N_AT"], ENVIRON["N_STATUS"]
            printf ", \"job\": %s, \"reason\": %s", job_json(), text_or_null("N_REASON")
            printf ", \"supersedes\": %s", listing("N_SUPERSEDE", 0)
            printf ", \"attributes\": %s, \"assets\": [", attributes()
        }
        {
            name = quote($0)
            if ((getline facts < FACTS_FILE) <= 0) exit 5
            split(facts, fact_of, " ")
            printf "%s{\"name\": %s, \"kind\": \"%s\", \"size\": %s, \"ref\": null", \
                (NR > 1 ? ", " : ""), name, fact_of[1], fact_of[3]
            printf ", \"metadata\": {}, \"dirty\": false, \"subjects\": [{\"name\": %s", name
            printf ", \"digest\": \"%s\", \"algorithms\": {}}]}", fact_of[2]
        }
        END { printf "], \"attachments\": []}\n" }' "$work/names" >"$work/request"
}

make_question() {
    [ "$fault_count" -lt "$count" ] || return 0
    N_ORG=$org N_SIGNER=$signer N_AS_OF=$as_of N_STRICT=$strict \
        awk "$AWK_TEXT$AWK_CLAIM"'
        BEGIN { printf "{\"assets\": [" }
        {
            name = quote($0)
            if ((getline facts < FACTS_FILE) <= 0) exit 5
            if (split(facts, fact_of, " ") < 3) next
            printf "%s{\"name\": %s, \"kind\": \"%s\", \"digest\": \"%s\"", comma, name, \
                fact_of[1], fact_of[2]
            printf ", \"ref\": null, \"size\": %s, \"dirty\": false}", fact_of[3]
            comma = ", "
        }
        END {
            printf "], \"org\": %s, \"signers\": %s", text_or_null("N_ORG"), \
                listing("N_SIGNER", 1)
            printf ", \"asOf\": %s, \"strict\": %s}\n", text_or_null("N_AS_OF"), \
                (ENVIRON["N_STRICT"] ~ /^(1|true|yes|on)$/ ? "true" : "false")
        }' "$work/names" >"$work/request"
}

check_service() {
    printf '%s\n' "$ledger" | grep -Eq \
        '^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$' ||
        fail 78 configuration "ledger '${ledger##*@}'" "https://HOST[:PORT][/PATH]" \
            "another form" ""
    service=${ledger%/}
    case $ledger in
        https://*) direct= ; return ;;
    esac
    direct=1
    host=${service#http://}
    host=${host%%/*}
    case $host in
        localhost | localhost:* | 127.* | '[::1]' | '[::1]:'*) return ;;
    esac
    printf '%s\n' "$plain_http" | grep -Fxq -e "$host" -e "${host%:*}" ||
        fail 78 configuration "ledger $service" https \
            "http, which shows the token to everyone on the way" \
            "use https, or allow it by name: --plain-http $host"
}

read_token() {
    token=${JENKINS_NOTARY_TOKEN:-}
    if [ -z "$token" ] && [ -n "$token_file" ]; then
        [ -r "$token_file" ] || fail 78 configuration "token file $token_file" \
            "a readable file" "none" ""
        token=$(tr -d '\r\n' <"$token_file")
    fi
    unset JENKINS_NOTARY_TOKEN
    case $token in
        *[!A-Za-z0-9._~+/=:,@!%^*-]*)
            fail 78 configuration "the token" "plain characters" "others" "" ;;
    esac
}

# send PATH: POST $work/request; sets status (000 for no answer), body in $work/answer.
send() {
    status=000 retry_after=0
    : >"$work/answer" && : >"$work/head"
    if [ "$client" = curl ]; then send_by_curl "$1"; else send_by_wget "$1"; fi
    # An answer that broke off in its head is none.
    [ "$status" != 200 ] || [ -s "$work/answer" ] || status=000
    retry_after=$(awk 'tolower($1) == "retry-after:" && $2 + 0 > 0 && $2 + 0 < 99999 {
        seconds = int($2) } END { print seconds + 0 }' "$work/head")
}

send_by_curl() {
    # The token comes by standard input, as a line of configuration.
    status=$(
        {
            [ -z "$token" ] || printf 'header = "Authorization: Bearer %s"\n' "$token"
            [ -z "$session" ] || printf 'header = "Notary-Session: %s"\n' "$session"
            [ -z "$ca_file" ] || printf 'cacert = "%s"\n' \
                "$(printf '%s' "$ca_file" | sed 's/[\\"]/\\&/g')"
            [ -z "$direct" ] || printf 'noproxy = "*"\n'
        } | curl -q -K - --silent --show-error --max-redirs 0 --connect-timeout 5 \
            --max-time "$left" --proto '=http,https' --max-filesize "$limit" \
            --user-agent "jenkins-notary-agent/$VERSION" \
            --header 'Content-Type: application/json' --header 'Accept: application/json' \
            --header 'Expect:' --data-binary "@$work/request" \
            --output "$work/answer" --dump-header "$work/head" \
            --write-out '%{http_code}' --url "$service/api/v1/$1" 2>"$work/said"
    )
    ended=$?
    case $ended in
        0) ;;
        60 | 35 | 51 | 58 | 77) status=000 is_final=1 ;;
        *) status=000 ;;
    esac
}

send_by_wget() {
    # The token stands in a file that only this user reads, never in an argument.
    {
        [ -z "$token" ] || printf 'header = Authorization: Bearer %s\n' "$token"
        [ -z "$session" ] || printf 'header = Notary-Session: %s\n' "$session"
        [ -z "$direct" ] || printf 'use_proxy = off\n'
    } >"$work/wgetrc"
    WGETRC=$work/wgetrc wget --quiet --server-response --tries=1 --max-redirect=0 \
        --content-on-error --timeout="$left" --user-agent="jenkins-notary-agent/$VERSION" \
        ${ca_file:+"--ca-certificate=$ca_file"} \
        --header='Content-Type: application/json' --header='Accept: application/json' \
        --post-file="$work/request" --output-document="$work/answer" \
        "$service/api/v1/$1" 2>"$work/head"
    ended=$?
    status=$(awk '$1 ~ /^HTTP\/1/ { code = $2 } END { print code ? code : "000" }' \
        "$work/head")
    # A whole answer ends with 0, or with 8 where its status is an error.
    case $ended in
        0 | 8) ;;
        5) status=000 is_final=1 ;;
        *) status=000 ;;
    esac
}

find_client() {
    if command -v curl >/dev/null 2>&1; then
        client=curl
    elif wget --version 2>/dev/null | grep -q '^GNU Wget'; then
        client=wget
    else
        fail 78 configuration "this agent" "curl or GNU wget" "neither" \
            "other programs would show the token to all users of the machine"
    fi
}

# A verdict that is to be checked with a key, and cannot be, is none.
check_log() {
    [ -n "$log" ] || return 0
    [ "$command" != authenticate ] || fail 78 configuration JENKINS_NOTARY_LOG \
        "a verdict that is checked with it" "an agent without Python" \
        "install python3 on the agent, or the whole jenkins-notary"
    say "the log's signature is not checked here: that needs Python"
}

# What is needed to ask, found once.
prepare() {
    [ -z "$client" ] || return 0
    case $timeout in
        "" | *[!0-9]* | ?????*) usage --timeout "1 to 3600 seconds" "$timeout" ;;
    esac
    check_service
    read_token
    find_client
    check_log
}

# ask PATH: send, and again while the time lasts; ends the program where that fails.
ask() {
    prepare
    limit=$((1048576 + ${count:-0} * 16384))
    started=$(date +%s) pause=1 is_final=
    while :; do
        left=$((started + timeout - $(date +%s)))
        [ "$left" -gt 0 ] || left=1
        # A server that is silent for half the time gets one more attempt.
        [ "$left" -le $((timeout / 2)) ] || left=$(((timeout + 1) / 2))
        send "$1"
        case $status in
            000 | 429 | 500 | 502 | 503 | 504) ;;
            *) break ;;
        esac
        [ "$retry_after" -le "$pause" ] || pause=$retry_after
        [ -z "$is_final" ] && [ $(($(date +%s) + pause)) -lt $((started + timeout)) ] ||
            break
        sleep "$pause"
        pause=$((pause * 2))
    done
    [ "$(wc -c <"$work/answer" 2>/dev/null || echo 0)" -le "$limit" ] ||
        fail 69 unavailable "$service" "an answer of at most $limit bytes" \
            "a longer one" ""
    case $status in
        200 | 201) ;;
        404) [ -n "$may_lack" ] || refuse_answer ;;
        *) refuse_answer ;;
    esac
}

# Prove to the service that this program runs in the build that it speaks of: what it
# prints gets into that build's log, where the service looks for it.
open_session() {
    [ -n "$own" ] && [ "$job" = "$own" ] || return 0
    mv "$work/request" "$work/claim"
    N_JOB=$job awk "$AWK_TEXT"'BEGIN {
        id_token = ENVIRON["JENKINS_NOTARY_ID_TOKEN"]
        printf "{\"job\": %s, \"idToken\": %s}\n", quote(ENVIRON["N_JOB"]), \
            (id_token == "" ? "null" : quote(id_token))
    }' >"$work/request"
    may_lack=1
    ask sessions
    may_lack=
    mv "$work/claim" "$work/request"
    # A service of before there were sessions.
    [ "$status" != 404 ] || return 0
    session=$(awk "$AWK_TEXT$AWK_JSON"'
        { whole = whole (NR > 1 ? "\n" : "") $0 }
        END {
            if (BROKEN) exit 3
            scan(whole)
            if (raw("/session") == "null") print "none"
            else print text("/session") " " (raw("/nonce") == "null" ? "-" : text("/nonce"))
        }' "$work/answer" 2>/dev/null)
    nonce=${session##* } session=${session%% *}
    if [ "$session" = none ]; then
        session=
        say "this build cannot prove which one it is"
        return 0
    fi
    printf '%s %s\n' "$session" "$nonce" |
        grep -Eq '^[0-9a-f]{16}\.[A-Za-z0-9_-]{20,100} ([0-9a-f]{32}|-)$' || {
        session=
        fail 69 unavailable "$service" "a session" "something else" ""
    }
    [ "$nonce" = - ] || say "session $nonce"
}

# End with what the service says, else by its status.
refuse_answer() {
    if code=$(awk "$AWK_TEXT$AWK_JSON$AWK_ERRORS"'
        { whole = whole (NR > 1 ? "\n" : "") $0 }
        END {
            if (BROKEN) exit 3
            scan(whole)
            code = raw("/code") + 0
            if (KIND["/code"] != "n" || !is_error(text("/error"), code)) exit 3
            print code
        }' "$work/answer" 2>/dev/null); then
        cat "$work/answer"
        echo
        say "error: the service answered with code $code (HTTP $status)"
        finish "$code"
    fi
    case $status in
        400 | 413 | 422) set -- 64 usage "" ;;
        401) set -- 77 permission "set JENKINS_NOTARY_TOKEN to a token of the service" ;;
        403) set -- 77 permission "the token may not do this" ;;
        404) set -- 66 not-found "check --ledger: is this a notary service?" ;;
        409) set -- 67 ambiguous "" ;;
        507) set -- 74 storage "" ;;
        000) set -- 69 unavailable "$(tail -n 1 "$work/said" 2>/dev/null | cut -c -200)" ;;
        *) set -- 69 unavailable "" ;;
    esac
    [ "$status" != 000 ] || status="no whole answer in time"
    fail "$1" "$2" "$service" "an answer" "HTTP $status" "$3"
}

AWK_ERRORS='
function is_error(word, code,    list, count, place) {
    count = split("usage 64 integrity 65 not-found 66 ambiguous 67 unavailable 69 " \
        "internal 70 storage 74 permission 77 configuration 78", list, " ")
    for (place = 1; place < count; place += 2)
        if (list[place] == word) return list[place + 1] == code
    return word == "faults" && code >= 64 && code <= 78
}
'

# check_answer STATUS: print the answer if it is whole and about what was sent; STATUS
# is the word that was recorded, or "" for verdicts. Ends with the worst code.
check_answer() {
    N_STATUS=$1 N_JOB=$job awk "$AWK_TEXT$AWK_JSON$AWK_WORST$AWK_ERRORS"'
    function wrong(expected, got) { MESSAGE = expected "\n" got; exit 6 }
    function expect(path, kind, wanted) {
        if (KIND[path] != kind) wrong(path " of another type", raw(path))
        if ((kind == "s" ? text(path) : raw(path)) != wanted) wrong(wanted, raw(path))
    }
    function check_record(path) {
        expect(path "/status", "s", ENVIRON["N_STATUS"])
        expect(path "/code", "n", "0")
        if (ENVIRON["N_JOB"] == "") expect(path "/job", "w", "null")
        else expect(path "/job", "s", ENVIRON["N_JOB"])
        if (raw(path "/index") !~ /^(0|[1-9][0-9]*)$/) wrong("an index", raw(path "/index"))
        check_receipt(path)
    }
    function check_receipt(path,    receipt) {
        receipt = text(path "/receipt")
        if (receipt !~ /^c2sp[.]org\/tlog-proof@v1\n/) wrong("a receipt", "none")
        if (!index(receipt, "\nindex " raw(path "/index") "\n"))
            wrong("a receipt of its index", "another")
    }
    function check_verdict(path,    code, word) {
        code = raw(path "/code"); word = text(path "/status")
        if ((path "/error") in KIND) {
            if (!is_error(text(path "/error/error"), code)) wrong("an error", raw(path))
            return
        }
        if (!(code in WORDS) || WORDS[code] != word) wrong("the code of " word, code)
        if (KIND[path "/as_of/tree_size"] != "n") wrong("the state of the log", "none")
        if (code == "0") check_receipt(path)
    }
    BEGIN {
        split("UNTRUSTED UNKNOWN UNSUPPORTED REVOKED", few, " ")
        WORDS["0"] = "TRUSTED"
        for (n = 1; n <= 4; n++) WORDS[n ""] = few[n]
        while ((getline line < ANSWER) > 0) whole = whole (lines++ ? "\n" : "") line
        if (whole != "") scan(whole)
    }
    {
        if ((getline facts < FACTS_FILE) <= 0) exit 5
        if (split(facts, fact_of, " ") < 3) {
            if ((getline fault < FAULTS_FILE) <= 0) exit 5
            item = "{\"name\": " quote($0) ", \"kind\": \"\", \"digest\": \"\", \"ref\": null" \
                ", \"size\": null, \"status\": null, \"code\": " fact_of[2] ", \"job\": null" \
                ", \"signer\": null, \"timestamp\": null, \"index\": null" \
                ", \"receipt\": null, \"as_of\": null, \"reason\": \"\", \"advice\": \"\"" \
                ", \"error\": " fault "}"
            note(fact_of[2])
        } else {
            path = "/assets/" asked++
            if (KIND[path] != "{") wrong("an answer for each asset", COUNT["/assets"] + 0)
            expect(path "/name", "s", $0)
            expect(path "/kind", "s", fact_of[1])
            expect(path "/digest", "s", fact_of[2])
            if (ENVIRON["N_STATUS"] != "") check_record(path); else check_verdict(path)
            note(raw(path "/code"))
            item = raw(path)
        }
        out = out (NR > 1 ? ", " : "") item
    }
    END {
        if (BROKEN) exit 3
        if (MESSAGE == "" && asked > 0 && COUNT["/assets"] != asked)
            MESSAGE = asked " assets\n" (COUNT["/assets"] + 0)
        if (MESSAGE != "") { print MESSAGE > "/dev/stderr"; exit 6 }
        print "{\"assets\": [" out "]}"
        print WORST > CODE_FILE
    }' "$work/names" >"$work/out" 2>"$work/said"
    case $? in
        0) ;;
        6)
            fail 65 integrity "answer of $service" \
                "$(head -n 1 "$work/said" | cut -c -120)" \
                "$(tail -n 1 "$work/said" | cut -c -120)" \
                "do not rely on it: have the service and its ledger checked" ;;
        *)
            fail 69 unavailable "$service" "a notary service's JSON" \
                "$(wc -c <"$work/answer" | tr -d ' ') bytes of something else" \
                "check --ledger: is this a notary service?" ;;
    esac
    [ -z "$1" ] || [ -z "$receipts" ] || write_receipts
    cat "$work/out" || finish 74
    finish "$(cat "$work/code")"
}

# Write NAME.tlog-proof and NAME.dsse.json of each asset, names made plain and different.
write_receipts() {
    { mkdir -p -- "$receipts" && mkdir "$work/receipts"; } 2>/dev/null ||
        fail 74 storage "--receipts $receipts" "" "it cannot be written" \
            "the assets are recorded; get receipts with jenkins-notary inspect"
    awk "$AWK_TEXT$AWK_JSON"'
    function plain(name) {
        gsub(/\\/, "/", name); sub(/\/+$/, "", name); sub(/.*\//, "", name)
        gsub(/[^A-Za-z0-9._+=@,-]+/, "_", name); sub(/^[.~-]+/, "", name)
        name = substr(name, 1, 180)
        return name == "" ? "asset" : name
    }
    function put(file, content) { printf "%s", content > file; close(file) }
    BEGIN {
        while ((getline line < ANSWER) > 0) whole = whole (lines++ ? "\n" : "") line
        scan(whole)
        folder = ENVIRON["N_WORK"] "/receipts/"
        for (n = 0; n < COUNT["/assets"]; n++) {
            path = "/assets/" n
            stem = plain(text(path "/name")); made = stem; again = 0
            while (tolower(made) in TAKEN) made = stem "~" (++again)
            TAKEN[tolower(made)] = 1
            put(folder made ".tlog-proof", text(path "/receipt"))
            put(folder made ".dsse.json", text("/envelopes/" raw(path "/index")))
        }
    }' </dev/null && mv -f -- "$work"/receipts/* "$receipts/" 2>/dev/null ||
        fail 74 storage "--receipts $receipts" "" "it cannot be written" \
            "the assets are recorded; get receipts with jenkins-notary inspect"
}

write_claims() {
    stage=$claims.$$.part
    run_claim "$1" '"v": 1, ' || usage "--attr or --supersede" \
        "KEY=VALUE, each key once; a record's index" "another form"
    { cat "$work/request" >"$stage" && mv -f -- "$stage" "$claims"; } 2>/dev/null || {
        rm -f -- "$stage"
        fail 74 storage "--claims $claims" "" "it cannot be written" ""
    }
    say "nothing is recorded yet: the claims are in $claims"
    N_STATUS=$1 N_JOB=$job awk "$AWK_TEXT"'
        BEGIN { printf "{\"assets\": [" }
        {
            if ((getline facts < FACTS_FILE) <= 0) exit 5
            split(facts, fact_of, " ")
            printf "%s{\"name\": %s, \"kind\": \"%s\", \"digest\": \"%s\", \"ref\": null", \
                (NR > 1 ? ", " : ""), quote($0), fact_of[1], fact_of[2]
            printf ", \"size\": %s, \"status\": \"%s\", \"job\": %s", fact_of[3], \
                ENVIRON["N_STATUS"], \
                (ENVIRON["N_JOB"] == "" ? "null" : quote(ENVIRON["N_JOB"]))
            printf ", \"signer\": null, \"timestamp\": null, \"index\": null"
            printf ", \"receipt\": null, \"code\": 0}"
        }
        END { print "]}" }' "$work/names"
    finish 0
}

record() {
    if [ "$1" != TRUSTED ]; then
        case $reason in
            *[![:space:]]*) ;;
            *) usage --reason "a value" none ;;
        esac
    elif [ -n "$supersede" ] && [ -z "$reason" ]; then
        usage --supersede "a TRUSTED record and a --reason"
    fi
    find_job
    read_assets
    check_faults
    [ -z "$claims" ] || { record_id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n'); write_claims "$1"; }
    make_claim "$1"
    open_session
    ask records
    check_answer "$1"
}

authenticate() {
    [ -z "$claims" ] || usage --claims "" "" "it writes a file; only recording can"
    job=
    read_assets
    if [ "$fault_count" -lt "$count" ]; then
        make_question
        ask verdicts
    else
        : >"$work/answer"
        service=
    fi
    check_answer ""
}

main() {
    trap leave EXIT
    trap 'finish 130' HUP INT TERM
    command=${1:-}
    case $command in
        -V | --version) echo "jenkins-notary-agent $VERSION (sh)"; finish 0 ;;
        notarize | untrust | unsupport | authenticate) shift ;;
        gate | evidence | attach | collect) needs_python "command $command" ;;
        *) usage jenkins-notary "notarize, untrust, unsupport or authenticate" \
            "${command:-nothing}" ;;
    esac
    work=$(mktemp -d "${TMPDIR:-/tmp}/notary.XXXXXX") ||
        fail 74 storage "temporary folder" "" "it cannot be made" ""
    N_WORK=$work
    export N_WORK
    read_environment
    read_arguments "$@"
    [ "$output" = json ] || usage "--output $output" "json: text needs Python"
    find_hasher
    case $command in
        notarize) record TRUSTED ;;
        untrust) record UNTRUSTED ;;
        unsupport) record UNSUPPORTED ;;
        *) authenticate ;;
    esac
}

main "$@"
