"""Measure ResNet-32 in PyTorch, for speed.py, which runs without it if torch is not installed."""

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """A residual block: conv-BN-ReLU-conv-BN plus shortcut, then ReLU."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activations of the block."""
        return functional.relu(self.shortcut(x) + self.residual(x))


class ResNet32:
    """ResNet-32 in channels-last layout, with one batch of random images and no input pipeline."""

    def __init__(self, batch_size: int) -> None:
        layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        width_in = 16
        for width in (16, 32, 64):
            for block in range(5):
                layers.append(Block(width_in, width, 2 if width > 16 and block == 0 else 1))
                width_in = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
        self.network = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.x = torch.rand(batch_size, 3, 32, 32).to(memory_format=torch.channels_last)
        self.y = torch.randint(10, (batch_size,))

    def train(self, steps: int) -> None:
        """Train for a number of steps on the batch."""
        self.network.train()
        for _ in range(steps):
            self.optimizer.zero_grad()
            functional.cross_entropy(self.network(self.x), self.y).backward()
            self.optimizer.step()

    def predict(self, steps: int) -> None:
        """Predict the batch a number of times."""
        self.network.eval()
        with torch.inference_mode():
            for _ in range(steps):
                self.network(self.x).softmax(-1)
