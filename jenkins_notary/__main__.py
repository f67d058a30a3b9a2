"""Run the command line: ``python -m jenkins_notary``."""

from jenkins_notary.cli.main import run

if __name__ == "__main__":
    run()
