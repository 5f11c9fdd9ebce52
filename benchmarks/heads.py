"""A hundred heads on frozen features: ours at once against a loop over trials.

`theirs` is what is commonly written: a DataLoader over a TensorDataset of the cached features,
`nn.Linear`, Adam, autograd, and the soft rates as a loop over pairs of group and label, as the
paper writes them. `lean` is the same without what is easily saved: rows taken by index, soft rates
as one product of matrices. Both train one trial after another; few are run and the time is scaled
to all. The heads of the trials that were run are compared with ours. Drawing samples is a part of
every way.

Run: `OMP_NUM_THREADS=2 python benchmarks/heads.py [--trials 100] [--looped 3]`.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from cxrfair.heads import Fitted, Known, Material, Trials, fair_class_balanced
from cxrfair.heads._batched import positive_weights
from cxrfair.heads._rates import label_weights
from cxrfair.heads._sample import Start, balanced, start
from cxrfair.progress import say

SETTINGS = {
    **{"learning_rate": 5e-5, "weight_decay": 1e-3, "batch_size": 32, "epochs": 1},
    **{"weighted_bce": True, "alpha": 1.0, "denominator": "group"},
}
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Batches = Callable[[Start], object]


def main() -> None:
    """Time each way and print a table."""
    size = sizes()
    material = make(size)
    config = fair_class_balanced.Config(**SETTINGS, per_group=size.images // size.groups)
    at = torch.device("cpu")
    begun = time.perf_counter()
    found = fair_class_balanced.fit(material, config, Trials(0, size.trials, at))
    ours = time.perf_counter() - begun

    peers = Peers(material, config)
    ways = {
        "theirs: DataLoader, loops over pairs": (peers.loader, peers.loops),
        "lean: rows by index, one product": (peers.rows, peers.product),
    }
    shape = f"{size.images:,} images a trial, {size.features} features, {size.labels} labels"
    title = f"{size.trials} trials of {shape}, {size.groups} groups, batches of 32; by the clock, "
    table = Table(
        *("way", "seconds", "times ours", "trials run", "largest difference of a weight"),
        title=f"{title}{torch.get_num_threads()} threads",
        box=box.MARKDOWN,
    )
    table.add_row("ours: all at once", f"{ours:.1f}", "1", str(size.trials), "")
    for name, (batches, loss) in ways.items():
        taken, apart = peers.time(batches, loss, size.looped, found)
        whole = taken / size.looped * size.trials
        row = (f"{whole:,.0f} (scaled)", f"{whole / ours:.1f}", str(size.looped), f"{apart:.1e}")
        table.add_row(name, *row)
        say(f"{name}: {taken:.1f} s")
    Console(width=140).print(table)


def sizes() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--looped", type=int, default=3, help="trials that the loops really run")
    parser.add_argument("--images", type=int, default=20_000, help="of a trial")
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--labels", type=int, default=14)
    parser.add_argument("--groups", type=int, default=8)
    return parser.parse_args()


def make(size: argparse.Namespace) -> Material:
    """Make twice as many training images as a trial draws, a fifth positive for each label."""
    rng, n = np.random.default_rng(0), 2 * size.images
    target = (rng.random((n, size.labels)) < 0.2).astype(np.float32)
    features = rng.random((n, size.features), np.float32)
    known = Known(features, target, np.arange(n) % size.groups)
    labels = tuple(f"label {k}" for k in range(size.labels))
    return Material(labels, tuple(f"group {g}" for g in range(size.groups)), known, known)


class Peers:
    """Trials one after another."""

    def __init__(self, material: Material, config: fair_class_balanced.Config) -> None:
        known = material.train
        parts = (known.features, known.target, known.group)
        self.parts = [torch.from_numpy(part) for part in parts]
        self.stored = TensorDataset(*self.parts)
        self.config, self.groups = config, len(material.groups)
        self.sampler = balanced(known.group, material.groups, config.per_group)
        self.weight = torch.from_numpy(label_weights(known.target)).float()
        weigh = torch.from_numpy(positive_weights(known.target, material.labels)).float()
        self.entropy = nn.BCEWithLogitsLoss(pos_weight=weigh)

    def time(self, batches: Batches, loss: Loss, looped: int, found: Fitted) -> tuple[float, float]:
        """Return the seconds of some trials, and how far their weights are from ours."""
        apart, begun = 0.0, time.perf_counter()
        for trial in range(looped):
            weight = self.train(batches, loss, trial)
            apart = max(apart, float(np.abs(weight - found.weight[trial]).max()))
        return time.perf_counter() - begun, apart

    def train(self, batches: Batches, loss: Loss, trial: int) -> np.ndarray:
        """Train the head of one trial."""
        d, k = self.parts[0].shape[1], self.parts[1].shape[1]
        begun = start(self.sampler, (k, d), self.config.epochs, (0, trial))
        head = nn.Linear(d, k)
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(begun.weight))
            head.bias.copy_(torch.from_numpy(begun.bias))
        rate, decay = self.config.learning_rate, self.config.weight_decay
        adam = torch.optim.Adam(head.parameters(), rate, weight_decay=decay)
        for x, y, group in batches(begun):
            logit = head(x)
            total = self.entropy(logit, y) + self.config.alpha * loss(logit.sigmoid(), y, group)
            adam.zero_grad()
            total.backward()
            adam.step()
        return head.weight.detach().numpy()

    def loader(self, begun: Start) -> DataLoader:
        """Return batches by DataLoader; the sample is shuffled already."""
        chosen = Subset(self.stored, begun.rows[0].tolist())
        return DataLoader(chosen, batch_size=self.config.batch_size)

    def rows(self, begun: Start) -> object:
        """Return batches taken by index."""
        for part in torch.from_numpy(begun.rows[0]).split(self.config.batch_size):
            yield tuple(each[part] for each in self.parts)

    def loops(self, score: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """Return fpr + fnr by loops over groups and labels."""
        fpr = fnr = torch.zeros(())
        for g in range(self.groups):
            own = (group == g).float()
            count = own.sum()
            if count == 0:
                continue
            for k, weight in enumerate(self.weight):
                wrong = (score[:, k] * (1 - target[:, k]) * own).sum() / count
                missed = ((1 - score[:, k]) * target[:, k] * own).sum() / count
                fpr, fnr = fpr + weight * wrong, fnr + weight * missed
        return (fpr + fnr) / self.weight.sum() / self.groups

    def product(self, score: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """Return fpr + fnr by a product of matrices."""
        own = nn.functional.one_hot(group, self.groups).float()
        share = own / own.sum(0).clamp(min=1)
        wrong = share.T @ (score * (1 - target) + (1 - score) * target)
        return (wrong @ self.weight).sum() / self.weight.sum() / self.groups


if __name__ == "__main__":
    main()
