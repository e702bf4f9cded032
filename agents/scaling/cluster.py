"""Ray on this machine, or on the cluster at an address."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.experiment.run_folder import COMMIT_VARIABLE, current_commit

ROOT = Path(__file__).resolve().parents[2]
OBJECT_STORE = 200_000_000  # bytes: what goes between processes is settings and scores
EXCLUDED = ["/runs/", "/.git", "/docs/", "/mutants/", "/site/", ".venv/", "venv/", ".nox/", "__pycache__/", ".*_cache/"]
QUIET = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths in settings stay what they are
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # a run has logs of its own
    "RAY_AIR_NEW_OUTPUT": "0",
}


RayFlag = tuple[str, ...] | None  # --ray, with an address or without


def ray_address(flag: RayFlag) -> str | None:
    """The address that `--ray` names; None for this machine.

    Raises:
        ValueError: if there is more than one.
    """
    if flag is not None and len(flag) > 1:
        raise ValueError(f"--ray takes one address, got {' '.join(flag)}.")
    return flag[0] if flag else None


def demand_ray() -> None:
    """A ValueError in one sentence, where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise ValueError('this needs Ray: pip install -e ".[agents,ray]"')


def demand_answer(address: str) -> None:
    """A sentence at once, where Ray would go on trying for minutes: somebody must listen at the address of a cluster.

    Raises:
        ValueError: if it is no address.
        ConnectionError: if nobody listens.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdigit():
        raise ValueError(f'--ray takes HOST:PORT, or "auto" on a machine of the cluster, got {address!r}.')
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"--ray {address}: nothing answers there ({error}); `ray start --head` prints the address."
        ) from None


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def connected(address: str | None) -> Iterator[int]:
    """A connection to Ray, within which trials can be run; gives the number of processors.

    Args:
        address: of a cluster that runs, such as "10.0.0.1:6379", or "auto" on one of its machines; its workers get a copy of this code.
            None starts Ray on this machine alone, and ends it afterwards.

    Raises:
        ValueError: if Ray is not installed, or the address is none.
        ConnectionError: if there is no cluster at that address, or it wants a token that is not this user's.
    """
    demand_ray()
    import ray
    import ray.exceptions

    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    variables = {"TQDM_DISABLE": "1", COMMIT_VARIABLE: current_commit()}
    environment: dict[str, object] = {"env_vars": {**variables, "PYTHONPATH": _search_path()}}
    where: dict[str, object] = {
        "num_cpus": processors(),
        "object_store_memory": OBJECT_STORE,
        "include_dashboard": False,
    }
    if address is not None:
        demand_answer(address)
        environment = {"env_vars": variables, "working_dir": str(ROOT), "excludes": EXCLUDED}
        where = {}
    try:
        ray.init(
            address=address or "local",
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **where,
        )
    except (ConnectionError, ray.exceptions.RayError, RuntimeError) as error:
        raise ConnectionError(f"--ray {address or ''}: {str(error).strip().splitlines()[0]}") from None
    try:
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()


def _search_path() -> str:
    """Where a worker on this machine finds this code, and modules that the command would have found here."""
    return os.pathsep.join(filter(None, (str(ROOT), os.getcwd(), os.environ.get("PYTHONPATH"))))
