"""`Dockerfile` and the manifests for Kubernetes: what they name is there, and fits together."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from loadtest.scenario import load_scenario

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
MANIFESTS = ROOT / "docs" / "examples" / "kubernetes" / "loadtest.yaml"
DOCUMENTS: list[dict[str, Any]] = list(YAML(typ="safe").load_all(MANIFESTS))
# A line that ends in a backslash goes on.
STEPS = [line.strip() for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines() if line and not line.startswith("#")]
BY_KIND: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
for document in DOCUMENTS:
    BY_KIND[document["kind"]][document["metadata"]["name"]] = document
MASTER, WORKER = BY_KIND["Job"].values()


def steps(word: str) -> list[str]:
    """Return what follows *word* in each step of the Dockerfile that begins with it."""
    return [step.removeprefix(word).strip() for step in STEPS if step.startswith(f"{word} ")]


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the pod that a job makes."""
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a job's pod."""
    (container,) = pod_of(job)["containers"]
    return dict(container)


COPIED = [word for step in steps("COPY") if not step.startswith("--from") for word in step.split()[:-1]]


def test_what_the_image_copies_is_there_and_sent() -> None:
    """The build's context is what the Dockerfile copies, and nothing else."""
    assert COPIED
    for name in COPIED:
        assert (ROOT / name).exists(), name
    assert {f"!{name}" for name in COPIED} == {line for line in IGNORED if line.startswith("!")}
    assert "*" in IGNORED


def test_packages_come_from_the_lock() -> None:
    """With their hashes; the project itself is installed without a look at an index, by a back end of the lock."""
    lock, project = [step for step in steps("RUN") if "pip install" in step]

    assert "--require-hashes -r requirements.lock" in lock
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= {*project.split()}
    assert re.search(r"^hatchling==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert "://" not in "\n".join(step for step in STEPS if not step.startswith("#"))


def test_the_image_runs_the_locustfile_without_rights() -> None:
    """The base is a version of Python that is supported, and the locustfile is where that one has its packages."""
    bases = {step.split()[0] for step in steps("FROM")}
    (base,) = bases
    version = re.fullmatch(r"python:(\d\.\d+)-slim-\w+", base)
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (environment,) = steps("ENV")
    locustfile = re.search(r"LOCUST_LOCUSTFILE=(\S+)", environment)
    assert locustfile is not None

    assert f"Programming Language :: Python :: {version[1]}" in project["classifiers"]
    assert locustfile[1] == f"/opt/loadtest/lib/python{version[1]}/site-packages/loadtest/main.py"
    assert steps("USER") == ["10001:10001"]
    assert steps("ENTRYPOINT") == ['["locust"]']
    assert steps("EXPOSE") == ["5557 8089"]


def test_every_manifest_is_of_the_load() -> None:
    """Each has its version, a kind, a name that Kubernetes takes, and the label by which all are found."""
    assert [document["kind"] for document in DOCUMENTS] == [
        "ConfigMap",
        "PersistentVolumeClaim",
        "Service",
        "NetworkPolicy",
        "Job",
        "Job",
    ]
    for document in DOCUMENTS:
        assert document["apiVersion"] in {"v1", "batch/v1", "networking.k8s.io/v1"}
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,62}", document["metadata"]["name"])
        assert document["metadata"]["labels"] == {"app": "loadtest"}


def test_the_scenario_of_the_manifests_is_one() -> None:
    """It loads, and the master runs it from where it is mounted."""
    (data,) = [each["data"] for each in BY_KIND["ConfigMap"].values()]
    ((name, text),) = data.items()
    (mount,) = [each for each in container_of(MASTER)["volumeMounts"] if each["name"] == "scenario"]

    assert load_scenario(name, text=text).scenario.name == "orders"
    assert f"--scenario={mount['mountPath']}/{name}" in container_of(MASTER)["args"]


def test_as_many_workers_as_the_master_waits_for() -> None:
    """They come at once, find it by its service, and nobody else reaches it."""
    spec, labels = WORKER["spec"], MASTER["spec"]["template"]["metadata"]["labels"]
    (service,) = BY_KIND["Service"].values()
    (policy,) = BY_KIND["NetworkPolicy"].values()

    assert f"--expect-workers={spec['parallelism']}" in container_of(MASTER)["args"]
    assert spec["completions"] == spec["parallelism"]
    assert f"--master-host={service['metadata']['name']}" in container_of(WORKER)["args"]
    assert service["spec"]["selector"] == policy["spec"]["podSelector"]["matchLabels"] == labels
    (ingress,) = policy["spec"]["ingress"]
    allowed = ingress["from"][0]["podSelector"]["matchLabels"]
    assert allowed == WORKER["spec"]["template"]["metadata"]["labels"] != labels
    assert [port["port"] for port in (*ingress["ports"], *service["spec"]["ports"])] == [5557, 5557]


@pytest.mark.parametrize("job", [MASTER, WORKER], ids=["master", "worker"])
def test_pods_have_no_rights(job: dict[str, Any]) -> None:
    """They run as the image's user, cannot write but where they must, and no container is started twice."""
    pod, container = pod_of(job), container_of(job)
    volumes = {each["name"] for each in pod["volumes"]}

    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsUser"] == int(steps("USER")[0].split(":")[0])
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {each["name"] for each in container["volumeMounts"]} == volumes
    assert "cpu" not in container["resources"]["limits"]
    for volume in pod["volumes"]:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        assert claim is None or claim in BY_KIND["PersistentVolumeClaim"]


def test_the_password_is_in_a_secret_that_the_master_alone_reads() -> None:
    """Nothing of it stands in a file; workers get it over the channel."""
    (broker,) = container_of(MASTER)["env"]

    assert (broker["name"], broker["valueFrom"]) == (
        "LOADTEST_BROKER",
        {"secretKeyRef": {"name": "loadtest-broker", "key": "url"}},
    )
    assert "env" not in container_of(WORKER)


@pytest.mark.parametrize("job", [MASTER, WORKER], ids=["master", "worker"])
def test_arguments_of_the_pods_are_locusts(job: dict[str, Any]) -> None:
    """Locust's parser takes them, with ours."""
    program = [str(Path(sys.executable).with_name("locust")), "-f", str(ROOT / "loadtest" / "main.py")]
    run = subprocess.run(
        [*program, *container_of(job)["args"], "--version"], capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stdout[:7]) == (0, "locust ")
