"""A Gaussian process over the modalities of one slice, and what it implies for their codes.

Each dimension of the codes is one draw from N(0, K) over the modalities, with
K = v0 W W^T + vn I. All functions calculate in float32, whatever autocast says.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ModalityGP(nn.Module):
    """K (Q, Q) for Q modalities: rows of W have norm 1, and v0 + vn = 1, so K has ones on its
    diagonal.

    It is the kernel of GPPVAE (Casale et al. 2018), a linear kernel of the object times a linear
    kernel of the view, for the views of one object.
    """

    def __init__(self, modalities: int = 4):
        super().__init__()
        noise = 1e-3 * torch.randn(modalities, modalities)
        self.features = nn.Parameter(torch.eye(modalities) + noise)
        self.log_variances = nn.Parameter(torch.zeros(2))

    def forward(self) -> Tensor:
        with torch.autocast(self.features.device.type, enabled=False):
            w = F.normalize(self.features, dim=1)
            v0, vn = self.log_variances.softmax(dim=0)
            return v0 * w @ w.T + vn * torch.eye(len(w), device=w.device)


def divergence(mean: Tensor, std: Tensor, covariance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of codes N(mean, std^2) from the prior N(0, covariance).

    With the covariance I it is that of a plain VAE.

    Parameters
    ----------
    mean, std : (B, Q, L), codes of L dimensions of Q modalities.
    covariance : (Q, Q), of the same dimension of the Q codes; dimensions are independent.

    Returns
    -------
    (B,), summed over modalities and dimensions.
    """
    with torch.autocast(mean.device.type, enabled=False):
        mean, variance = mean.float(), std.float().square()
        precision = torch.linalg.inv(covariance)
        mahalanobis = torch.einsum("bql,qr,brl->b", mean, precision, mean)
        trace = torch.einsum("bql,q->b", variance, precision.diagonal())
        # log |K| once for each of the L dimensions.
        log_ratio = mean.shape[2] * covariance.logdet() - variance.log().sum(dim=(1, 2))
        return 0.5 * (mahalanobis + trace - mean[0].numel() + log_ratio)


def predict_last(codes: Tensor, covariance: Tensor) -> Tensor:
    """Return the posterior mean of the last modality's code, given the codes of all others.

    Parameters
    ----------
    codes : (B, Q - 1, L).

    Returns
    -------
    (B, L).
    """
    with torch.autocast(codes.device.type, enabled=False):
        known, cross = covariance[:-1, :-1], covariance[:-1, -1]
        weights = torch.linalg.solve(known, cross)
        return torch.einsum("q,bql->bl", weights, codes.float())
