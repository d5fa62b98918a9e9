"""``python -m tests.fuzz``: each target for FUZZ_SECONDS (30); exit status 1 where one finds something.

The corpus grows from run to run in build/fuzz/; what a target finds is left there, and how to play it again
is printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine.hl7.mllp import frame
from tests.fuzz.targets import ROOT, samples

TARGETS = ("decoder", "message", "intake")
FOLDER = ROOT / "build" / "fuzz"


def main() -> int:
    """Run every target, also after one has found something."""
    seconds = int(os.environ.get("FUZZ_SECONDS", "30"))
    failed = [target for target in TARGETS if not _run(target, seconds)]
    print(f"found something: {', '.join(failed)}" if failed else f"{len(TARGETS)} targets found nothing")
    return int(bool(failed))


def _run(target: str, seconds: int) -> bool:
    corpus, found = FOLDER / "corpus" / target, FOLDER / f"found-{target}-"
    corpus.mkdir(parents=True, exist_ok=True)
    _sow(target, corpus)
    module = [sys.executable, "-m", f"tests.fuzz.fuzz_{target}"]
    options = [f"-max_total_time={seconds}", "-timeout=10", "-max_len=4096", "-rss_limit_mb=1024"]
    options += [
        f"-dict={Path(__file__).parent / 'hl7.dict'}",
        f"-artifact_prefix={found}",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    print(f"{target}: {seconds} s and the time to load", flush=True)
    log = FOLDER / f"{target}.log"
    with log.open("wb") as file:
        run = subprocess.run(
            [*module, *options, str(corpus)], cwd=ROOT, check=False, stdout=file, stderr=subprocess.STDOUT
        )
    if run.returncode:
        print(log.read_text(encoding="utf-8", errors="replace")[-4000:])
        print(f"{target} found something; to play it again: {' '.join(module)} {found}…")
    return run.returncode == 0


def _sow(target: str, corpus: Path) -> None:
    messages = samples()
    seeds = messages if target != "decoder" else [b"\x03\x07" + frame(message) for message in messages]
    if target == "decoder":
        seeds += [b"\x02\x01" + b"".join(frame(message[:30]) for message in messages[:5])]
    for number, seed in enumerate(seeds):
        (corpus / f"sample-{number:02}").write_bytes(seed)


if __name__ == "__main__":
    sys.exit(main())
