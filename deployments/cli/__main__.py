"""`python -m deployments.cli`: the command `orchestrator`, where no console script is installed."""

from deployments.cli.app import main

if __name__ == "__main__":
    main()
