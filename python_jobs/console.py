"""What the command line prints: progress, tables, errors."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 160  # a file or a pipe has no width of its own

out = Console() if Console().is_terminal else Console(width=PIPE_WIDTH)
err = Console(stderr=True, highlight=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with the step at hand, then one line with the time that it took."""
    started = perf_counter()
    with err.status(title) as status:
        yield lambda step: status.update(f"{title}: {step}")
    err.print(f"{title} [dim]{perf_counter() - started:.1f} s[/dim]")


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table; numbers stand to the right."""
    table = Table(title=title or None, title_justify="left")
    rows = [list(row) for row in rows]
    for position, name in enumerate(header):
        numeric = any(isinstance(row[position], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_shown(value) for value in row])
    out.print(table)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
