"""What the machine did not give to a trial, read from files as Linux writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.broker.monitor.machine_times import MachineTimes, read_times
from loadtest.experiments.trial_interference import interference

VERSION_1 = "4:cpu,cpuacct:/jobs/one\n3:memory:/elsewhere\n0::/\n"
VERSION_2 = "0::/jobs/one\n"


def machine(
    folder: Path, cgroup: str, files: dict[str, str], stat: str = "cpu  1 2 3 4 5 6 7 800 9 0\n"
) -> MachineTimes:
    """Return what is read of these files."""
    for name, text in {"proc/self/cgroup": cgroup, "proc/stat": stat, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_times(folder / "proc", folder / "cgroup")


@pytest.mark.parametrize(
    "cgroup, files, throttled",
    [
        pytest.param(
            VERSION_2,
            {
                "cgroup/jobs/one/cpu.stat": "usage_usec 5\nnr_throttled 3\nthrottled_usec 1500000\n",
                "cgroup/jobs/cpu.stat": "usage_usec 5\nnr_throttled 0\nthrottled_usec 0\n",
                "cgroup/cpu.stat": "usage_usec 5\n",
                "cgroup/other/cpu.stat": "throttled_usec 9\n",
            },
            {"cgroup/jobs/one/cpu.stat": 1.5, "cgroup/jobs/cpu.stat": 0.0},
            id="version 2: its own, and those above it",
        ),
        pytest.param(
            VERSION_1,
            {
                "cgroup/cpu,cpuacct/jobs/one/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n",
                "cgroup/memory/elsewhere/cpu.stat": "throttled_time 1\n",
            },
            {"cgroup/cpu,cpuacct/jobs/one/cpu.stat": 2.5},
            id="version 1: that of the processors",
        ),
        pytest.param(
            VERSION_2,
            {"cgroup/cpu.stat": "throttled_usec 1000000\n"},
            {"cgroup/cpu.stat": 1.0},
            id="in a container: its own is the root",
        ),
        pytest.param("no cgroup\n" * 0, {}, {}, id="none"),
    ],
)
def test_throttled(cgroup: str, files: dict[str, str], throttled: dict[str, float], tmp_path: Path) -> None:
    """In seconds, by file, of all cgroups whose quota holds this process."""
    found = machine(tmp_path, cgroup, files).throttled_s

    assert found == {str(tmp_path / name): value for name, value in throttled.items()}


def test_stolen(tmp_path: Path) -> None:
    """In seconds; None where /proc does not tell."""
    assert machine(tmp_path, "", {}).stolen_s == pytest.approx(8.0)
    assert read_times(tmp_path / "nowhere", tmp_path).stolen_s is None
    assert machine(tmp_path, "", {}, stat="cpu  1 2 3\n").stolen_s is None


def test_this_machine() -> None:
    """What is read here only grows."""
    before = read_times()
    after = read_times()

    assert after.at_s >= before.at_s
    assert (after.stolen_s or 0) >= (before.stolen_s or 0)
    assert all(after.throttled_s[name] >= value for name, value in before.throttled_s.items())


@pytest.mark.parametrize(
    "stolen_s, throttled_s, told",
    [
        pytest.param(0.3, 0.09, (), id="what can be passed over"),
        pytest.param(
            0.0, 0.5, ("stopped by a quota of processor time for 500 ms of 10.0 s",), id="half a second of ten"
        ),
        pytest.param(1.0, 0.0, ("5% of the processors' time went to other guests of the host",), id="stolen"),
        pytest.param(
            2.0,
            5.0,
            (
                "stopped by a quota of processor time for 5.00 s of 10.0 s",
                "10% of the processors' time went to other guests of the host",
            ),
            id="both",
        ),
    ],
)
def test_disturbances(stolen_s: float, throttled_s: float, told: tuple[str, ...]) -> None:
    """Of ten seconds on two cores, in words."""
    before = MachineTimes(100.0, 7.0, {"own": 3.0, "above": 2.0})
    after = MachineTimes(110.0, 7.0 + stolen_s, {"own": 3.0 + throttled_s, "above": 2.0, "new": 99.0})

    assert interference(before, after, cores=2) == told


def test_what_is_not_known_disturbs_nothing() -> None:
    """Nor does no time at all."""
    nothing = MachineTimes(100.0, None, {})

    assert interference(nothing, MachineTimes(110.0, 5.0, {"own": 5.0})) == ()
    assert interference(nothing, nothing) == ()
