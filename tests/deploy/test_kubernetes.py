"""deploy/kubernetes: valid, of few rights, and what its pods run is run on real servers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from lark_emulator import Emulator

from lark_provider import __version__, config
from lark_provider.cli.__main__ import make_parser
from lark_provider.protocol.hitl.proof import SECRET_VARIABLE
from lark_provider.storage import urls
from tests.deploy.running import Deployed, as_text, run, start

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
CODE = FOLDER.parents[1] / "lark_provider"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name not in {"kustomization.yaml", "lark.yaml"})
OBJECTS: list[dict[str, Any]] = [
    manifest for file in FILES for manifest in yaml.safe_load_all(file.read_text())
]
PODS = {"Deployment", "Job", "CronJob"}
AUTHORITY = "lark-ca"
"""The ConfigMap with the certificate of the database's authority, which the reader makes."""
DRAINS = {"gateway": 5 + 5, "listen": 6, "pump": 10, "bridge": 20}
"""Seconds until each has drained, at most: running.md#stopping; the gateway's after its preStop."""


def objects(kind: str) -> dict[str, dict[str, Any]]:
    return {manifest["metadata"]["name"]: manifest for manifest in OBJECTS if manifest["kind"] == kind}


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of the pods that an object makes."""
    spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
    pod_spec: dict[str, Any] = spec["template"]["spec"]
    return pod_spec


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each pod's specification with its container."""
    for manifest in OBJECTS:
        if manifest["kind"] in PODS:
            [container] = pod(manifest)["containers"]
            yield pod(manifest), container


