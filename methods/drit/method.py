"""DRIT++ (Lee et al. 2020), with the networks, losses and update order of its official code.

Domain A is the modalities as channels of one image, domain B is T1ce. Lists of networks
and batches of codes have domain A first. Losses are named after the domain whose images they judge.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from methods.contract import Batch, Synthesizer, frozen
from methods.drit.networks import (
    AttributeEncoder,
    ContentDiscriminator,
    ContentEncoder,
    Generator,
    MultiScaleDiscriminator,
    cross_entropy,
    initialise,
)
from methods.errors import MethodError
from methods.layers.schedule import decay_linearly

A, B = 0, 1
Images = Sequence[Tensor]
"""Images of domain A and as many of domain B, which need not have as many channels."""


class Drit(Synthesizer):
    """A content encoder and a generator of both domains, style encoders and discriminators of each.

    Only the first image of each batch is translated. The others are real samples for the
    discriminators of images with random styles.
    """

    # The content discriminator learns from three batches for each one that all others learn from.
    batches_per_step = 3

    def build(self) -> None:
        p = self.params
        channels = (self.channels, p.t1ce_channels)
        self.content_encoder = initialise(ContentEncoder(channels, p.width))
        self.attribute_encoders = initialise(
            nn.ModuleList(AttributeEncoder(count, p.width, p.style) for count in channels)
        )
        self.generator = initialise(Generator(channels, p.width, p.style))
        self.discriminators, self.random_discriminators = (
            initialise(nn.ModuleList(MultiScaleDiscriminator(count, p.width) for count in channels))
            for _ in range(2)
        )
        self.content_discriminator = initialise(ContentDiscriminator(p.width, p.content_stages))

        # Adam treats each weight by itself, so four optimizers do what the official eight do.
        self.g_optimizer = self._adam(self.content_encoder, self.generator)
        self.a_optimizer = self._adam(self.attribute_encoders)
        self.d_optimizer = self._adam(self.discriminators, self.random_discriminators)
        self.c_optimizer = self._adam(self.content_discriminator)

    def _adam(self, *networks: nn.Module) -> Optimizer:
        p = self.params
        parameters = [x for network in networks for x in network.parameters()]
        return torch.optim.Adam(parameters, p.learning_rate, p.betas, weight_decay=p.weight_decay)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the content discriminator on each of three batches, the rest on the last one.

        Returns
        -------
        Each loss with its weight; `D_content` is that of the last batch.
        """
        p = self.params
        count = len(batch.inputs) // self.batches_per_step
        if count < 2:
            raise MethodError(
                "methods/drit translates the first slice of a batch and takes the others for real "
                "samples; results.training.batch: 1 leaves it none. Write 2 or more there."
            )
        for optimizer in self.optimizers.values():
            rate = p.content_rate if optimizer is self.c_optimizer else p.learning_rate
            decay_linearly(optimizer, rate, self.progress)

        images = batch.inputs, batch.t1ce.expand(-1, p.t1ce_channels, -1, -1)
        earlier, (a, b) = [x[:-count:count] for x in images], [x[-count:] for x in images]
        with torch.no_grad():
            # Of both batches at once: no norm mixes images, and these updates leave the encoder.
            contents = self._contents(earlier).unflatten(0, (2, -1)).unbind(1)
        for content in contents:
            self._update_content_discriminator(content + _normal(content.shape, content))
        return self._update_all((a[:1], b[:1]), (a[1:], b[1:]))

    def _update_all(self, real: Images, others: Images) -> dict[str, Tensor]:
        """One batch: the images that are translated, one of each domain, and the other images."""
        p = self.params
        clean = self._contents(real)
        noise = _normal(clean.shape, clean)
        content = clean + noise
        means, log_variances, styles = self._styles(real)
        random = _normal((2 if p.mode_seeking else 1, p.style), content)

        shared = self.generator.shared(content)
        fakes, copies = [], []
        for d, decoder in enumerate(self.generator.decoders):
            fake, copy = decoder(shared[[1 - d, d]], styles[[d, d]]).split(1)
            fakes.append(fake)
            copies.append(copy)
        with torch.no_grad():
            random_fakes = self._random_fakes(shared, random)

        losses = self._update_discriminators(fakes, real, random_fakes, others)
        losses["D_content"] = self._update_content_discriminator(content.detach())

        # The fake of one domain shows the content of the other.
        contents = self._contents(fakes)
        again = self.generator.shared(contents + _normal(contents.shape, contents))
        _, _, styles_again = self._styles(fakes)
        first = {}
        with frozen(self.discriminators, self.content_discriminator):
            of_content = self.content_discriminator(content)
            for d, name in enumerate("AB"):
                own = slice(d, d + 1)
                first[f"GAN_{name}"] = cross_entropy(self.discriminators[d](fakes[d]), 1.0)
                first[f"GAN_content_{name}"] = cross_entropy([of_content[own]], 0.5)
                cycle = self.generator.decoders[d](again[[1 - d]], styles_again[own])
                first[f"cycle_{name}"] = p.reconstruction_weight * F.l1_loss(cycle, real[d])
                first[f"self_{name}"] = p.reconstruction_weight * F.l1_loss(copies[d], real[d])
                divergence = kl_divergence(means[d], log_variances[d])
                first[f"KL_style_{name}"] = p.prior_weight * divergence
                first[f"L2_content_{name}"] = p.prior_weight * content[d].square().mean()
        self.update(sum(first.values()), self.g_optimizer, self.a_optimizer)

        second = self._random_losses(self._contents(real) + noise, random)
        self.update(sum(second.values()), self.g_optimizer)
        return losses | first | second

    def _random_losses(self, content: Tensor, random: Tensor) -> dict[str, Tensor]:
        """Losses of both domains' images with random styles, at the present weights."""
        p = self.params
        fakes = self._random_fakes(self.generator.shared(content), random)
        losses = {}
        with frozen(self.attribute_encoders, self.random_discriminators):
            for d, name in enumerate("AB"):
                gan = cross_entropy(self.random_discriminators[d](fakes[d]), 1.0)
                losses[f"GAN_random_{name}"] = len(random) * gan  # a sum over styles
                if p.mode_seeking:
                    losses[f"mode_seeking_{name}"] = mode_seeking_loss(fakes[d], random)
                mean, _ = self.attribute_encoders[d](fakes[d][:1])
                losses[f"latent_{name}"] = p.latent_weight * F.l1_loss(mean, random[:1])
        return losses

    def _update_discriminators(
        self, fakes: Images, real: Images, random_fakes: Images, others: Images
    ) -> dict[str, Tensor]:
        losses = {}
        for d, name in enumerate("AB"):
            losses[f"D_{name}"] = discriminator_loss(self.discriminators[d], fakes[d], real[d])
            # The official code judges the others anew with each random style.
            each = discriminator_loss(self.random_discriminators[d], random_fakes[d], others[d])
            losses[f"D_random_{name}"] = len(random_fakes[d]) * each
        self.update(sum(losses.values()), self.d_optimizer)
        return losses

    def _update_content_discriminator(self, content: Tensor) -> Tensor:
        """Its loss on the codes of one image of each domain: A is 0, B is 1."""
        of_a, of_b = self.content_discriminator(content).split(1)
        loss = cross_entropy([of_a], 0.0) + cross_entropy([of_b], 1.0)
        self.update(loss, self.c_optimizer, clip=self.params.clip)
        return loss

    def _contents(self, images: Images) -> Tensor:
        """Images of each domain, (B, C, H, W) -> their content codes (2 * B, 4 * width, h, w)."""
        return torch.cat([self.content_encoder(image, d) for d, image in enumerate(images)])

    def _styles(self, images: Images) -> tuple[Tensor, Tensor, Tensor]:
        """An image of each domain -> mean, log variance and a draw of their styles, (2, style)."""
        pairs = [e(image) for e, image in zip(self.attribute_encoders, images, strict=True)]
        means, log_variances = (torch.cat(x) for x in zip(*pairs, strict=True))
        draw = _normal(means.shape, means)
        return means, log_variances, means + draw * (0.5 * log_variances).exp()

    def _random_fakes(self, shared: Tensor, random: Tensor) -> list[Tensor]:
        """The other domain's content in each of the random styles: (styles, C, H, W) per domain."""
        return [
            decoder(shared[[1 - d] * len(random)], random)
            for d, decoder in enumerate(self.generator.decoders)
        ]

    def synthesize(self, inputs: Tensor) -> Tensor:
        shared = self.generator.shared(self.content_encoder(inputs, A))
        style = self.generator.fixed_style.expand(len(inputs), -1)
        return self.generator.decoders[B](shared, style).mean(dim=1, keepdim=True)


def discriminator_loss(discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
    """Cross-entropy of `fake` with 0 plus that of `real` with 1; no gradient reaches `fake`."""
    # In one pass: nothing mixes the images.
    logits = discriminator(torch.cat([fake.detach(), real]))
    of_fake, of_real = zip(*(x.split([len(fake), len(real)]) for x in logits), strict=True)
    return cross_entropy(of_fake, 0.0) + cross_entropy(of_real, 1.0)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of N(mean, exp(log_variance)) from N(0, 1), summed over the code."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum()


def mode_seeking_loss(images: Tensor, styles: Tensor) -> Tensor:
    """How little two images differ for how much their styles do (Mao et al. 2019).

    Parameters
    ----------
    images, styles : (2, C, H, W) and (2, style).
    """
    distance = (images[1] - images[0]).abs().mean() / (styles[1] - styles[0]).abs().mean()
    return 1 / (distance + 1e-5)


def _normal(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Draw float32 numbers from N(0, 1), on the device of `like`."""
    return torch.randn(shape, device=like.device)
