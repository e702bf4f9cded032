"""Fuzzes the IDX reader, guided by coverage: `nox -s fuzz`. Needs: atheris."""

import atexit
import math
import struct
import sys
import tempfile
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ram_envs.datasets"]):
    from ram_envs.datasets import BadDataFile, read_idx

outcomes: Counter[str] = Counter()


def read(data: bytes) -> None:
    """Anything but all bytes that were promised, or the reader's own error, ends the fuzzing."""
    try:
        array = read_idx(data)
    except BadDataFile:
        outcomes["refused"] += 1
        return
    outcomes["read"] += 1
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    assert header + array.tobytes() == data


def told() -> None:
    print(f"{outcomes['read']} inputs read, {outcomes['refused']} refused")
    assert outcomes["read"], "no input was ever read"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        for sizes in ((3,), (1, 2), (1, 2, 3), (1, 2, 1, 2)):
            header = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
            Path(corpus, str(len(sizes))).write_bytes(header + bytes(math.prod(sizes)))
        atexit.register(told)
        atheris.Setup([sys.argv[0], "-max_len=64", "-rss_limit_mb=512", "-verbosity=0", *sys.argv[1:], corpus], read)
        atheris.Fuzz()