def settings(container: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a container, with the secrets of the example."""
    variables: dict[str, str] = {}
    for source in container["envFrom"]:
        [(kind, of)] = source.items()
        env_source = objects({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind])[of["name"]]
        variables |= env_source["data"] if kind == "configMapRef" else env_source["stringData"]
    return variables | {variable["name"]: variable["value"] for variable in container.get("env", [])}


def port(container: dict[str, Any], name: str) -> int:
    [number] = [exposed["containerPort"] for exposed in container["ports"] if exposed["name"] == name]
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_kubernetes_accepts_them(version: str) -> None:
    assert len(OBJECTS) > len(FILES)
    for manifest in OBJECTS:
        kubernetes_validate.validate(manifest, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**OBJECTS[0], "speck": {}}, version, strict=True)


def test_everything_has_its_place_in_the_kustomization() -> None:
    listed = set(KUSTOMIZATION["resources"])
    commented = set(re.findall(r"# - (\S+)", (FOLDER / "kustomization.yaml").read_text()))
    assert listed | commented | {"secrets.example.yaml"} == {file.name for file in FILES}
    assert not listed & commented
    generated = {generator["name"]: generator["files"] for generator in KUSTOMIZATION["configMapGenerator"]}
    assert all((FOLDER / file).is_file() for files in generated.values() for file in files)
    volumes = [volume for spec, _ in containers() for volume in spec["volumes"]]
    named = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
    assert named - {AUTHORITY} == generated.keys()
    [image] = KUSTOMIZATION["images"]
    assert {container["image"] for _, container in containers()} == {image["name"]}
    assert image["newTag"] == __version__
    assert {manifest["metadata"].get("namespace", "lark") for manifest in OBJECTS} == {
        KUSTOMIZATION["namespace"]
    }


def test_pods_have_few_rights_and_bounds() -> None:
    for spec, container in containers():
        assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("lark", False)
        assert spec["enableServiceLinks"] is False  # they would be read as settings: POSTGRES_PORT=tcp://…
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
    [account] = objects("ServiceAccount").values()
    assert account["automountServiceAccountToken"] is False


def test_a_drained_node_takes_one_at_a_time_and_no_pod_is_killed_while_it_drains() -> None:
    budgets = objects("PodDisruptionBudget")
    for name, deployment in objects("Deployment").items():
        spec, [container] = pod(deployment), pod(deployment)["containers"]
        [budget] = [
            other["spec"]
            for other in budgets.values()
            if other["spec"]["selector"] == deployment["spec"]["selector"]
        ]
        assert deployment["spec"]["replicas"] > budget["maxUnavailable"] == 1
        grace = spec["terminationGracePeriodSeconds"]
        assert grace > DRAINS.get(name.removeprefix("lark-"), 60)
        assert ("preStop" in container.get("lifecycle", {})) == (name == "lark-gateway")
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        assert spec["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == labels
    units = (FOLDER.parent / "systemd").glob("lark-*.service")
    stops = {
        unit.stem: re.findall(r"^TimeoutStopSec=(\d+)", unit.read_text(), re.MULTILINE) for unit in units
    }
    for name, drain in DRAINS.items():
        assert int(stops[f"lark-{name}"][0]) > min(drain, 10)


def test_probes_ask_where_the_commands_answer() -> None:
    for deployment in objects("Deployment").values():
        [container] = pod(deployment)["containers"]
        live, ready = container["livenessProbe"], container["readinessProbe"]
        assert (live["httpGet"]["path"], ready["httpGet"]["path"]) == ("/healthz", "/readyz")
        probed = {port(container, probe["httpGet"]["port"]) for probe in (live, ready)}
        if "args" not in container:
            assert probed == {8782}  # its program's default
            continue
        ports = read_container(container).ports
        assert probed == {ports.get("--probe-port") or ports["--port"]}
        assert {exposed["containerPort"] for exposed in container["ports"]} == set(ports.values())
        assert port(container, "metrics") == ports["--metrics-port"]
        hosts = [
            after
            for word, after in zip(container["args"], container["args"][1:], strict=False)
            if "host" in word
        ]
        assert hosts == ["0.0.0.0", "0.0.0.0"]  # noqa: S104 - the pod's


def test_each_pod_finds_the_certificate_of_the_databases_authority() -> None:
    """Libpq has no authority of its own: `sslmode=verify-full` without one refuses each connection."""
    for name in ("lark-secrets", "lark-owner"):
        assert "sslmode=verify-full" in objects("Secret")[name]["stringData"]["LARK_DATABASE_URL"]
    for spec, container in containers():
        file = Path(settings(container)["PGSSLROOTCERT"])
        [volume] = [volume for volume in spec["volumes"] if volume["name"] == "ca"]
        assert volume["configMap"] == {"name": AUTHORITY, "optional": True}
        [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "ca"]
        assert mount == {"name": "ca", "mountPath": str(file.parent), "readOnly": True}


def test_gateway_listener_and_bridge_read_the_same_routes() -> None:
    """Chat commands are stored by a gateway or listener that has `lark.yaml`, and performed by the bridge."""
    reading = {}
    for spec, container in containers():
        path = settings(container).get(config.ROUTES_VARIABLE)
        if path is not None:
            [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "routes"]
            [volume] = [volume for volume in spec["volumes"] if volume["name"] == "routes"]
            reading[container["name"]] = (path, mount["mountPath"], volume["configMap"]["name"])
    assert reading.keys() == {"gateway", "listen", "bridge"}
    assert set(reading.values()) == {("/etc/lark/lark.yaml", "/etc/lark", "lark-routes")}


def test_policies_name_ports_and_components_that_are_there() -> None:
    labels = [
        deployment["spec"]["template"]["metadata"]["labels"] for deployment in objects("Deployment").values()
    ]
    ports = {exposed["name"] for _, container in containers() for exposed in container.get("ports", [])}
    for policy in objects("NetworkPolicy").values():
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        assert any(wanted <= label_set.items() for label_set in labels)
        opened = [allowed["port"] for rule in policy["spec"].get("ingress", []) for allowed in rule["ports"]]
        assert set(opened) <= ports
    [service] = objects("Service").values()
    assert service["spec"]["selector"] in labels
    assert {service_port["targetPort"] for service_port in service["spec"]["ports"]} <= ports


def test_settings_are_read_and_the_command_lines_understood() -> None:
    code = "\n".join(file.read_text() for file in CODE.rglob("*.py"))
    known = {
        *re.findall(r"\b(?:LARK|LOG)_[A-Z_]+\b", code),
        *config._DATABASE_VARIABLES,
        *config.BROKER_VARIABLES,
        "PGSSLROOTCERT",  # libpq's
    }
    for _, container in containers():
        assert settings(container).keys() <= known
        if "args" in container:
            assert callable(make_parser().parse_args(container["args"]).run)


def test_secrets_stand_in_no_manifest_and_each_goes_where_it_is_needed() -> None:
    assert "secrets.example.yaml" not in KUSTOMIZATION["resources"]
    for manifest in OBJECTS:
        if manifest["kind"] != "Secret":
            assert not re.search(r"PASSWORD|SECRET|_KEY|://\S+:\S+@", yaml.safe_dump(manifest)), manifest[
                "metadata"
            ]["name"]
    having = {container["name"] for _, container in containers() if SECRET_VARIABLE in settings(container)}
    assert having == {"bridge"}
    owner = objects("Secret")["lark-owner"]["stringData"]["LARK_DATABASE_URL"]
    assert {container["name"] for _, container in containers() if owner in settings(container).values()} == {
        "migrate"
    }


def read_container(container: dict[str, Any], **environ: str) -> Deployed:
    probe = port(container, container["readinessProbe"]["httpGet"]["port"])
    return Deployed(tuple(container.get("args", ())), settings(container) | environ, probe)


@pytest.fixture
def environ(database_url: str, rabbitmq: str, lark: Emulator) -> dict[str, str]:
    url = as_text(urls.parse(database_url, "test"))
    return {
        "LARK_DATABASE_URL": url,
        "LARK_REGISTRY_PATH": url,
        "RABBITMQ_URL": rabbitmq,
        "LARK_BASE_URL": lark.base_url,
        "LARK_CONFIG_ENCRYPTION_KEY": "ab" * 21 + "8=",
    }


@pytest.fixture
def migrated(environ: dict[str, str], lark: Emulator, tmp_path: Path) -> Path:
    """Run the migration job, add an app, and return the folder in which services must not write."""
    [container] = pod(objects("Job")["lark-migrate"])["containers"]
    folder = tmp_path / "root"
    folder.mkdir()
    run(container["args"], settings(container) | environ, folder)
    words = (
        "app",
        "add",
        "--app-id",
        lark.app_id,
        "--app-secret",
        "env:SECRET",
        "--name",
        "a",
        "--encrypt-key",
        "env:KEY",
    )
    run(words, environ | {"SECRET": lark.app_secret, "KEY": "of-the-console"}, folder)
    return folder


@pytest.mark.parametrize("name", ["lark-gateway", "lark-listen", "lark-pump"])
def test_what_the_pods_run_becomes_ready_writes_nowhere_and_drains(
    name: str, environ: dict[str, str], migrated: Path
) -> None:
    [container] = pod(objects("Deployment")[name])["containers"]
    with start(read_container(container, **environ), migrated) as answer:
        assert answer["sinks"].items() >= {"rabbitmq": True, "database": True}.items()


def test_the_consumer_becomes_ready_writes_nowhere_and_drains(
    environ: dict[str, str], migrated: Path
) -> None:
    [container] = pod(objects("Deployment")["lark-answering-machine"])["containers"]
    program, file = container["command"]
    assert program == "python"
    [mount] = [candidate for candidate in container["volumeMounts"] if candidate["name"] == "consumers"]
    here = FOLDER / "consumers" / Path(file).relative_to(mount["mountPath"])
    service = read_container(container, **environ)
    moved = service.elsewhere if service.words else service
    with start(moved, migrated, (sys.executable, str(here))) as answer:
        assert answer["sinks"] == {"rabbitmq": True, "database": True}


def test_old_rows_are_purged(environ: dict[str, str], migrated: Path) -> None:
    [container] = pod(objects("CronJob")["lark-purge"])["containers"]
    assert "Deleted: 0 from tokens" in run(container["args"], settings(container) | environ, migrated)
    assert list(migrated.iterdir()) == []
