"""What the container tests rely on beside the servers: the engine script, and no silent skipping."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers import DOCKER, ENVIRONMENT, LABEL, ROOT, Engine, _machine


def script(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DOCKER / "engine", *args],
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_engine_says_what_it_found_and_changes_nothing_the_second_time(engine):
    if engine is None:
        pytest.skip("no container engine")
    first, second = script("build", "openldap"), script("build", "openldap")
    assert first.returncode == 0, first.stderr
    assert f"ENGINE={engine.program}\n" in first.stdout
    assert f"IMAGE_OPENLDAP={engine.image('openldap')}\n" in first.stdout
    assert (second.stdout, second.stderr) == (first.stdout, "")
    assert script("run", "sh", "-c", 'echo "$ENGINE $BASE"; exit 3').returncode == 3


def test_engine_tells_what_is_missing_and_how_to_get_it(tmp_path):
    missing = script("up", MAILLDAP_ENGINE="no-such-engine")
    assert missing.returncode == 69
    assert "no-such-engine" in missing.stderr
    for tool in Path("/usr/bin").iterdir():  # a machine without engines
        if tool.name not in {"docker", "podman"}:
            (tmp_path / tool.name).symlink_to(tool)
    nothing = script("build", "openldap", PATH=str(tmp_path), MAILLDAP_INSTALL="no")
    assert nothing.returncode == 69
    assert "no container engine answers" in nothing.stderr
    assert "install docker or podman" in nothing.stderr
    unknown = script("frobnicate")
    assert unknown.returncode == 2
    assert "docker/engine build" in unknown.stderr
    assert script("build", "no-such-image").returncode in {2, 69}


def test_containers_of_a_dead_run_go_and_those_of_a_living_one_stay(engine):
    if engine is None:
        pytest.skip("no container engine")
    dead = Engine(label=f"{LABEL}={_machine()}:999999999:1", prefix=f"mailldap-{os.getpid()}-dead")
    elsewhere = Engine(label=f"{LABEL}=another-machine/1:1:1", prefix=f"mailldap-{os.getpid()}-far")
    dead.build("lab")
    elsewhere.build("lab")
    left, far, own = dead.run("lab"), elsewhere.run("lab"), engine.run("lab")
    try:
        Engine().build("lab")  # a later run begins
        assert [left.alive(), far.alive(), own.alive()] == [False, True, True]
    finally:
        own.remove()
        dead.close()
        elsewhere.close()


@pytest.mark.parametrize(("ci", "status", "words"), [("true", 1, "1 failed"), ("", 0, "1 skipped")])
def test_a_skipped_container_test_fails_in_ci(tmp_path, ci, status, words):
    file = tmp_path / "test_skipping.py"
    file.write_text(
        "import pytest\n\n@pytest.mark.container\ndef test_it():\n    pytest.skip('not today')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider",
         "-c", ROOT / "pyproject.toml", f"--rootdir={tmp_path}", file],
        cwd=ROOT, env={**ENVIRONMENT, "CI": ci}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert words in done.stdout
