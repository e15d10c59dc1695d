import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import maskaq
from maskaq.errors import OptionError
from maskaq.jobs import connection, dask_preload
from maskaq.jobs.connection import Processes, Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASKAQ_WORKERS", "MASKAQ_SCHEDULER"):
        monkeypatch.delenv(name, raising=False)


def test_one_worker_by_default() -> None:
    assert Settings.read() == Settings(workers=1, scheduler="")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = os.cpu_count()
    monkeypatch.setenv("MASKAQ_WORKERS", str(cores))
    monkeypatch.setenv("MASKAQ_SCHEDULER", " tls://10.0.0.1:8786 ")
    assert Settings.read() == Settings(cores, "tls://10.0.0.1:8786")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "all", "9999", "²"])
def test_invalid_numbers_of_workers(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MASKAQ_WORKERS", value)
    with pytest.raises(OptionError, match=f"MASKAQ_WORKERS is {value!r}; allowed: 1 to"):
        Settings.read()


@pytest.mark.parametrize("value", ["", "-1", "20", "low"])
def test_invalid_priorities(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MASKAQ_NICENESS", value)
    with pytest.raises(OptionError, match=f"MASKAQ_NICENESS is {value!r}; allowed: 0 to 19"):
        Settings.read()


@pytest.mark.parametrize("value", ["here", "tcp://", "tcp://a b:1", "tcp://a:1/x", "udp://a:1"])
def test_invalid_addresses(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MASKAQ_SCHEDULER", value)
    with pytest.raises(OptionError, match="allowed: tcp://HOST:PORT"):
        Settings.read()


def test_only_our_own_workers_have_resource_limits() -> None:
    ours = Processes(None, Settings(), own="cluster")  # type: ignore[arg-type]
    foreign = Processes(None, Settings(), own=None)  # type: ignore[arg-type]
    assert ours.limit("run") == {"resources": {"run": 1}}
    assert foreign.limit("run") == {}


def test_variables_of_child_processes_are_restored() -> None:
    os.environ["MASKAQ_TEST_OLD"] = "before"
    try:
        with connection._environment({"MASKAQ_TEST_OLD": "inside", "MASKAQ_TEST_NEW": "inside"}):
            assert os.environ["MASKAQ_TEST_OLD"] == os.environ["MASKAQ_TEST_NEW"] == "inside"
        assert os.environ["MASKAQ_TEST_OLD"] == "before"
        assert "MASKAQ_TEST_NEW" not in os.environ
    finally:
        del os.environ["MASKAQ_TEST_OLD"]


def test_child_processes_import_this_maskaq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    here, other = connection._path().split(os.pathsep)
    assert Path(here, "maskaq", "__init__.py").samefile(maskaq.__file__)
    assert other == "/elsewhere"


def test_a_process_ends_with_its_parent() -> None:
    """The watched process, 1, is not the parent, as if the parent had ended."""
    code = (
        "import time; from maskaq.jobs import dask_preload\n"
        "dask_preload.dask_setup(None)\n"
        "time.sleep(20); print('still here')"
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {dask_preload.PARENT: "1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert time.monotonic() - start < 10


def test_a_process_lives_as_long_as_its_parent() -> None:
    code = (
        "import time; from maskaq.jobs import dask_preload\n"
        "dask_preload.dask_setup(None)\n"
        "time.sleep(1.5); print('still here')"
    )
    for parent in (str(os.getpid()), ""):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {dask_preload.PARENT: parent},
            capture_output=True,
            check=True,
        )
        assert done.stdout == b"still here\n"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", ""])
def test_a_scheduler_on_this_machine_needs_no_encryption(address: str) -> None:
    assert connection.security(address) is None


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:1", "tcp://localhost.evil.org:1"])
def test_another_machine_needs_encryption_or_an_exception(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OptionError, match=f"use tls://, or set {connection.INSECURE}=1"):
        connection.security(address)
    monkeypatch.setenv(connection.INSECURE, "1")
    assert connection.security(address) is None


def test_tls_needs_certificates() -> None:
    import dask

    with pytest.raises(OptionError, match="needs certificates"):
        connection.security("tls://10.0.0.1:8786")
    files = {"ca-file": "ca.pem", "client.cert": "c.pem", "client.key": "k.pem"}
    with dask.config.set({f"distributed.comm.tls.{name}": path for name, path in files.items()}):
        security = connection.security("tls://10.0.0.1:8786")
    assert security is not None
    assert security.require_encryption
    assert security.get_tls_config_for_role("client")["ca_file"] == "ca.pem"
