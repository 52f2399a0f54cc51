"""The PyTorch counterpart of train_step.rs: same networks, losses, optimisers, pool and average.

train_step.rs starts it with the Python that VERISMO_TORCH_PYTHON names and
a number of threads and a device, and talks to it by lines:

    model SIZE BATCH CHANNELS BLOCKS    ->  ok
    step | inference                    ->  wall seconds, CPU seconds
"""

import copy
import itertools
import random
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class ConvNorm(nn.Sequential):
    def __init__(self, channels_in, channels_out, kernel, stride):
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2,
                      padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(channels_out, affine=True),
        )


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(
            ConvNorm(channels, channels, 3, 1), nn.ReLU(True), ConvNorm(channels, channels, 3, 1)
        )

    def forward(self, x):
        return x + self.inner(x)


class Generator(nn.Module):
    def __init__(self, channels, blocks, kernel=5):
        super().__init__()
        layers = [ConvNorm(3, channels, kernel, 1), nn.ReLU(True)]
        for level in range(2):
            layers += [ConvNorm(channels << level, channels << level + 1, 3, 2), nn.ReLU(True)]
        layers += [ResidualBlock(channels << 2) for _ in range(blocks)]
        for level in (1, 0):
            layers += [nn.Upsample(scale_factor=2, mode="nearest"),
                       ConvNorm(channels << level + 1, channels << level, 3, 1), nn.ReLU(True)]
        layers.append(nn.Conv2d(channels, 3, kernel, 1, kernel // 2, padding_mode="reflect"))
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return torch.tanh(torch.atanh(x.clamp(-0.98, 0.98)) + self.layers(x))


def discriminator(size, channels):
    strided = 1 if size <= 48 else 2 if size <= 128 else 3
    layers = [nn.Conv2d(3, channels, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for level in range(1, strided + 1):
        wide = channels << min(level, 3)
        stride = 2 if level < strided else 1
        layers += [nn.Conv2d(channels << min(level - 1, 3), wide, 4, stride, 1),
                   nn.InstanceNorm2d(wide, affine=True), nn.LeakyReLU(0.2, True)]
    layers.append(nn.Conv2d(channels << min(strided, 3), 1, 4, 1, 1))
    return nn.Sequential(*layers)


class Pool:
    def __init__(self, capacity=50):
        self.capacity, self.images = capacity, []

    def query(self, batch):
        picked = []
        for image in batch.detach().split(1):
            if len(self.images) < self.capacity:
                self.images.append(image)
            elif random.random() < 0.5:
                at = random.randrange(self.capacity)
                self.images[at], image = image, self.images[at]
            picked.append(image)
        return torch.cat(picked)


class CycleGan:
    def __init__(self, device, size, batch, channels, blocks):
        self.device = device
        self.shape = (batch, 3, size, size)
        self.to_photo, self.to_render = (Generator(channels, blocks).to(device) for _ in range(2))
        self.photo, self.render = (discriminator(size, channels).to(device) for _ in range(2))
        for network in (self.to_photo, self.to_render, self.photo, self.render):
            for name, parameter in network.named_parameters():
                if parameter.dim() > 1:
                    nn.init.normal_(parameter, 0.0, 0.02)
        self.average = copy.deepcopy(self.to_photo).requires_grad_(False)
        self.generators = list(itertools.chain(self.to_photo.parameters(),
                                               self.to_render.parameters()))
        self.discriminators = list(itertools.chain(self.photo.parameters(),
                                                   self.render.parameters()))
        self.generator_optimiser, self.discriminator_optimiser = (
            torch.optim.Adam(parameters, 2e-4, betas=(0.5, 0.999), eps=1e-8)
            for parameters in (self.generators, self.discriminators)
        )
        self.photo_pool, self.render_pool = Pool(), Pool()

    def random(self):
        return torch.rand(self.shape, device=self.device) * 2 - 1

    def step(self):
        renders, photos = self.random(), self.random()
        for parameter in self.discriminators:
            parameter.requires_grad_(False)
        fake_photos, same_photos = self.to_photo(torch.cat([renders, photos])).chunk(2)
        fake_renders, same_renders = self.to_render(torch.cat([photos, renders])).chunk(2)
        cycle = (F.l1_loss(self.to_render(fake_photos), renders)
                 + F.l1_loss(self.to_photo(fake_renders), photos))
        identity = F.l1_loss(same_photos, photos) + F.l1_loss(same_renders, renders)
        adversarial = ((self.photo(fake_photos) - 1).square().mean()
                       + (self.render(fake_renders) - 1).square().mean())
        self.generator_optimiser.zero_grad()
        (adversarial + 10 * cycle + 5 * identity).backward()
        self.generator_optimiser.step()

        for parameter in self.discriminators:
            parameter.requires_grad_(True)
        loss = 0
        for critic, real, pool, fake in (
            (self.photo, photos, self.photo_pool, fake_photos),
            (self.render, renders, self.render_pool, fake_renders),
        ):
            of_real, of_fake = critic(torch.cat([real, pool.query(fake)])).chunk(2)
            loss = loss + ((of_real - 1).square().mean() + of_fake.square().mean()) / 2
        self.discriminator_optimiser.zero_grad()
        loss.backward()
        self.discriminator_optimiser.step()
        with torch.no_grad():
            for mean, live in zip(self.average.parameters(), self.to_photo.parameters()):
                mean.lerp_(live, 0.005)
        return [value.item() for value in (adversarial, cycle, identity, loss)]

    @torch.inference_mode()
    def inference(self):
        return self.average(self.random()).cpu()


def main():
    torch.set_num_threads(int(sys.argv[1]))
    model = None
    for line in sys.stdin:
        work, *numbers = line.split()
        if work == "model":
            model = CycleGan(sys.argv[2], *map(int, numbers))
            print("ok", flush=True)
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        getattr(model, work)()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
