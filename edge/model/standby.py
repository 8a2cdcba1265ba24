"""A bundle on a delegate, with the CPU standing by: whatever happens to the delegate, the next part is judged."""

import logging
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from edge.errors import BundleError, DelegateError, DeviceError, InferenceError
from edge.model import golden
from edge.model.bundle import Bundle
from edge.model.content import Precision
from edge.model.delegates import DelegateConfig
from edge.model.head import Result
from edge.model.runner import Model, open_model
from edge.prediction import Prediction
from edge.preprocess.tensor import Prepared
from edge.types import Decision, ModelIdentity

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""A delegate that works has to answer a golden picture so often: some 15 ms of each minute."""
WORTH = 10
"""A delegate that works so many times longer than it was away is worth it; else it stays away twice as long …"""
LONGEST_PAUSE_S = 3600.0
"""… and at most so long."""


class Standby:
    """A `Model` that goes on with the CPU when its delegate is lost, and goes back once that has proven itself.

    A part that a delegate has failed is an error; the CPU judges from the next part on. Between parts it has to
    answer a golden picture now and then: the CPU judges once it cannot. For the inspect thread,
    but for `probe`, which is for one other. The delegate is in one thread's hands at a time: the inspect thread
    has it while it works, and whoever probes while it is lost.
    """

    def __init__(
        self,
        bundle: Bundle,
        cpu: Model,
        delegate: DelegateConfig,
        threads: int,
        precision: Precision = "int8",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Tries the delegate at once. `cpu` is the same bundle on the CPU, proven."""
        self.spec, self.limits, self.quality = cpu.spec, cpu.limits, cpu.quality
        self._bundle, self._delegate, self._threads, self._precision = bundle, delegate, threads, precision
        self._cpu = self._judge = cpu
        self._proven: Model | None = None
        """What `probe` has found good, until the inspect thread takes it."""
        self._lost: Model | None = None
        """A model whose delegate has failed, until `probe` has ended its process."""
        self._reason: str | None = None
        self._clock = clock
        self._since_s = self._next_probe_s = clock()
        self._pause_s = 0.0
        self._looks = 0
        self._looked()
        self.probe()
        self._take_back()

    @property
    def identity(self) -> ModelIdentity:
        """Which model it is, on what it runs now, and why not on the delegate. Any thread."""
        if self._judge is not self._cpu:
            return self._judge.identity
        return replace(self._cpu.identity, fallback=self._reason)

    def run(self, prepared: Prepared) -> Result:
        """The model's outputs and scores. Raises `InferenceError`; a `DelegateError` was the delegate's last."""
        self._take_back()
        if self._judge is not self._cpu and self._clock() >= self._next_look_s:
            self._look_again()
        try:
            return self._judge.run(prepared)
        except DelegateError as err:
            self.fall_back(str(err))
            raise

    def decode(self, result: Result, prepared: Prepared) -> Prediction:
        """What the scores of the last `run` mean."""
        return self._judge.decode(result, prepared)

    def explain(self, decision: Decision, result: Result, prepared: Prepared) -> Decision:
        """The decision on the last `run`, whose regions now name the taught place that is most like them."""
        return self._judge.explain(decision, result, prepared)

    def fall_back(self, reason: str) -> bool:
        """Go on with the CPU; False where it is at work already."""
        if self._judge is self._cpu:
            return False
        log.error("model %s: the CPU goes on: %s", self._cpu.identity.name, reason)
        self._reason, self._lost = reason, self._judge
        self._pause(self._clock() - self._since_s)
        self._judge = self._cpu  # last: from here on, `probe` has the delegate
        return True

    def _look_again(self) -> None:
        """One golden picture, now and then, before a part: a device that ages or gets hot may begin to err."""
        named, ago_s = f"delegate '{self._delegate.name}'", self._clock() - self._looked_s
        try:
            wrong = golden.difference(self._bundle, self._judge, self._looks)
        except InferenceError as err:
            self.fall_back(str(err))
            return
        if wrong is not None:
            self.fall_back(f"{named} answers otherwise than {ago_s:.0f} s ago: {wrong}")
        self._looked()

    def _looked(self) -> None:
        self._looks += 1
        self._looked_s = self._clock()
        self._next_look_s = self._looked_s + LOOK_S

    def probe(self) -> None:
        """Try a delegate that is lost, when it is time to, and let it work again if it answers as was taught."""
        if self._judge is not self._cpu or self._proven is not None or self._clock() < self._next_probe_s:
            return
        try:
            self._bury()
            self._proven = self._prove()
        except (BundleError, DeviceError, InferenceError) as err:
            self._stay_away(str(err))

    def _stay_away(self, complaint: str) -> None:
        named = f"delegate '{self._delegate.name}'"
        reason = complaint if named in complaint else f"{named}: {complaint}"
        if reason != self._reason:
            log.warning("model %s: the CPU does the work: %s", self._cpu.identity.name, reason)
        self._reason = reason
        self._next_probe_s = self._clock() + max(self._pause_s, self._delegate.retry_s)

    def _pause(self, worked_s: float) -> None:
        """When to try next: each time that it is lost costs a part, so one that does not last waits longer."""
        soon = worked_s < WORTH * self._pause_s
        longer_s = min(2 * self._pause_s, max(LONGEST_PAUSE_S, self._delegate.retry_s))
        self._pause_s = longer_s if soon else self._delegate.retry_s
        self._next_probe_s = self._clock() + self._pause_s

    def _take_back(self) -> None:
        """On the inspect thread, between two parts."""
        proven = self._proven
        if proven is None:
            return
        if self._reason is not None:
            log.warning("model %s: delegate '%s' is back", proven.identity.name, self._delegate.name)
        self._reason = None
        self._since_s = self._clock()
        self._looked()
        self._judge = proven
        self._proven = None  # last: until here, `probe` sees that there is nothing to do

    def _bury(self) -> None:
        """End what is left of a delegate that has failed: some devices can be opened once only."""
        if self._lost is not None and not self._lost.engine.close():
            raise DeviceError(
                f"delegate '{self._delegate.name}': its process cannot be ended, since the driver hangs;"
                " restart the machine"
            )
        self._lost = None

    def _prove(self) -> Model:
        """The bundle on the delegate, once its golden pictures have the scores that they were taught with."""
        name = self._delegate.name
        if not self._bundle.manifest.golden:
            raise DeviceError(
                f"delegate '{name}': {self._bundle.folder} has no golden pictures to prove it with; teach it again"
            )
        model = open_model(self._bundle, self._delegate, self._threads, self._precision)
        wrong = golden.differences(self._bundle, golden.replay(self._bundle, model))
        if wrong:
            model.engine.close()
            raise DeviceError(f"delegate '{name}' does not answer as was taught: {wrong[0]}")
        return model
