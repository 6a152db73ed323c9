"""Who read tables of students: from the server's log, which readers can neither see nor prevent."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

TIME, LOGIN, MESSAGE = 0, 1, 13  # columns of PostgreSQL's csvlog
_DISCLOSURE = re.compile(r"DISCLOSURE: table=(\S+) viewer=(.*)")


def disclosures(files: Iterable[Path]) -> list[list[object]]:
    """Return day, login, viewer, table and number of reads, in this order of importance.

    A shared account's viewer is whom its token names; 'nobody' when it had no valid one.
    """
    reads: Counter[tuple[str, str, str, str]] = Counter()
    for path in files:
        with path.open(newline="", encoding="utf-8", errors="replace") as lines:
            for row in csv.reader(lines):
                match = _DISCLOSURE.match(row[MESSAGE]) if len(row) > MESSAGE else None
                if match:
                    reads[(row[TIME][:10], row[LOGIN], match[2], match[1])] += 1
    return [[*key, count] for key, count in sorted(reads.items())]
