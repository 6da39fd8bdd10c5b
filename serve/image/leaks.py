"""Files that must not leave this machine: by name, and by what looks like a token or a private key in them."""

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

NAMES = (".env", ".env.*", ".netrc", ".git-credentials", "pip.conf", "id_rsa", "id_ed25519", "*.pem", "*.key")
TOKENS = re.compile(
    rb"\bhf_[A-Za-z0-9]{30,}"  # Hugging Face
    rb"|\bgh[opsu]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{40,}"  # GitHub
    rb"|\bsk-[A-Za-z0-9_-]{40,}"  # OpenAI and others
    rb"|\bAKIA[0-9A-Z]{16}\b"  # Amazon
    rb"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
)
WEIGHTS = (".safetensors",)  # random bytes, and large
SEARCHED = 64 * 2**20


def leaks(files: Iterable[tuple[str, Path]]) -> list[str]:
    """What speaks against giving these files away, `name: reason`, in their order. No secret is repeated."""
    return [f"{name}: {reason}" for name, path in files if (reason := leak(name, path)) is not None]


def leak(name: str, path: Path) -> str | None:
    """What is wrong with the file, if anything."""
    if any(fnmatch(Path(name).name, pattern) for pattern in NAMES):
        return "a file of this name holds settings or keys of one machine"
    if path.suffix in WEIGHTS:
        return None
    with path.open("rb") as file:
        match = TOKENS.search(file.read(SEARCHED))
    return f"has what looks like a secret at byte {match.start()}" if match is not None else None
