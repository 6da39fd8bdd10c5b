import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from serve.image.context import CODE, ROOT, SINGLE_FILES

DOCKERFILES = ("Dockerfile", "Dockerfile.train")


def instructions(name: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile in their order, each on one line."""
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    parted = (line.partition(" ") for line in whole.splitlines() if line)
    return [(word, rest.strip()) for word, _, rest in parted]


def copied(name: str) -> list[str]:
    """What is copied from the build context, with the defaults of the arguments."""
    values = dict(value.split("=", 1) for word, value in instructions(name) if word == "ARG")
    words = [word for instruction, rest in instructions(name) if instruction == "COPY" for word in rest.split()[:-1]]
    sources = [word for word in words if not word.startswith("--")]
    return [re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], source).rstrip("/") for source in sources]


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a top-level file or folder out: everything is, but what it takes back."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    return not {f"!{name}", f"!{name}/"} & set(lines)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name: str) -> None:
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-color", str(ROOT / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_there_and_in_the_context(name: str) -> None:
    sources = copied(name)
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if ignored(source.split("/")[0])] == []


def test_the_submission_takes_all_that_its_dockerfile_copies() -> None:
    taken = {*CODE, *SINGLE_FILES, "recipes"}
    assert {source.split("/")[0] for source in copied("Dockerfile")} <= taken
    assert not ignored("model")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_last_word_is_a_user_by_number_without_rights(name: str) -> None:
    words = [word for word, _ in instructions(name)]
    (user,) = [value for word, value in instructions(name) if word == "USER"]
    assert int(user) >= 1000
    assert "RUN" not in words[words.index("USER") :]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_no_secret_is_an_argument_or_a_variable(name: str) -> None:
    named = [rest for word, rest in instructions(name) if word in ("ARG", "ENV")]
    assert [rest for rest in named if re.search("token|secret|password", rest, re.IGNORECASE)] == []


def test_the_server_is_on_port_80_and_started_without_a_shell() -> None:
    told = dict(instructions("Dockerfile"))
    assert told["EXPOSE"] == "80"
    assert "ONEDAY_PORT=80" in told["ENV"]
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert "serve.image.health" in told["HEALTHCHECK"]
    for name in DOCKERFILES:
        assert dict(instructions(name))["ENTRYPOINT"].startswith('["python3", ')


def test_no_image_is_taken_without_a_version() -> None:
    for name in DOCKERFILES:
        (base,) = [rest for word, rest in instructions(name) if word == "ARG" and rest.startswith("BASE_IMAGE=")]
        assert re.search(r":\d+\.\d+\.\d+-", base), base


def wanted_packages() -> set[str]:
    """The packages of the image's requirements, and those that they need."""
    lines = (ROOT / "serve/image/requirements.txt").read_text(encoding="utf-8").splitlines()
    open_names, seen = [Requirement(line) for line in lines if not line.startswith("#")], set[str]()
    while open_names:
        wanted = open_names.pop()
        name = canonicalize_name(wanted.name)
        if name in seen and not wanted.extras:
            continue
        seen.add(name)
        for text in requires(name) or []:
            needed = Requirement(text)
            extras = wanted.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                open_names.append(needed)
    return seen


def test_every_package_of_the_image_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    assert wanted_packages() - pinned == set()
