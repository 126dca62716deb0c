"""`python -m prox`, as launchers of several processes want it."""

from prox.cli import main

if __name__ == "__main__":
    main()
