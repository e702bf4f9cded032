"""The Recurrent Attention Model: the networks joined into an agent that looks, decides, and looks again.

Axes: B lanes, K options of a choice, H hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from agents.config import Config
from agents.networks import GlimpseNetwork, head, initialize_for_rectifiers, make_core


@dataclass(frozen=True)
class AgentState:
    """What the agent remembers.

    Attributes:
        cores: pathway -> the state of its core.
        last_move: (B, K) where the core sees it.
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
    `reinforce_into_core`, `baseline_into_core` and `pathways` say otherwise.

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
        self.location_std = config.location_std  # annealed by training
        self.gaze_learns = config.gaze == "learned"  # ended by training
        self.supervised = config.supervised and "answer" in self.choices
        for name in ("dense_reward", "glance_weight"):
            if getattr(config, name) and not self.supervised:
                raise ValueError(
                    f"{name} needs supervised answers: labels, and an environment that asks for an answer."
                )
        move_inputs = self.choices.get("move", 0) if config.previous_action else 0
        feature_size = 256
        self.glimpse_networks = nn.ModuleDict()
        self.cores = nn.ModuleDict()
        for pathway in ("what", "where") if config.pathways == "separate" else ("what",):
            self.glimpse_networks[pathway] = GlimpseNetwork(
                glimpse_shape,
                num_scales,
                config.glimpse_scaling,
                config.glimpse_gain,
                feature_size=feature_size,
                convolutions=config.convolutions if pathway == "what" else (),
            )
            self.cores[pathway] = make_core(config.core, feature_size + move_inputs, config.hidden_size)
        if config.initialization == "he":
            for network in (*self.glimpse_networks.values(), *self.cores.values()):
                initialize_for_rectifiers(network)  # an LSTM has no layer that it changes
        self.location_network = head(config.hidden_size, 2, config.location_hidden)
        told = config.hidden_size + bool(config.price_range) + config.stop_sees_answer * self.choices.get("answer", 0)
        self.action_networks = nn.ModuleDict(
            {
                name: head(told, size, config.stop_hidden) if name == "stop" else head(config.hidden_size, size)
                for name, size in choices.items()
                if name != "stop" or config.learn_stop
            }
        )
        if "stop" in self.action_networks:  # begins by looking on nine times in ten, or it would never learn to look
            *_, weight, bias = self.action_networks["stop"].parameters()
            nn.init.zeros_(weight)
            with torch.no_grad():
                bias.copy_(torch.tensor([math.log(9.0), 0.0]))
        self.baseline_network = head(told, 1, config.baseline_hidden)
        if config.glance_weight:
            self.glance_network = nn.Linear(feature_size, self.choices["answer"])
        self._move_inputs = move_inputs

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
        last_move = torch.zeros(batch, self._move_inputs, device=device) if self._move_inputs else None
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
            mean, logits, baseline, glance = self._heads(
                location, features["what"].float(), {name: core[0] for name, core in cores.items()}, state.price
            )
            next_location, explored = self._sample_location(mean.detach(), greedy, generator)
            choices = {name: self._choose(name, logits, greedy, generator, len(mean)) for name in self.choices}
        decision = Decision(next_location, mean, explored, choices, logits, baseline, glance)
        return decision, AgentState(cores, self._move_input(choices), state.price)

    def reconsider(
        self, glimpses: Tensor, locations: Tensor, choices: Mapping[str, Tensor], state: AgentState
    ) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor | None]:
        """What the agent with its present weights makes of episodes that were played before.

        Args:
            glimpses: (T, B, scales * channels, g, g).
            locations: (T, B, 2), where they were taken.
            choices: name -> (T, B), the options that were chosen then.
            state: before the first glimpse.

        Returns:
            What `Decision` calls location_mean, logits, baseline and glance, time first.
        """
        shape = locations.shape[:2]

        def in_time(values: Tensor) -> Tensor:
            return values.reshape(*shape, *values.shape[1:])

        seen_from = locations.flatten(0, 1)
        features, hidden = {}, {}
        moves = self._move_input(choices)
        for name, core in self.cores.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and (name == "what" or self.gaze_learns)):
                features[name] = self.glimpse_networks[name](glimpses.flatten(0, 1), seen_from)
                inputs, core_state, outputs = in_time(features[name]), state.cores[name], []
                if moves is not None and state.last_move is not None:
                    inputs = torch.cat([inputs, torch.cat([state.last_move[None], moves[:-1]])], dim=2)
                for step_input in inputs:
                    core_state = core(step_input, core_state)
                    outputs.append(core_state[0])
                hidden[name] = torch.cat(outputs)
        price = None if state.price is None else state.price.repeat(shape[0], 1)
        with self.autocast(enabled=False):
            mean, logits, baseline, glance = self._heads(seen_from, features["what"].float(), hidden, price)
        return (
            in_time(mean),
            {name: in_time(values) for name, values in logits.items()},
            in_time(baseline),
            None if glance is None else in_time(glance),
        )

    def autocast(self, enabled: bool = True) -> torch.autocast:
        """Matrix products in bfloat16, where settings and machine want it; the heads on the core always stay in float32."""
        device = next(self.parameters()).device.type
        wanted = self.config.matmul_precision == "bfloat16" and multiplies_bfloat16(device)
        return torch.autocast(device, torch.bfloat16, enabled and wanted)

    def _heads(
        self, seen_from: Tensor, seen: Tensor, hidden: dict[str, Tensor], price: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor | None]:
        """Location mean (B, 2), logits (B, K), baseline (B,) and glance (B, K) from the cores' outputs."""
        what, where = hidden["what"].float(), hidden[self.where].float()
        into_core = 1.0 if self.where == "where" else self.config.reinforce_into_core
        mean = self.location_network(_let_through(where, into_core))
        if self.config.location_mean == "tanh":
            mean = torch.tanh(mean)
        elif self.config.location_mean == "relative":
            mean = seen_from + mean
        logits = {name: network(what) for name, network in self.action_networks.items() if name != "stop"}
        told = [price] if price is not None else []
        if self.config.stop_sees_answer:
            told.append(functional.log_softmax(logits["answer"].detach(), 1).sort(1, descending=True).values)
        if "stop" in self.action_networks:
            known = what if self.where == "what" else what.detach()  # by a classifier that stopping must not disturb
            logits["stop"] = self.action_networks["stop"](torch.cat([known, *told], dim=1))
        expects = torch.cat([_let_through(what, self.config.baseline_into_core), *told], dim=1)
        baseline = self.baseline_network(expects).squeeze(1)
        return mean, logits, baseline, self.glance_network(seen) if self.config.glance_weight else None

    def _move_input(self, choices: Mapping[str, Tensor]) -> Tensor | None:
        """The moves as the core sees them at the next step, where it does: (..., K)."""
        return functional.one_hot(choices["move"], self._move_inputs).float() if self._move_inputs else None

    def _sample_location(self, mean: Tensor, greedy: bool, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Where to look (B, 2), and whether that was sampled around the mean (B,)."""
        explored = torch.zeros(len(mean), dtype=torch.bool, device=mean.device)
        if self.config.gaze == "center":
            return torch.zeros_like(mean), explored
        if self.config.gaze == "random":
            return 2 * torch.rand(mean.shape, generator=generator, device=mean.device) - 1, explored
        if greedy or not self.gaze_learns:
            return mean, explored
        explored = torch.rand(len(mean), generator=generator, device=mean.device) < self.config.exploration_share
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


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether a "cuda" or "cpu" device has instructions for products in bfloat16; without, they take twice as long as in float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older PyTorches cannot tell
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


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
