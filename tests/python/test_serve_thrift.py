"""The Thrift server with real clients, on a warehouse of its own; slow, so: make test-slow."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyspark
import pytest
from pyhive import hive
from servers import free_port, is_open, started, wait_until

pytestmark = pytest.mark.slow

BEELINE = Path(pyspark.__file__).parent / "bin" / "beeline"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("thrift")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    environment = os.environ | {
        "WAREHOUSE_DIR": str(folder / "warehouse"),
        "DISTRICT_TARGET": "laptop",
        "DISTRICT_DRIVER_MEMORY": "1g",
    }
    district = str(Path(sys.executable).with_name("district"))
    command = [district, "serve", "thrift", "--port", str(port)]
    log = folder / "log"
    with started(command, environment, log) as process:
        wait_until(lambda: is_open(port), process, log)
        yield process, port


def ask(port: int, *statements: str) -> list[tuple[object, ...]]:
    """Open a session, return the rows of the last statement, and close."""
    with closing(hive.connect("127.0.0.1", port)) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        rows: list[tuple[object, ...]] = cursor.fetchall()
        return rows


def test_engineers_query_delta_again_and_again_until_it_stops(
    server: tuple[subprocess.Popen[bytes], int], folder: Path
) -> None:
    process, port = server
    made = ask(
        port,
        "create table grades using delta as select id, id % 5 as points from range(100)",
        "select count(*) from grades",
    )
    assert made == [(100,)]
    for _ in range(2):  # what the first client loaded is not gone with it
        assert ask(port, "select count(*) from grades where points = 3") == [(20,)]
    assert ask(port, "delete from grades where points = 4", "select max(points) from grades") == [
        (3,)
    ]

    shown = subprocess.run(
        [
            BEELINE,
            *("--silent=true", "--outputformat=csv2", "--showHeader=false"),
            *("-u", f"jdbc:hive2://127.0.0.1:{port}/default"),
            *("-e", "select points, count(*) from grades where points < 2 group by 1 order by 1"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split()[-2:] == ["0,20", "1,20"]  # after its prompt

    assert not is_open(port, "127.0.0.2")  # it listens on one address only
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not is_open(port)
    assert "is stopped" in (folder / "log").read_text()
