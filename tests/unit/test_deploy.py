"""What is shipped to run it with: units, image and manifests hold what their tools demand."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

import kalender
from kalender.config import Config, load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
EXAMPLE = ROOT / "config.example.toml"
PROGRAM = "/opt/kalender/bin/kalender"
SECRETS = {
    "KALENDER_DATABASE__URL_FILE": "sqlite:////var/lib/kalender/kalender.db",
    "KALENDER_BROKER__URL_FILE": "amqps://u:p@mq.example.org/v",
    "KALENDER_FS__API_KEY_FILE": "key",
    "KALENDER_TP__API_KEY_FILE": "key",
    "KALENDER_EXCHANGE__MAIN__PASSWORD_FILE": "password",
}
EXPOSURE = 1.5  # of 10: what `systemd-analyze security` may find left open
KUBERNETES = ("1.30", "1.34")  # releases whose schemas are held against

# -- systemd ------------------------------------------------------------------------------------------

analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="there is no systemd-analyze: the units were not verified",
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there."""
    directory = tmp_path / "units"
    shutil.copytree(DEPLOY / "systemd", directory)
    program = Path(sys.executable).with_name("kalender")
    for unit in directory.glob("*.service"):
        unit.write_text(unit.read_text().replace(PROGRAM, str(program)))
    return directory


