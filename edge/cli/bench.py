"""`edge bench`: how fast this machine inspects. Prints ratios measured in one run, because machines differ."""

import json
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

GROWTH_PARTS = 20_000
WARM_PARTS = 1_000
PACED_HZ = 20.0
PACED_PARTS = 600
REPORTS = 20_000
STARTS = 5


def bench(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A model bundle; none: taught on rendered parts."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    parts: Annotated[
        int,
        typer.Option(min=1000, help="Parts of the pipeline run after the first 1,000, in chunks of 1,000."),
    ] = GROWTH_PARTS,
) -> None:
    """Measure the model, the pipeline, the start, and delivery on this machine; takes some minutes."""
    from edge.cli import bench_runs
    from edge.cli.progress import bar

    with tempfile.TemporaryDirectory(prefix="edge-bench-") as scratch, bar() as progress:
        folder = Path(scratch)
        if bundle is None:
            bundle = bench_runs.taught_bundle(folder, progress)
        bench_runs.draw_pictures(folder, bundle)
        figures: dict[str, Any] = {"machine": machine()}
        steps: tuple[Callable[[], dict[str, Any]], ...] = (
            lambda: bench_runs.pipeline(folder, bundle, WARM_PARTS, parts // WARM_PARTS * WARM_PARTS),
            lambda: bench_runs.paced(folder, bundle, PACED_HZ, PACED_PARTS),
            lambda: bench_runs.start(folder, bundle, STARTS),
            lambda: bench_runs.delivery(folder, REPORTS),
        )
        for number, step in enumerate(steps):
            progress("measuring", number, len(steps))
            figures |= step()
        progress("measuring", len(steps), len(steps))
    typer.echo(json.dumps(figures) if as_json else "\n".join(lines(figures)))


def machine() -> str:
    """What was measured on: processor, cores, Python."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    name = models[0].split(":", 1)[1].strip() if models else platform.machine()
    cores = len(models) or 1
    return f"{name}, {cores} cores, Python {platform.python_version()}"


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures for a person: one a line, tables indented."""
    said = []
    for key, figure in figures.items():
        if isinstance(figure, dict):
            inner = ", ".join(
                f"{name} {value['p50']}/{value['p99']}" if isinstance(value, dict) else f"{name} {value}"
                for name, value in figure.items()
            )
            said.append(f"{key:>20}  {inner}")
        else:
            said.append(f"{key:>20}  {figure}")
    return said
