"""Write ``docs/cli.md`` from the parsers: ``python docs/make_cli.py``.

``--check`` writes nothing and fails if the file is not current.
"""
# ruff: noqa: INP001 - a script beside the pages that it makes

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TID253 - a script, not on the way of a command

from jenkins_notary.cli.commands import COMMANDS, load_command
from jenkins_notary.cli.options import PROGRAM, Option, Parser
from jenkins_notary.config import NOT_IN_FILE, variable_name

TARGET = Path(__file__).with_name("cli.md")

INTRODUCTION = f"""\
# Command line

This page is made from the parsers by `docs/make_cli.py`.

`{PROGRAM} COMMAND --help` says the same on a terminal. Options and arguments may be
mixed; behind `--` all is an argument; options are never abbreviated.

## Where an option comes from

A flag wins over the environment, the environment over the file.

- **Environment**: the variable that stands beside the option. Flags take `1 true yes
  on` or `0 false no off`. A list takes a line each, or, without a line break, is cut
  at commas. An empty variable is the same as none. A variable that begins with
  `JENKINS_NOTARY_` and is not known is warned about.
- **File**: `--config`, else `JENKINS_NOTARY_CONFIG`, else
  `$XDG_CONFIG_HOME/jenkins-notary/config.yaml` if it exists. A YAML mapping whose keys
  are the names in brackets. An unknown key, a wrong type or a secret is an error (78).
- A source replaces what a lower one says; lists are not joined. The opposite of a flag
  is `--no-` and its name.
- **Secrets** come by environment or from a file of their own, never as an argument:
  `JENKINS_NOTARY_KEY_PASSPHRASE` or `--passphrase-file`.

## Exit codes

| code | meaning | code | meaning |
|---|---|---|---|
| 0 | TRUSTED, done, allowed | 66 | no such file, ledger, job or evidence |
| 1 | UNTRUSTED | 67 | several match, none chosen |
| 2 | UNKNOWN | 69 | ledger or registry unreachable |
| 3 | UNSUPPORTED | 70 | internal fault |
| 4 | REVOKED | 74 | disk full or read-only |
| 5 | denied by the gate | 77 | permission denied |
| 64 | usage | 78 | configuration |
| 65 | integrity: something was altered | 130 | interrupted |

Of several results the code is the worst one's, the worst first: 65, 70, 74, 78, 77, 69,
67, 66, 64, 1, 4, 3, 5, 2, 0.

## Output

`-o json` and `-o yaml` print one document on standard output, for an error too; what is
for people goes to standard error. Colours are used on a terminal only, and not with
`NO_COLOR`. Control characters, line breaks and bidirectional marks in names are shown
escaped.
"""


def describe_command(words: str) -> str:
    """Return the section of a command."""
    command = load_command(words)
    parser = Parser(words)
    command.declare(parser)
    about = " ".join(command.about.split())
    arguments = " ".join(
        {"1": name, "?": f"[{name}]", "+": f"{name}...", "*": f"[{name}...]"}[count]
        for name, count, _ in parser.arguments
    )
    lines = [
        f"## {PROGRAM} {words}",
        "",
        COMMANDS[words][1] + (f" {about}" if about else ""),
        "",
        f"    {PROGRAM} {words} [options] {arguments}".rstrip(),
        "",
    ]
    lines += [f"- `{name}`: {text}" for name, _, text in parser.arguments]
    lines += [describe_option(one) for one in parser.options]
    lines += ["", "```sh"]
    lines += [
        one if PROGRAM in one else f"{PROGRAM} {one}"
        for one in command.examples.strip().splitlines()
    ]
    lines += ["```", "", f"Exit codes: {command.success}; others as above.", ""]
    return "\n".join(lines)


def describe_option(option: Option) -> str:
    """Return the line of an option."""
    flags = ", ".join(one for one in (option.short, option.flag) if one)
    value = f" {option.metavar}" if option.metavar else ""
    key = "" if option.name in NOT_IN_FILE else f", `{option.name}:`"
    variable = variable_name(option.name)
    return f"- `{flags}{value}`: {option.help} [`{variable}`{key}]"


def make_page() -> str:
    """Return the whole page."""
    return "\n".join([INTRODUCTION, *(describe_command(one) for one in COMMANDS)])


def main(argv: list[str]) -> int:
    """Write the page, or check it."""
    page = make_page()
    if "--check" in argv:
        return 0 if TARGET.read_text(encoding="utf-8") == page else 1
    TARGET.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
