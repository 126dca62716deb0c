"""How long the command takes to answer: `prox --help` beside Python that does nothing.

    python benchmarks/start_up.py

prints one line of JSON: the median of the seconds of each, in turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

RUNS = 15


def seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    commands = {"help": [sys.executable, "-m", "prox", "--help"], "python": [sys.executable, "-c", "pass"]}
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    print(json.dumps({f"{name}_seconds": round(statistics.median(each), 3) for name, each in taken.items()}))


if __name__ == "__main__":
    main()
