"""The Recurrent Attention Model: the networks joined into an agent that looks, decides, and looks again.

Axes: B lanes, K options of a choice, H hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from agents.experiment.device import multiplies_bfloat16
from agents.ram.config import Config
from agents.ram.networks import GlimpseNetwork, head, initialize_for_rectifiers, make_core

FEATURE_SIZE = 256  # units of the glimpse feature vector


@dataclass(frozen=True)
class AgentState:
    """What the agent remembers.

    Attributes:
        cores: pathway -> the state of its core.
        last_move: (B, K) where the core sees it: 1 for each option chosen, of all choices but answer and stop.
        price: (B, 1) where the agent is told what a glimpse costs: its logarithm, -1 at the lowest price and 1 at the highest.
    """

    cores: dict[str, tuple[Tensor, ...]]
    last_move: Tensor | None
    price: Tensor | None


@dataclass(frozen=True)
class Decision:
    """What the agent does after one glimpse, and what learning needs to know of it.

    Attributes:
        location: (B, 2) where to look next: a sample, before any clipping, without gradient.
        location_mean: (B, 2) the mean it was sampled around.
        explored: (B,) bool, whether it was sampled.
        choices: name -> (B,) the options chosen.
        logits: name -> (B, K) of each choice.
        baseline: (B,) the return that is expected.
        glance: (B, K) logits of an answer from this glimpse alone, where the agent learns to give one.
    """

    location: Tensor
    location_mean: Tensor
    explored: Tensor
    choices: dict[str, Tensor]
    logits: dict[str, Tensor]
    baseline: Tensor
    glance: Tensor | None


class RecurrentAttentionAgent(nn.Module):
    """Glimpse network, core, location network, action networks and baseline.

    Gradients flow as in the paper: sampled locations are constants; the location network learns by REINFORCE alone; the
    answer's gradient reaches action network, core and glimpse network; the baseline's stops at the core. The options
    `gaze.into_core`, `learning.baseline_into_core` and `gaze.pathway` say otherwise.

    Args:
        config: the agent's settings.
        glimpse_shape: (scales * channels, g, g) of the environment's glimpses.
        num_scales: scales among them.
        choices: name and number of options of each choice the environment takes beside the location.

    Raises:
        ValueError: if the settings ask for what the environment does not have.
    """

    def __init__(
        self, config: Config, glimpse_shape: tuple[int, int, int], num_scales: int, choices: Mapping[str, int]
    ) -> None:
        super().__init__()
        self.config, self.choices = config, dict(choices)
        self.location_std = config.gaze.std  # annealed by training
        self.gaze_learns = config.gaze.policy == "learned"  # ended by training
        self.supervised = (
            config.learning.supervised and "answer" in self.choices
        )  # ended where training finds no labels
        if (config.learning.glance_weight or config.learning.look_reward != "answer") and not self.supervised:
            raise ValueError(
                "glance_weight and look_reward need supervised answers: labels, and an environment that asks for an answer."
            )
        moves = {name: size for name, size in choices.items() if name not in ("answer", "stop")}
        self._moves = moves if config.network.previous_action else {}
        self._make_pathways(glimpse_shape, num_scales)
        self._make_heads()

    def _make_pathways(self, glimpse_shape: tuple[int, int, int], num_scales: int) -> None:
        """A glimpse network and a core for each pathway."""
        network = self.config.network
        self.glimpse_networks = nn.ModuleDict()
        self.cores = nn.ModuleDict()
        for pathway in ("what", "where") if self.config.gaze.pathway == "separate" else ("what",):
            self.glimpse_networks[pathway] = GlimpseNetwork(
                glimpse_shape,
                num_scales,
                network.glimpse_scaling,
                network.glimpse_gain,
                feature_size=FEATURE_SIZE,
                convolutions=network.convolutions if pathway == "what" else (),
            )
            self.cores[pathway] = make_core(network.core, FEATURE_SIZE + sum(self._moves.values()), network.hidden_size)
        if network.initialization == "he":
            for module in (*self.glimpse_networks.values(), *self.cores.values()):
                initialize_for_rectifiers(module)  # an LSTM has no layer that it changes

    def _make_heads(self) -> None:
        """Location network, action networks and baseline, on the core and on what they are told beside it."""
        config, hidden = self.config, self.config.network.hidden_size
        self.location_network = head(hidden, 2, config.gaze.hidden)
        stopping = config.stopping
        told = hidden + bool(config.price_range)
        if stopping is not None and stopping.sees_answer:
            told += self.choices.get("answer", 0)
        self.action_networks = nn.ModuleDict()
        for name, size in self.choices.items():
            if name != "stop":
                self.action_networks[name] = head(hidden, size)
            elif stopping is not None:
                self.action_networks[name] = head(told, size, stopping.hidden)
        if "stop" in self.action_networks:  # begins by looking on nine times in ten, or it would never learn to look
            *_, weight, bias = self.action_networks["stop"].parameters()
            nn.init.zeros_(weight)
            with torch.no_grad():
                bias.copy_(torch.tensor([math.log(9.0), 0.0]))
        self.baseline_network = head(told, 1, config.network.baseline_hidden)
        if config.learning.glance_weight:
            self.glance_network = nn.Linear(FEATURE_SIZE, self.choices["answer"])

    @property
    def where(self) -> str:
        """The pathway that decides where to look."""
        return "where" if "where" in self.cores else "what"

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by what they serve: "where" to look (and its pathway, where it has one of its own), "when" to stop
        (and the baseline, where that disturbs nothing else), or "what" is seen."""
        modules: dict[str, list[nn.Module]] = {"where": [self.location_network]}
        if self.where == "where":
            modules["where"] += [self.glimpse_networks["where"], self.cores["where"]]
            if "stop" in self.action_networks:
                modules["when"] = [self.action_networks["stop"], self.baseline_network]
        groups = {name: [p for module in several for p in module.parameters()] for name, several in modules.items()}
        taken = {id(p) for group in groups.values() for p in group}
        return {"what": [p for p in self.parameters() if id(p) not in taken], **groups}

    def initial_state(self, batch: int, prices: Tensor | float | None = None) -> AgentState:
        """The state before the first glimpse: zeros.

        Args:
            batch: how many episodes.
            prices: of a glimpse, for all episodes or for each (B,), for an agent with a `price_range`; None for the
                geometric mean of the range.

        Raises:
            ValueError: if there is a price that the agent was not trained for.
        """
        device = next(self.parameters()).device
        cores = {name: core.initial_state(batch, device) for name, core in self.cores.items()}  # type: ignore[operator]
        last_move = torch.zeros(batch, sum(self._moves.values()), device=device) if self._moves else None
        return AgentState(cores, last_move, self._price_input(batch, prices, device))

    def _price_input(self, batch: int, prices: Tensor | float | None, device: torch.device) -> Tensor | None:
        if not self.config.price_range:
            if prices is not None:
                raise ValueError("This agent is not told prices: it was trained without a price_range.")
            return None
        low, high = self.config.price_range
        given = torch.as_tensor(math.sqrt(low * high) if prices is None else prices, device=device).float()
        # A little beyond the range, for what rounding to float32 does at its ends.
        if not ((given >= low * (1 - 1e-6)) & (given <= high * (1 + 1e-6))).all():
            raise ValueError(
                f"Prices of a glimpse must lie in the range of the training, {low} to {high}, got {prices}."
            )
        return (2 * torch.log(given / low) / math.log(high / low) - 1).expand(batch).unsqueeze(1)

    def act(
        self,
        glimpse: Tensor,
        location: Tensor,
        state: AgentState,
        greedy: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[Decision, AgentState]:
        """One glimpse in, one decision out.

        Args:
            glimpse: (B, scales * channels, g, g) in [0, 1].
            location: (B, 2), where it was taken.
            state: from `initial_state` or the call before.
            greedy: the mean location and the likeliest options instead of samples.
            generator: source of the samples.
        """
        features, cores = {}, {}
        for name, core in self.cores.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and (name == "what" or self.gaze_learns)):
                features[name] = self.glimpse_networks[name](glimpse, location)
                moved = [] if state.last_move is None else [state.last_move]
                cores[name] = core(torch.cat([features[name], *moved], dim=1), state.cores[name])
        with self.autocast(enabled=False):
            return self._decide(location, features["what"].float(), cores, state, greedy, generator)

    def autocast(self, enabled: bool = True) -> torch.autocast:
        """Matrix products in bfloat16, where settings and machine want it; the heads on the core always stay in float32."""
        device = next(self.parameters()).device.type
        wanted = self.config.run.matmul_precision == "bfloat16" and multiplies_bfloat16(device)
        return torch.autocast(device, torch.bfloat16, enabled and wanted)

    def _decide(
        self,
        seen_from: Tensor,
        seen: Tensor,
        cores: dict[str, tuple[Tensor, ...]],
        state: AgentState,
        greedy: bool,
        generator: torch.Generator | None,
    ) -> tuple[Decision, AgentState]:
        what, where = cores["what"][0].float(), cores[self.where][0].float()
        into_core = 1.0 if self.where == "where" else self.config.gaze.into_core
        mean = self.location_network(_let_through(where, into_core))
        if self.config.gaze.mean == "tanh":
            mean = torch.tanh(mean)
        elif self.config.gaze.mean == "relative":
            mean = seen_from + mean
        location, explored = self._sample_location(mean.detach(), greedy, generator)
        logits = {name: network(what) for name, network in self.action_networks.items() if name != "stop"}
        told = [state.price] if state.price is not None else []
        if self.config.stopping is not None and self.config.stopping.sees_answer:
            told.append(functional.log_softmax(logits["answer"].detach(), 1).sort(1, descending=True).values)
        if "stop" in self.action_networks:
            known = what if self.where == "what" else what.detach()  # by a classifier that stopping must not disturb
            logits["stop"] = self.action_networks["stop"](torch.cat([known, *told], dim=1))
        choices = {name: self._choose(name, logits, greedy, generator, len(mean)) for name in self.choices}
        expects = torch.cat([_let_through(what, self.config.learning.baseline_into_core), *told], dim=1)
        baseline = self.baseline_network(expects).squeeze(1)
        moved = [functional.one_hot(choices[name], size).float() for name, size in self._moves.items()]
        glance = self.glance_network(seen) if self.config.learning.glance_weight else None
        decision = Decision(location, mean, explored, choices, logits, baseline, glance)
        return decision, AgentState(cores, torch.cat(moved, dim=1) if moved else None, state.price)

    def _sample_location(self, mean: Tensor, greedy: bool, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Where to look (B, 2), and whether that was sampled around the mean (B,)."""
        explored = torch.zeros(len(mean), dtype=torch.bool, device=mean.device)
        if self.config.gaze.policy == "center":
            return torch.zeros_like(mean), explored
        if self.config.gaze.policy == "random":
            return 2 * torch.rand(mean.shape, generator=generator, device=mean.device) - 1, explored
        if greedy or not self.gaze_learns:
            return mean, explored
        explored = torch.rand(len(mean), generator=generator, device=mean.device) < self.config.gaze.exploration_share
        noise = self.location_std * torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + noise * explored[:, None], explored

    def _choose(
        self, name: str, logits: dict[str, Tensor], greedy: bool, generator: torch.Generator | None, batch: int
    ) -> Tensor:
        if name not in logits:  # an agent that does not stop before the last glimpse
            return torch.zeros(batch, dtype=torch.long, device=next(self.parameters()).device)
        if greedy or (name == "answer" and self.supervised):
            return logits[name].argmax(1)
        uniform = torch.rand(logits[name].shape, generator=generator, device=logits[name].device)
        return (logits[name].detach() - torch.log(-torch.log(uniform.clamp(min=1e-20)))).argmax(1)  # Gumbel


def make_agent(config: Config, envs: Any) -> RecurrentAttentionAgent:
    """An untrained agent for that environment, single or vector, of `obs_mode="dict"` and `action_mode="dict"`.

    Raises:
        ValueError: if its spaces are others.
    """
    observation = getattr(envs, "single_observation_space", envs.observation_space)
    action = getattr(envs, "single_action_space", envs.action_space)
    if not isinstance(observation, spaces.Dict) or not isinstance(action, spaces.Dict):
        raise ValueError('The agent needs an environment made with obs_mode="dict" and action_mode="dict".')
    choices = {name: int(space.n) for name, space in action.items() if isinstance(space, spaces.Discrete)}
    sensor = envs.unwrapped.sensor if hasattr(envs.unwrapped, "sensor") else envs.unwrapped.lane.sensor
    return RecurrentAttentionAgent(config, observation["glimpse"].shape, sensor.num_scales, choices)  # type: ignore[arg-type]


def _let_through(hidden: Tensor, share: float) -> Tensor:
    """The same values, with this share of the gradient."""
    if share == 0:
        return hidden.detach()
    return hidden if share == 1 else share * hidden + (1 - share) * hidden.detach()
