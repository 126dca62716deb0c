"""`python -m prox`: the command, where it is not on the path."""

from prox.cli import main

if __name__ == "__main__":
    main()
