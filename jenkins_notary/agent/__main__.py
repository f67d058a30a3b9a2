"""Start the agent part; also the first file of the zipapp.

Any Python must be able to parse this file: one that is too old ends with 126, the
shell's "cannot be run", and whoever chose it tries the next.
"""

import sys

if sys.version_info < (3, 8):  # noqa: UP036 - whoever starts it may have any
    sys.stderr.write("jenkins-notary: this Python is older than 3.8\n")
    sys.exit(126)

if __name__ == "__main__":
    import gc

    # Compiling makes thousands of objects and no garbage.
    gc.disable()
    from jenkins_notary.agent.importer import install

    install(__spec__)

    from jenkins_notary.agent.main import AGENT
    from jenkins_notary.cli.main import run

    run(AGENT)
