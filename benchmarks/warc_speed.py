"""How fast web archives are read, on one core: stored megabytes (10**6 bytes) a second and pages a second.

A crawl of made-up pages, each record a gzip member as crawlers write it, is read in three ways:

* `framing`: cut into blocks of pages, nothing made to text; `fastwarc` beside it iterates over the same records and
  reads their content, which is the least that any reader has to do;
* `resiliparse`, `trafilatura`: cut and decoded, so that documents come out.

    python benchmarks/warc_speed.py

prints one line of JSON, the best of the rounds. `--archive FILE` measures a real one.
"""

import argparse
import gzip
import io
import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from prox.corpora import Block, corpus_file, decode, get_preset, read_blocks

BLOCK_BYTES = 4 << 20
WORDS = ("swift", "swallow", "martin", "roof", "tower", "evening", "town", "flight", "nest", "insect", "summer", "rain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", help="a WARC file; made-up pages if not given")
    parser.add_argument("--pages", type=int, default=1000, help="made-up pages (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.archive or str(Path(folder) / "pages.warc.gz")
        if not options.archive:
            Path(path).write_bytes(crawl(options.pages))
        print(json.dumps(measure(path, options.rounds)))


def measure(path: str, rounds: int) -> dict[str, float | int | str]:
    stored = Path(path).stat().st_size / 1e6
    figures: dict[str, float | int | str] = {"archive": Path(path).name, "stored_mb": round(stored, 2)}
    jobs: dict[str, Callable[[], int]] = {
        "framing": lambda: sum(len([page for page in block.payload if page]) for block in blocks(path)),
        "resiliparse": lambda: documents(path, "resiliparse"),
        "trafilatura": lambda: documents(path, "trafilatura"),
    }
    for name, job in jobs.items():
        seconds, pages = best(job, rounds)
        figures |= {"pages": pages} if name == "framing" else {}
        figures |= {f"{name}_mb_s": round(stored / seconds, 2), f"{name}_pages_s": round(pages / seconds)}
    figures["fastwarc_mb_s"] = round(stored / best(lambda: iterated(path), rounds)[0], 2)
    return figures


def best(job: Callable[[], int], rounds: int) -> tuple[float, int]:
    """Seconds of the fastest round, and what it gave."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        count = job()
        times.append(time.perf_counter() - started)
    return min(times), count


def blocks(path: str) -> list[Block]:
    return [block for block in read_blocks(corpus_file(path), BLOCK_BYTES) if isinstance(block, Block)]


def documents(path: str, html_to_text: str) -> int:
    preset = replace(get_preset("warc"), html_to_text=html_to_text)
    return sum(len(decode(block, preset).documents) for block in blocks(path))


def iterated(path: str) -> int:
    with Path(path).open("rb") as file:
        return sum(bool(record.reader.read()) for record in ArchiveIterator(io.BytesIO(file.read()), parse_http=False))


def crawl(pages: int) -> bytes:
    """Responses of about 30 KB of HTML, each behind its request."""
    made = random.Random(0)
    return b"".join(record(html(made), number) for number in range(pages))


def record(page: bytes, number: int) -> bytes:
    request = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
    return b"".join(
        gzip.compress(
            (
                f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{kind}-{number}>\r\n"
                f"WARC-Date: 2024-05-18T01:58:10Z\r\nWARC-Target-URI: http://a.example/{number}\r\n"
                f"Content-Type: application/http; msgtype={kind}\r\nContent-Length: {len(content)}\r\n\r\n"
            ).encode()
            + content
            + b"\r\n\r\n",
            compresslevel=6,
        )
        for kind, content in (("request", request), ("response", response))
    )


def html(made: random.Random) -> bytes:
    def sentence() -> str:
        return " ".join(made.choices(WORDS, k=made.randint(6, 18))).capitalize() + "."

    links = "".join(f'<li class="i{n}"><a href="/{made.random()}">{made.choice(WORDS)}</a></li>' for n in range(120))
    paragraphs = "".join(f"<p>{' '.join(sentence() for _ in range(5))}</p>" for _ in range(25))
    style = "".join(f".c{n} {{ margin: {made.random()}px }}" for n in range(150))
    return (
        f"<!doctype html><html><head><title>{sentence()}</title><style>{style}</style></head><body>"
        f"<nav><ul>{links}</ul></nav><article><h1>{sentence()}</h1>{paragraphs}</article>"
        f'<footer><div class="links">{links}</div></footer></body></html>'
    ).encode()


if __name__ == "__main__":
    main()
