"""An example of `side_by_side.py --peer`: the bare loop with `torch.optim.Adam` as it comes.

For another library: build its model in `prepare` from `workload.shapes`, `.latent` and `.data()`, train it
for `workload.steps` steps of `workload.batch` rows in `epoch`, and say in the report what differs.
"""

from importlib.metadata import version

from loops import BareLoop
from workloads import Workload


class Peer:
    """See `peers.Contender`."""

    name = "bare loop, default Adam"

    def prepare(self, workload: Workload) -> BareLoop:
        return BareLoop(workload)

    def epoch(self, state: BareLoop) -> None:
        state.epoch()

    def version(self) -> str:
        return f"torch {version('torch')}"
