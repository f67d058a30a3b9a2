"""Say what is known of a build, a release or a period, for a person: ``report``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_ledger
from jenkins_notary.cli.pack import declare_selection, read_selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``report``."""
    declare_selection(parser)
    parser.option("--format", "how it is written", key="report-format")
    parser.option(
        "--file",
        "where it goes, a new file; else to standard output",
        metavar="FILE",
        key="report-file",
    )
    add_all(parser, add_ledger)


def run(context: Context) -> int:
    """Write a report."""
    from jenkins_notary.files.new_file import new_file
    from jenkins_notary.pages.reports import render_html, render_markdown

    selection, path = read_selection(context), context.text("report-file")
    with context.notary() as notary:
        report = notary.report(selection)
    if context.text("report-format") == "html":
        text = render_html(report, None)
    else:
        text = render_markdown(report, None)
    if path is not None:
        with new_file(path, "report") as file:
            file.write(text)
        found = {"report": path, "size": len(text)}
        context.output.show(found, lambda: [f"{path}: {len(text)} bytes"])
    elif context.output.format == "text":
        context.output.write_foreign(text)
    else:
        context.output.show(report, list)
    return 0


COMMANDS = {
    "report": Command(
        declare,
        run,
        """
report ci.example.com:payments/api/main#42
report --release release=1.2 --format html --file payments-1.2.html
report --since 2026-01-01 --until 2026-03-31 --folder payments
""",
        "Every fact in it was proven when it was written. A page of HTML stands\n"
        "alone; with -o json the facts come as they are. A pack has the same report.",
    )
}
