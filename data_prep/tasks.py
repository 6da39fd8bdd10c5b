"""Read the task files that collect wrote."""

from pathlib import Path

from pydantic import ValidationError

from oneday.records import Task


def read_tasks(folder: Path) -> dict[str, Task]:
    """Task name -> task, in the order of names. ValueError names the file that is no task and the reason."""
    tasks = {}
    for path in sorted(folder.glob("*.json")):
        try:
            tasks[path.stem] = Task.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{path}: not a task file: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return tasks
