"""Spark's Thrift server for engineers: SQL over everything, with no authorization at all.

Whoever reaches the port reads every table and file that this user may read.
"""

import os
import subprocess
import sys
from pathlib import Path

import pyspark

from python_jobs.console import err
from python_jobs.errors import DistrictError
from python_jobs.spark import prepare

MAIN = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN = "anybody who reaches it reads every table, names of students too: there is no authorization"


def command_line(settings: dict[str, str], port: int, listen: str) -> list[str]:
    """Return the command that runs the server; Delta's jars lie beside Spark's own."""
    home = Path(pyspark.__file__).parent
    served = settings | {
        "spark.hadoop.hive.server2.thrift.bind.host": listen,
        "spark.hadoop.hive.server2.thrift.port": str(port),
    }
    confs = [part for name, value in served.items() for part in ("--conf", f"{name}={value}")]
    return [str(home / "bin" / "spark-submit"), "--class", MAIN, *confs, "spark-internal"]


def serve_thrift(port: int, listen: str) -> None:
    """Run the server until it is stopped (Ctrl-C); the warehouse's lock is held meanwhile.

    Raises DistrictError when it ends by itself.
    """
    if listen not in LOOPBACK:
        err.print(f"[bold red]warning:[/] listening on {listen}: {OPEN}", soft_wrap=True)
    command = command_line(prepare(), port, listen)
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
    err.print(f"Thrift server on {listen}, port {port}; stop it with Ctrl-C")
    with subprocess.Popen(command, env=environment, start_new_session=True) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:
            server.terminate()
            server.wait()
            err.print("The Thrift server is stopped.")
            return
    raise DistrictError(f"the Thrift server ended with code {code}", "see what it printed above")
