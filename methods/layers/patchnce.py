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

    def forward(self, maps: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
        """Maps (B, C, H, W) and positions (P,), one pair per layer -> (B, P, features) each."""
        vectors = []
        for mlp, features, where in zip(self.mlps, maps, positions, strict=True):
            sampled = features.flatten(2)[:, :, where].transpose(1, 2)
            projected = mlp(sampled).float()
            vectors.append(projected / (projected.norm(dim=2, keepdim=True) + 1e-7))
        return vectors


def draw_positions(maps: list[Tensor], count: int) -> list[Tensor]:
    """Draw up to `count` positions per layer, without replacement, the same for all images."""
    return [torch.randperm(m.shape[2] * m.shape[3], device=m.device)[:count] for m in maps]


def info_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of telling a query's own position from the others of the same image.

    Parameters
    ----------
    queries, keys : (B, P, features), unit vectors; no gradient flows into the keys.
    """
    keys = keys.detach()
    # Divided by the temperature, what half precision rounds off would change a logit visibly.
    with torch.autocast(queries.device.type, enabled=False):
        positive = (queries * keys).sum(dim=2, keepdim=True)
        similarity = queries @ keys.transpose(1, 2)
        own = torch.eye(similarity.shape[1], dtype=torch.bool, device=similarity.device)
        # The official code overwrites the diagonal with -10 and keeps it as a 257th class.
        negatives = similarity.masked_fill(own, -10.0)
        logits = torch.cat([positive, negatives], dim=2).flatten(0, 1) / temperature
        first = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        return F.cross_entropy(logits, first)


def patch_nce(
    heads: PatchHeads,
    query_maps: list[Tensor],
    key_maps: list[Tensor],
    patches: int,
    temperature: float,
) -> Tensor:
    """PatchNCE loss: `info_nce` at the same random positions of both, mean over the layers."""
    positions = draw_positions(key_maps, patches)
    return patch_nce_at(positions, heads, query_maps, key_maps, temperature)


def patch_nce_at(
    positions: list[Tensor],
    heads: PatchHeads,
    query_maps: list[Tensor],
    key_maps: list[Tensor],
    temperature: float,
) -> Tensor:
    """`patch_nce` at positions that are already drawn."""
    with torch.no_grad():
        keys = heads(key_maps, positions)
    queries = heads(query_maps, positions)
    losses = [info_nce(q, k, temperature) for q, k in zip(queries, keys, strict=True)]
    return torch.stack(losses).mean()


@torch.no_grad()
def identical_share(keys: Tensor, positions: Tensor) -> Tensor:
    """Share of the positions whose key equals that of another position of the same image.

    There a query's own key looks like some of its negatives: at the input, all of the air does.

    Parameters
    ----------
    keys : (B, C, H, W), before the head. Takes B * C * P^2 comparisons, so C should be small.
    positions : (P,), flat.
    """
    sampled = keys.flatten(2)[:, :, positions]
    equal = (sampled[:, :, :, None] == sampled[:, :, None, :]).all(dim=1)
    return (equal.sum(dim=2) > 1).float().mean()
