"""DCMTK's programs: ``storescp`` as destination, ``dcmqrscp`` as archive, and its command line SCUs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.simulator import GeneratedStudy, datasets
from tests.peers.nodes import ArchiveNode, Ports, StorageNode
from tests.peers.processes import binary, free_port, run, serving

_CT_ONLY = r"""
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[CT]
PresentationContext1 = VerificationSOPClass\Uncompressed
PresentationContext2 = CTImageStorage\Uncompressed
[[Profiles]]
[CTOnly]
PresentationContexts = CT
"""


@contextmanager
def storescp(
    ae_title: str,
    folder: Path,
    *,
    ct_only: bool = False,
    port: int = 0,
    options: Sequence[str | Path] = (),
    asking: Sequence[str | Path] = (),
) -> Iterator[StorageNode]:
    """A destination; ``ct_only``: one that accepts no other presentation context for storage. ``port`` 0 is
    any; ``options`` are its own, ``asking`` those by which ``echoscu`` asks whether it is there. What an
    earlier one has received in this folder is still there."""
    port = port or free_port()
    received = folder / "received"
    received.mkdir(exist_ok=True)
    options = ["-v", "-aet", ae_title, "-od", received, *options]
    if ct_only:
        profile = folder / "ct-only.cfg"
        profile.write_text(_CT_ONLY, encoding="ascii")
        options += ["-xf", profile, "CTOnly"]
    command = [binary("storescp"), *options, str(port)]
    with serving(
        f"storescp-{ae_title}", command, folder, lambda _: answers(ae_title, port, *asking)
    ) as process:
        yield StorageNode(ae_title, port, received, process)


@contextmanager
def dcmqrscp(ae_title: str, destinations: Ports, folder: Path) -> Iterator[ArchiveNode]:
    """An archive that knows these destinations."""
    port = free_port()
    database = folder / "database"
    database.mkdir()
    # Its configuration takes no address in numbers.
    hosts = [f"{title} = ({title}, localhost, {at})" for title, at in destinations.items()]
    lines = [
        *(f"NetworkTCPPort = {port}", "MaxPDUSize = 16384", "MaxAssociations = 16"),
        *("HostTable BEGIN", *hosts, "HostTable END"),
        *("VendorTable BEGIN", "VendorTable END"),
        *("AETable BEGIN", f"{ae_title} {database} RW (200, 1024mb) ANY", "AETable END"),
    ]
    config = folder / "dcmqrscp.cfg"
    config.write_text("\n".join(lines) + "\n", encoding="ascii")
    command: list[str | Path] = [binary("dcmqrscp"), "-v", "-c", config]
    with serving("dcmqrscp", command, folder, lambda _: answers(ae_title, port)) as process:
        yield ArchiveNode(ae_title, port, process, ": Association Received", ": C-MOVE RQ")


def scu(
    program: str, ae_title: str, port: int, *options: str | Path, files: Sequence[Path] = ()
) -> subprocess.CompletedProcess[bytes]:
    """One of DCMTK's SCUs, as FOREFETCH, against a node on this machine."""
    titles = ["-v", "-aet", "FOREFETCH", "-aec", ae_title]
    return run([binary(program), *titles, *options, "127.0.0.1", str(port), *files])


def answers(ae_title: str, port: int, *options: str | Path) -> bool:
    """Whether a C-ECHO succeeds."""
    return scu("echoscu", ae_title, port, *options).returncode == 0


def store(studies: Iterable[GeneratedStudy], ae_title: str, port: int, folder: Path, *options: str) -> None:
    """Store the studies from files that are written into ``folder``."""
    folder.mkdir()
    for study in studies:
        for dataset in datasets(study):
            dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
    result = scu("storescu", ae_title, port, *options, "+sd", files=[folder])
    assert result.returncode == 0, result.stdout.decode()
