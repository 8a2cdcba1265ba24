"""`edge`: the commands, and how an error reaches the person at the terminal."""

import os
import sys

# Each matrix product of the head is small: a second BLAS thread costs more than it brings, and takes the core
# that prepares the next frame. Must be set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

from edge import __version__
from edge.cli import (
    adopting,
    bench,
    broker,
    bundles,
    calibration,
    clustering,
    demo,
    doctor,
    evaluate,
    gauge,
    instruments,
    lines,
    models,
    restoring,
    station,
    synthesis,
    teaching,
    tune,
)
from edge.errors import EdgeError

app = typer.Typer(
    help="Visual inspection for production lines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    station.run,
    station.check,
    station.config,
    station.replay,
    teaching.teach,
    adopting.import_,
    bundles.score,
    evaluate.evaluate,
    restoring.restore,
    models.models,
    instruments.measure,
    calibration.calibrate,
    gauge.gauge,
    instruments.read,
    clustering.cluster,
    synthesis.synthesize,
    bench.bench,
    tune.tune,
    doctor.doctor,
    lines.lines,
    broker.broker,
    demo.demo,
):
    app.command(name={"evaluate": "eval", "import_": "import"}.get(command.__name__))(command)


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:  # noqa: FBT001, FBT003 - typer's way
    """Visual inspection for production lines."""
    if version:
        typer.echo(f"edge-inspect {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; one clear sentence, and the exit code of `edge.errors`, for what a user can cause."""
    try:
        app()
    except EdgeError as err:
        for line in str(err).splitlines():
            print(f"edge: {line}", file=sys.stderr)  # noqa: T201 - this is what the user reads
        sys.exit(err.exit_code)
    except BrokenPipeError:
        sys.exit(141)
