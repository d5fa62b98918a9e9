"""The verb that tells the whole story of one task."""

from __future__ import annotations

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, load, show
from engine.cli.selecting import Number


def task(number: Number, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Tell the whole story of one task: who asked, what was chosen, every attempt, what people did."""
    from engine.store import story_of
    from engine.telling.story import story_lines
    from engine.waiting import holds

    settings = load(config, try_files=False)
    path = settings.engine.store
    story = story_of(path, number)
    if story is None:
        raise typer.BadParameter(f"there is no task {number}", param_hint="NUMBER")
    for line in story_lines(story, holds(path, settings, [story.task]).get(number)):
        show(line)
