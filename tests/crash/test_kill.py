from __future__ import annotations

import os
import random
from pathlib import Path

from tests.crash.figures import lines
from tests.crash.points import POINTS
from tests.crash.trial import RANDOM, VERB, plan, trial
from tests.figures import Figures

KILLS = int(os.environ.get("FOREFETCH_CRASH_KILLS", "200"))
SEED = int(os.environ.get("FOREFETCH_CRASH_SEED") or random.SystemRandom().randrange(2**32))
_REPEAT = f"repeat with FOREFETCH_CRASH_SEED={SEED} FOREFETCH_CRASH_KILLS={KILLS}"
_SHOWN = 20


async def test_no_kill_makes_an_acknowledgment_untrue(tmp_path: Path, figures: Figures) -> None:
    print(_REPEAT)  # shown with any failure
    wanted = plan(KILLS, random.Random(SEED))
    report = await trial(tmp_path, KILLS, SEED)
    figures("crash proof", lines(report))
    missed = [name for name in POINTS if report.kills[name] < wanted.count(name)]
    assert not report.faults, _told(report.faults)
    assert not missed, _told([f"never or too rarely reached: {name}" for name in missed])
    assert report.kills.total() >= KILLS
    assert report.kills[RANDOM]
    assert report.kills[VERB]
    assert report.acknowledged == report.messages
    assert report.after_finish == 0
    assert report.interrupted  # else nothing was under way at any kill
    assert report.failed
    assert set(report.verbs) == {"approve", "cancel", "expedite", "retry"}


def _told(faults: list[str]) -> str:
    return f"{len(faults)} faults; {_REPEAT}\n" + "\n".join(faults[:_SHOWN])
