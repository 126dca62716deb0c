"""Cutting JSON Lines into blocks of whole lines."""

from collections.abc import Iterator

from prox.corpora.records import Block, Extent, Quarantined
from prox.corpora.spans import Start
from prox.corpora.streams import BrokenStreamError

HEAD_BYTES = 1 << 16  # what is kept of a record that is too long


def too_long(file: str, record: int, length: int, limit: int, head: bytes, offset: int = 0) -> Quarantined:
    """The quarantined form of a record longer than `limit` bytes: only its head is kept."""
    reason = f"record too long: {length:,} bytes, the limit is {limit:,}; its first {len(head):,} bytes are kept"
    return Quarantined(file, record, reason, head, offset=offset)


def slice_lines(
    chunks: Iterator[bytes],
    file: str,
    block_bytes: int,
    max_record_bytes: int,
    start: Start | None = None,
    extent: Extent | None = None,
) -> Iterator[Block | Quarantined]:
    r"""Cut a byte stream after `\n`, so that a block holds as many whole lines as fit into `block_bytes`.

    A longer line gets a block of its own; one longer than `max_record_bytes` is quarantined while it streams past.
    The cuts depend on the bytes alone, not on how they arrive.

    Args:
        start: Where the stream begins in its file; at the beginning if not given.
        extent: Told how far was read.
    """
    start = start or Start()
    extent = extent if extent is not None else Extent()
    extent.begin = extent.end = start.position
    block_bytes = min(block_bytes, max_record_bytes + 1)
    lines = _Buffer(chunks)
    line = start.line
    while True:
        lines.fill(block_bytes)
        end = lines.data.rfind(b"\n", 0, block_bytes) + 1
        searched = block_bytes
        while not end:
            end = lines.data.find(b"\n", searched) + 1
            if end or lines.ended or len(lines.data) > max_record_bytes:
                break
            searched = len(lines.data)
            lines.fill(searched + 1)
        if (end - 1 if end else len(lines.data)) > max_record_bytes:
            head = bytes(lines.data[:HEAD_BYTES])
            length = lines.drop_line()
            extent.end = start.position + lines.gone
            yield too_long(file, line, length, max_record_bytes, head, start.offset)
            line += 1
        elif end:
            position = start.position + lines.gone
            payload = lines.take(end)
            count = payload.count(b"\n")
            extent.end = start.position + lines.gone
            yield Block(file, line, count, "lines", payload, start.offset, position)
            line += count
        elif lines.broken:
            rest = lines.take(len(lines.data))
            extent.end = start.position + lines.gone
            yield Quarantined(file, line, f"broken file: {lines.broken}", rest, offset=start.offset)
            return
        elif lines.data:
            position = start.position + lines.gone
            payload = lines.take(len(lines.data))
            extent.end = start.position + lines.gone
            yield Block(file, line, 1, "lines", payload, start.offset, position)
        else:
            return


class _Buffer:
    """The bytes of a stream that are read but not yet cut."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.data = bytearray()
        self.received = 0
        self.ended = False
        self.broken = ""

    def fill(self, size: int) -> None:
        """Read until `size` bytes are there or the stream ends."""
        while len(self.data) < size and not self.ended:
            try:
                chunk = next(self.chunks)
                self.data += chunk
                self.received += len(chunk)
            except StopIteration:
                self.ended = True
            except BrokenStreamError as error:
                self.ended, self.broken = True, str(error)

    @property
    def gone(self) -> int:
        """Bytes that were taken or dropped."""
        return self.received - len(self.data)

    def take(self, size: int) -> bytes:
        taken = bytes(memoryview(self.data)[:size])
        del self.data[:size]
        return taken

    def drop_line(self) -> int:
        r"""Pass over everything up to the next `\n` and that as well; how many bytes stood before it."""
        dropped = 0
        while not (end := self.data.find(b"\n") + 1) and not self.ended:
            dropped += len(self.data)
            self.data.clear()
            self.fill(1)
        if end:
            del self.data[:end]
            return dropped + end - 1
        dropped += len(self.data)
        self.data.clear()
        return dropped
