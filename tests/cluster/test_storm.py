from __future__ import annotations

import os
import random
from pathlib import Path

from tests.cluster.figures import lines
from tests.cluster.pair import Pair
from tests.cluster.storm import storm
from tests.figures import Figures

EVENTS = int(os.environ.get("FOREFETCH_CLUSTER_EVENTS", "8"))
SEED = int(os.environ.get("FOREFETCH_CLUSTER_SEED") or random.SystemRandom().randrange(2**32))
_REPEAT = f"repeat with FOREFETCH_CLUSTER_SEED={SEED} FOREFETCH_CLUSTER_EVENTS={EVENTS}"
_LATEST = 60.0  # seconds; 30 are promised, on a machine that has nothing else to do
_SHOWN = 20


async def test_nothing_is_lost_or_done_twice_whatever_falls(tmp_path: Path, figures: Figures) -> None:
    print(_REPEAT)  # shown with any failure
    with Pair() as pair:
        report = await storm(tmp_path, pair, EVENTS, SEED)
    figures("storm", lines(report))
    assert not report.faults, f"{len(report.faults)} faults; {_REPEAT}\n" + "\n".join(report.faults[:_SHOWN])
    assert all(seconds < _LATEST for seconds in report.undisturbed)