def verified(units: Path) -> str:
    """Return all that systemd has to say of the units."""
    names = sorted(str(path) for path in units.iterdir() if path.is_file())
    command = ["systemd-analyze", "verify", "--man=no", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@analyze
def test_systemd_has_nothing_to_say_of_the_units(units: Path) -> None:
    assert verified(units) == ""
    shared = units / "kalender-.service.d" / "kalender.conf"
    shared.write_text(shared.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert verified(units).count("ProtectHouse") == 4  # it does read what they share


@analyze
@pytest.mark.parametrize("name", ["-listener", "-worker", "-resync", "-poll", "_web"])
def test_a_service_is_exposed_to_little(units: Path, name: str) -> None:
    most = f"--threshold={EXPOSURE * 10:.0f}"
    command = ["systemd-analyze", "security", "--offline=true", most]
    unit = str(units / f"kalender{name}.service")
    done = subprocess.run([*command, unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:]


def test_the_units_hold_no_secret_and_name_each_credential_they_load() -> None:
    shared = (DEPLOY / "systemd" / "kalender-.service.d" / "kalender.conf").read_text()
    told = dict(re.findall(r"^Environment=(\w+)=%d/(\S+)$", shared, re.MULTILINE))
    loaded = dict(re.findall(r"^LoadCredential=([^:]+):(\S+)$", shared, re.MULTILINE))
    assert set(told.values()) == set(loaded)
    assert set(told) == {"KALENDER_CONFIG", *SECRETS}
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes"):
        assert f"\n{line}\n" in shared


def test_the_pages_are_given_no_secret_of_a_neighbour(manifests: dict[str, dict[str, Any]]) -> None:
    """No drop-in of the other units holds for theirs: those are for names with a hyphen."""
    unit = (DEPLOY / "systemd" / "kalender_web.service").read_text()
    loaded = dict(re.findall(r"^#?LoadCredential=([^:]+):(\S+)$", unit, re.MULTILINE))
    told = dict(re.findall(r"^#?Environment=(\w+)=%d/(\S+)$", unit, re.MULTILINE))
    assert set(told.values()) == set(loaded)
    assert set(loaded) == {
        *("config.toml", "web_database_url", "web_session_key", "web_client_secret"),
        "web_proxy_secret",
    }
    pod = pods(manifests)["Deployment kalender-web"]
    secrets = [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each]
    assert secrets == ["kalender-web"]
    (container,) = pod["containers"]
    web = settings(manifests)["web"]
    files = [container["env"][0]["value"], web["session_key_file"]]
    files.append(web["sign_in"]["client_secret_file"])
    (mount,) = [
        each["mountPath"] for each in container["volumeMounts"] if each["name"] == "secrets"
    ]
    assert all(file.startswith(f"{mount}/") for file in files)


def test_the_settings_of_the_pages_can_be_used(
    manifests: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """With the files that their pod mounts, and with no other."""
    text = manifests["ConfigMap kalender"]["data"]["config.toml"]
    text = text.replace("/run/secrets/kalender-web", str(tmp_path))
    (tmp_path / "config.toml").write_text(text)
    for name in ("session_key", "client_secret"):
        (tmp_path / name).write_text(name * 4)
    (tmp_path / "database_url").write_text("sqlite:///k.db")
    environment = {"KALENDER_DATABASE__URL_FILE": str(tmp_path / "database_url")}
    found = load(tmp_path / "config.toml", environment, secrets=False, web=True).web
    assert found.sign_in is not None
    assert found.sign_in.client_secret is not None
    port = pods(manifests)["Deployment kalender-web"]["containers"][0]["ports"][0]
    assert port["containerPort"] == found.port
    assert f"EXPOSE {found.port}\n" in (DEPLOY / "Containerfile").read_text()


def test_commands_by_hand_read_the_files_that_the_units_load() -> None:
    shared = (DEPLOY / "systemd" / "kalender-.service.d" / "kalender.conf").read_text()
    loaded = dict(re.findall(r"^LoadCredential=([^:]+):(\S+)$", shared, re.MULTILINE))
    units = dict(re.findall(r"^Environment=(\w+)=%d/(\S+)$", shared, re.MULTILINE))
    by_hand = (DEPLOY / "kalender.env").read_text()
    told = dict(re.findall(r"^(\w+)=(\S+)$", by_hand, re.MULTILINE))
    assert told == {variable: loaded[name] for variable, name in units.items()}


def test_the_command_that_the_documents_show_reads_that_file(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    found = re.search(r"^    sudo (sh -c '.+' - status)$", text, re.MULTILINE)
    assert found is not None
    for name, value in SECRETS.items():
        file = re.sub(r"^KALENDER_|_FILE$", "", name).replace("__", "_").lower()
        (tmp_path / file).write_text(value)
    (tmp_path / "database_url").write_text(f"sqlite:///{tmp_path}/k.db")
    bare = re.sub(r'^(url|api_key|password) = ".*"\n', "", EXAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / "config.toml").write_text(bare)
    program = Path(sys.executable).with_name("kalender")
    by_hand = (DEPLOY / "kalender.env").read_text().replace("/etc/kalender/secrets", str(tmp_path))
    (tmp_path / "kalender.env").write_text(by_hand.replace("/etc/kalender", str(tmp_path)))
    line = found[1].replace("/etc/kalender", str(tmp_path)).replace(PROGRAM, str(program))
    command = ["/bin/sh", "-c", line]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "run kalender db upgrade" in done.stderr  # the settings were read, and the database


def test_settings_without_secrets_are_whole_with_what_the_units_add(tmp_path: Path) -> None:
    text = (ROOT / "config.example.toml").read_text()
    bare = re.sub(r'^(url|api_key|password) = ".*"\n', "", text, flags=re.MULTILINE)
    (tmp_path / "config.toml").write_text(bare)
    found = load(tmp_path / "config.toml", given(tmp_path))
    assert found.database.url.get_secret_value() == SECRETS["KALENDER_DATABASE__URL_FILE"]
    assert found.exchange.backends["main"].credentials[1] == "password"


def given(directory: Path) -> dict[str, str]:
    """Return the environment of a unit whose credentials lie there."""
    for name, value in SECRETS.items():
        (directory / name).write_text(value)
    return {name: str(directory / name) for name in SECRETS}


# -- Kubernetes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    """The manifests by kind and name."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "kalender.yaml").read_text())
    return {f"{each['kind']} {each['metadata']['name']}": each for each in documents}


def pods(manifests: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the pods' specifications."""
    found = {}
    for name, each in manifests.items():
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            found[name] = spec["template"]["spec"]
    return found


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_manifests_are_what_kubernetes_takes(
    manifests: dict[str, dict[str, Any]], version: str
) -> None:
    for each in manifests.values():
        kubernetes_validate.validate(each, version, strict=True)
    wrong = {**manifests["Deployment kalender-worker"], "spec": {"replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_manifests_fit_each_other(manifests: dict[str, dict[str, Any]]) -> None:
    assert {*pods(manifests)} == {
        "Job kalender-upgrade",
        "Deployment kalender-listener",
        "Deployment kalender-worker",
        "CronJob kalender-resync",
        "Deployment kalender-web",
    }
    for name, pod in pods(manifests).items():
        (container,) = pod["containers"]
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert {each["name"] for each in container["volumeMounts"]} == set(volumes)
        assert volumes["settings"]["configMap"]["name"] == "kalender"
        assert container["image"] == f"kalender:{kalender.__version__}"
        assert pod["securityContext"]["runAsNonRoot"], name
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"]
        assert not confined["allowPrivilegeEscalation"]


def test_the_workers_memory_outlives_their_pods(manifests: dict[str, dict[str, Any]]) -> None:
    pod = pods(manifests)["Deployment kalender-worker"]
    (container,) = pod["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    volume = volumes[mounts[told["KALENDER_WORKER__STATE_DIR"]]]
    claim = manifests[f"PersistentVolumeClaim {volume['persistentVolumeClaim']['claimName']}"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]  # several pods write there


def test_what_runs_on_is_probed_and_replaced_one_by_one(
    manifests: dict[str, dict[str, Any]],
) -> None:
    port = settings(manifests)["metrics"]["port"]
    assert settings(manifests)["metrics"]["address"] == "0.0.0.0"  # noqa: S104  # the pod's own
    for name in ("listener", "worker"):
        spec = manifests[f"Deployment kalender-{name}"]["spec"]
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        (container,) = spec["template"]["spec"]["containers"]
        assert container["ports"] == [{"name": "metrics", "containerPort": port}]
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def settings(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the settings that the manifests bring."""
    return tomllib.loads(manifests["ConfigMap kalender"]["data"]["config.toml"])


def test_the_settings_of_the_manifests_can_be_used(
    manifests: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    found = configured(manifests, tmp_path)
    spec = manifests["Deployment kalender-worker"]["spec"]
    pods_at_most = spec["replicas"] + spec["strategy"]["rollingUpdate"]["maxSurge"]
    together = pods_at_most * found.worker.processes * found.worker.connections
    assert together <= found.exchange.backends["main"].max_connections
    patience = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    assert patience > found.worker.lease_seconds


def configured(manifests: dict[str, dict[str, Any]], directory: Path) -> Config:
    text = manifests["ConfigMap kalender"]["data"]["config.toml"]
    (directory / "config.toml").write_text(text)
    assert set(re.findall(r"/run/secrets/kalender/(\w+)", text)) == {
        name.removeprefix("KALENDER_").removesuffix("_FILE").replace("__", "_").lower()
        for name in SECRETS
    }
    return load(directory / "config.toml", given(directory))


# -- the image ----------------------------------------------------------------------------------------


def test_the_image_is_built_of_what_is_there(tmp_path: Path) -> None:
    """No image is built here: what its first stage copies makes the wheel, its pins can be read."""
    text = (DEPLOY / "Containerfile").read_text()
    source = tmp_path / "src"
    source.mkdir()
    for line in re.findall(r"^COPY (?!--)(.+)$", text, re.MULTILINE):
        *names, to = line.split()
        for name in names:
            copy(ROOT / name, source / to / name if to.endswith("/") else source / to)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    assert list(tmp_path.glob("kalender-*.whl"))
    script = re.search(r"sed .* > constraints.txt", text)
    assert script is not None
    subprocess.run(["sh", "-c", script[0]], cwd=source, check=True)  # noqa: S607
    pins = [
        Requirement(line)
        for line in (source / "constraints.txt").read_text().splitlines()
        if not line.lstrip().startswith("#")
    ]
    assert len(pins) > 40
    assert all(str(pin.specifier).startswith("==") for pin in pins)


def copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


def test_the_image_serves_metrics_where_the_manifests_look(
    manifests: dict[str, dict[str, Any]],
) -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert f"EXPOSE {settings(manifests)['metrics']['port']}\n" in text
    assert "USER 65532:65532" in text
    assert f"kalender:{kalender.__version__} " in text
