"""Patchwise contrastive learning (Park et al. 2020, Eq. 2 to 4)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchHeads(nn.Module):
    """One two-layer MLP per tapped layer: features of sampled positions -> unit vectors.

    Parameters
    ----------
    channels : channels of each tapped layer.
    features : length of the vectors.
    """

    def __init__(self, channels: tuple[int, ...], features: int = 256):
        super().__init__()
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(c, features), nn.ReLU(), nn.Linear(features, features))
            for c in channels
        )

    def forward(self, samples: list[Tensor]) -> list[Tensor]:
        """Features (B, P, C), one tensor per layer -> (B, P, features) each."""
        vectors = []
        for mlp, sampled in zip(self.mlps, samples, strict=True):
            projected = mlp(sampled).float()
            # Where a vector is 0, as of air, the root alone would have no gradient.
            squared = projected.square().sum(dim=2, keepdim=True).clamp_min(1e-30)
            length = squared.sqrt()
            vectors.append(projected / (length + 1e-7))
        return vectors


def draw_positions(maps: list[Tensor], count: int) -> list[Tensor]:
    """Draw up to `count` positions per layer, without replacement, the same for all images."""
    return [torch.randperm(m.shape[2] * m.shape[3], device=m.device)[:count] for m in maps]


def sample(maps: list[Tensor], positions: list[list[Tensor]]) -> list[Tensor]:
    """Take the features at the drawn positions.

    Parameters
    ----------
    maps : (B, C, H, W), one per layer.
    positions : one draw of `draw_positions` per part of the batch; the parts are equally large.

    Returns
    -------
    (B, P, C) per layer.
    """
    samples = []
    for features, *drawn in zip(maps, *positions, strict=True):
        count, channels = features.shape[:2]
        where = torch.stack(drawn).repeat_interleave(count // len(drawn), dim=0)
        where = where[:, None].expand(-1, channels, -1)
        samples.append(features.flatten(2).gather(2, where).transpose(1, 2))
    return samples


def info_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of telling a query's own position from the others of the same image.

    The official code writes -10 on the diagonal of the similarities and appends the positives as
    one more class. With unit vectors the -10 adds exp(-10 / temperature) to a sum that is at least
    exp(-1 / temperature): at 0.07 a share of 1e-56. Without it, the positives are the diagonal.

    Parameters
    ----------
    queries, keys : (B, P, features), unit vectors; no gradient flows into the keys.

    Returns
    -------
    (B,), each image's mean over its positions.
    """
    # Divided by the temperature, what half precision rounds off would change a logit visibly.
    with torch.autocast(queries.device.type, enabled=False):
        logits = (queries / temperature) @ keys.detach().transpose(1, 2)
        own = torch.arange(logits.shape[1], device=logits.device).repeat(len(logits))
        losses = F.cross_entropy(logits.flatten(0, 1), own, reduction="none")
        return losses.view(logits.shape[:2]).mean(dim=1)


def patch_nce(
    heads: PatchHeads, queries: list[Tensor], keys: list[Tensor], temperature: float
) -> Tensor:
    """PatchNCE loss of each image, (B,): the mean of `info_nce` over the layers.

    Parameters
    ----------
    queries, keys : features (B, P, C) at the same positions, one tensor per layer; see `sample`.
    """
    with torch.no_grad():
        targets = heads(keys)
    pairs = zip(heads(queries), targets, strict=True)
    return torch.stack([info_nce(q, k, temperature) for q, k in pairs]).mean(dim=0)


@torch.no_grad()
def identical_share(keys: Tensor) -> Tensor:
    """Share of the positions whose key equals that of another position of the same image.

    There a query's own key looks like some of its negatives: at the input, all of the air does.

    Parameters
    ----------
    keys : (B, P, C), before the head. Takes B * C * P^2 comparisons, so C should be small.
    """
    equal = torch.ones((), dtype=torch.bool, device=keys.device)
    for channel in keys.unbind(2):
        equal = equal & (channel[:, :, None] == channel[:, None, :])
    return (equal.sum(dim=2) > 1).float().mean()
