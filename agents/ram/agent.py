"""The Recurrent Attention Model: the networks joined into an agent that looks, decides, and looks again.

Axes: B lanes, K options of a choice, H hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from agents.experiment.device import multiplies_bfloat16
from agents.ram import losses
from agents.ram.config import STEP, Config
from agents.ram.cores import CORES
from agents.ram.decisions import AgentState, Decision, Outputs
from agents.ram.draws import normal, uniform
from agents.ram.layers import Activations
from agents.ram.networks import (
    ControlHead,
    GlimpseNetwork,
    Standardize,
    head,
)
from agents.ram.pointing import Pointer
from agents.ram.salience import salient_places
from ram_envs.action_modes import CONTROL

FEATURE_SIZE = 256  # units of the glimpse feature vector
REMEMBERED = 16  # places where an agent has looked, for exploration and for a gaze that points
NOWHERE = 9.0  # a location far from every image
SPAN = 0.75  # of the image's longer side, which the coarsest scale spans where a gaze points


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
        control: the real numbers that it takes, if any.
        past: the choices whose last options the core sees where it sees the last move; None for all but answer and stop.

    Raises:
        ValueError: if the settings ask for what the environment does not have.
    """

    def __init__(
        self,
        config: Config,
        glimpse_shape: tuple[int, int, int],
        num_scales: int,
        choices: Mapping[str, int],
        control: spaces.Box | None = None,
        past: Collection[str] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.choices = config, dict(choices)
        self.end = end_choice(choices, config)
        if config.stopping is not None:
            _demand_choice("stopping", "stop", choices)
            if config.stopping.sees_answer:
                _demand_choice("stopping.sees_answer", "answer", choices)
        self.location_std: float | Tensor = config.gaze.std  # annealed by training
        self.return_scale: float | Tensor = 1.0  # what the baseline's values are in units of, found by training
        self.trust: float | Tensor = 0.0  # in what the baseline expects of looks, 0 to 1, found by training
        self.gaze_learns = config.gaze.policy == "learned"  # ended by training
        self.stops = True  # where it can; begun by training
        self.anywhere: float | Tensor = 0.0  # share of the candidates that are drawn anywhere, annealed by training
        self.num_scales, self.planes, self.patch_size = num_scales, glimpse_shape[0], glimpse_shape[-1]
        self.pathways = ("what", "where") if config.gaze.pathway == "separate" else ("what",)
        self.scene_changes = False  # but for looking; `make_agent` knows what the world says, and training sees it
        # Of the image, as a way (x, y) between locations; `make_agent` knows its size.
        self.pixel_size = (2 / self.patch_size, 2 / self.patch_size)
        past = choices.keys() - {"answer", self.end} if past is None else past
        moves = {name: size for name, size in choices.items() if name in past}
        self._moves = moves if config.network.previous_action else {}
        numbers = 0 if control is None else math.prod(control.shape)
        self._move_size = sum(self._moves.values()) + numbers * config.network.previous_action
        self.control_network = None if control is None else ControlHead(config.network.hidden_size, control)
        self.teacher, self.one_answer = "reinforce", True  # of answers, see `find_teacher`
        self.find_teacher()
        self._make_pathways(glimpse_shape, num_scales)
        self._make_heads()

    def find_teacher(self, tells_label: bool = True, one_answer: bool = True) -> None:
        """Settles what teaches answers, as `learning.answer` has it, in an environment that can do this or that.

        Raises:
            ValueError: if the settings need labels and there are none.
        """
        learning, self.one_answer = self.config.learning, one_answer
        self.teacher = learning.answer if "answer" in self.choices else "reinforce"
        if self.teacher == "label" and not tells_label:
            self.teacher = "outcome"
        if self.teacher == "outcome" and not one_answer:
            self.teacher = "reinforce"
        moves = {*self.choices} - {"answer", self.end} or self.control_network is not None
        if learning.look_reward != "answer" and (self.teacher != "label" or moves):
            raise ValueError(
                f'look_reward="{learning.look_reward}" needs supervised answers: labels, and an environment that asks for an answer and nothing else.'
            )

    def _make_pathways(self, glimpse_shape: tuple[int, int, int], num_scales: int) -> None:
        """A glimpse network and a core for each pathway."""
        network = self.config.network
        if network.input == "standardized":
            self.standardize = Standardize(glimpse_shape[0])
        self.glimpse_networks = nn.ModuleDict()
        self.cores = nn.ModuleDict()
        for pathway in self.pathways:
            self.glimpse_networks[pathway] = GlimpseNetwork(
                glimpse_shape,
                num_scales,
                network.glimpse_scaling,
                network.glimpse_gain,
                feature_size=FEATURE_SIZE,
                convolutions=network.convolutions if pathway == "what" else (),
            )
            self.cores[pathway] = CORES[network.core](FEATURE_SIZE + self._move_size, network.hidden_size)

    def _make_heads(self) -> None:
        """Location network, action networks and baseline, on the core and on what they are told beside it."""
        config, hidden = self.config, self.config.network.hidden_size
        self.location_network: nn.Module
        if config.gaze.mean == "pointed" and config.gaze.policy == "learned":
            self.location_network = Pointer(self.planes, self.num_scales, self.patch_size, hidden, config.gaze.hidden)
        else:
            self.location_network = head(hidden, 2, config.gaze.hidden)
        if config.counterfactual is not None and not self.points:  # begins in the middle of what may be looked at
            for parameter in [*self.location_network.parameters()][-2:]:
                nn.init.zeros_(parameter)
        stopping = config.stopping
        told = hidden + bool(config.price_range)
        if stopping is not None and stopping.sees_answer:
            told += self.choices.get("answer", 0)
        self.action_networks = nn.ModuleDict()
        for name, size in self.choices.items():
            if name != self.end:
                self.action_networks[_key(name)] = head(hidden, size)
            elif stopping is not None:
                self.action_networks[name] = head(told, size, config.gaze.hidden)
        if self.ends:  # begins by looking on nine times in ten, or it would never learn to look
            *_, weight, bias = self.action_networks[self.end].parameters()
            nn.init.zeros_(weight)
            with torch.no_grad():
                bias.copy_(torch.tensor([math.log(9.0), 0.0]))
        self.baseline_network = head(told, 1, config.network.baseline_hidden)

    @property
    def ends(self) -> bool:
        """Whether the agent can learn to end an episode before its last glimpse."""
        return self.end in self.action_networks

    def rests(self, name: str) -> bool:
        """Whether a choice is not made now: to stop, by an agent that for the time being looks to the last glimpse."""
        return name == self.end and not self.stops

    @property
    def where(self) -> str:
        """The pathway that decides where to look."""
        return "where" if "where" in self.cores else "what"

    @property
    def points(self) -> bool:
        """Whether the gaze points at a pixel of the last glimpse."""
        return isinstance(self.location_network, Pointer)

    @property
    def final_std(self) -> float:
        """What training brings `location_std` to."""
        gaze = self.config.gaze
        if (
            self.config.counterfactual is not None
        ):  # as fine as the retina sees: half of half the finest patch, as a way
            return min(self.pixel_size) * self.patch_size / 4
        return gaze.std if gaze.std_final is None else gaze.std_final

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by what they serve: "where" to look (and its pathway, where it has one of its own), "when" to stop
        (and the baseline, where that disturbs nothing else), or "what" is seen."""
        modules: dict[str, list[nn.Module]] = {"where": [self.location_network]}
        if self.where == "where":
            modules["where"] += [self.glimpse_networks["where"], self.cores["where"]]
            if self.ends:
                modules["when"] = [self.action_networks[self.end], self.baseline_network]
        groups = {name: [p for module in several for p in module.parameters()] for name, several in modules.items()}
        taken = {id(p) for group in groups.values() for p in group}
        return {"what": [p for p in self.parameters() if id(p) not in taken], **groups}

    def initial_state(
        self,
        batch: int,
        prices: Tensor | float | None = None,
        keen: Tensor | None = None,
        pixel_size: Tensor | None = None,
    ) -> AgentState:
        """The state before the first glimpse: zeros.

        Args:
            batch: how many episodes.
            prices: of a glimpse, for all episodes or for each (B,), for an agent with a `price_range`; None for the
                geometric mean of the range.
            keen: (B,) bool, the episodes that look where a greedy agent would.
            pixel_size: (B, 2), of images of several sizes, as a way (x, y) between locations, see `pixel_sizes`.

        Raises:
            ValueError: if there is a price that the agent was not trained for.
        """
        device = self.device
        cores = {name: core.initial_state(batch, device) for name, core in self.cores.items()}  # type: ignore[operator]
        last_move = torch.zeros(batch, self._move_size, device=device) if self._move_size else None
        return AgentState(cores, last_move, self._price_input(batch, prices, device), keen, pixel_size=pixel_size)

    def _price_input(self, batch: int, prices: Tensor | float | None, device: torch.device) -> Tensor | None:
        if not self.config.price_range:
            if prices is not None:
                raise ValueError("This agent is not told prices: it was trained without a price_range.")
            return None
        low, high = self.config.price_range
        given = math.sqrt(low * high) if prices is None else prices
        numbers = torch.as_tensor(given) if device.type == "cpu" or not isinstance(given, Tensor) else None
        # A little beyond the range, for what rounding to float32 does at its ends. A GPU's prices are not asked for: it would be waited for.
        if numbers is not None and not ((numbers >= low * (1 - 1e-6)) & (numbers <= high * (1 + 1e-6))).all():
            raise ValueError(
                f"Prices of a glimpse must lie in the range of the training, {low} to {high}, got {prices}."
            )
        given = given.to(device).float() if isinstance(given, Tensor) else torch.full((), given, device=device)
        return (2 * torch.log(given / low) / math.log(high / low) - 1).expand(batch).unsqueeze(1)

    @property
    def rollout_steps(self) -> int:
        """Most steps that an update learns from, see `LearningConfig.rollout_steps`; 0 for whole episodes."""
        can = self.teacher == "reinforce" and self.config.stopping is None and self.config.network.core == "lstm"
        return self.config.learning.rollout_steps if can else 0

    def begin_again(self, state: AgentState, over: Tensor, keen: Tensor | None = None) -> AgentState:
        """The state with zeros where the next episode begins.

        Args:
            state: in the middle of some episodes and at the end of others.
            over: (B,) bool, where that is.
            keen: (B,) bool, which of the next look where a greedy agent would.
        """
        cores = {name: tuple(part * ~over[:, None] for part in core) for name, core in state.cores.items()}
        last_move = None if state.last_move is None else state.last_move * ~over[:, None]
        seen = None if state.seen is None else state.seen.masked_fill(over[:, None, None], NOWHERE)
        if keen is not None and state.keen is not None:
            keen = torch.where(over, keen, state.keen)
        return replace(state, cores=cores, last_move=last_move, seen=seen, keen=keen)

    @torch.no_grad()
    def expects(self, glimpse: Tensor, location: Tensor, state: AgentState) -> Tensor:
        """The return (B,) that the baseline expects after one more glimpse; arguments as of `act`."""
        core = self.cores["what"]
        features = self._features("what", self._pixels(glimpse), location, state.last_move)
        known = core(features, state.cores["what"])[0].float()
        with self.autocast(enabled=False):
            return self._value(known, state.price) * self.return_scale

    def act(
        self,
        glimpse: Tensor,
        location: Tensor,
        state: AgentState,
        greedy: bool = False,
        generator: torch.Generator | None = None,
        activations: Mapping[str, Activations] | None = None,
    ) -> tuple[Decision, AgentState]:
        """One glimpse in, one decision out, without gradient.

        Args:
            glimpse: (B, scales * channels, g, g) in [0, 1].
            location: (B, 2), where it was taken.
            state: from `initial_state` or the call before.
            greedy: the mean location and the likeliest options instead of samples.
            generator: source of the samples.
            activations: from `start_activations`: where `unroll` will find what the layers made.
        """
        pixels, cores = self._pixels(glimpse), {}
        for name, core in self.cores.items():
            kept = None if activations is None else activations[name]
            cores[name] = core(self._features(name, pixels, location, state.last_move, kept), state.cores[name], kept)
        with self.autocast(enabled=False):
            states = {name: core[0].float() for name, core in cores.items()}
            compares = not greedy and self.compares
            if "answer" in self.choices and (compares or self.points):  # elsewhere moves change what is to be seen
                state = replace(state, seen=self._remembered(state.seen, location))
            outputs = self._heads(states, location, state.price, pixels, state.seen, state.pixel_size)
            candidates = self._draw_candidates(outputs, pixels, location, state, generator) if compares else None
            return self._decide(outputs, cores, location, state, candidates, greedy, generator)

    def start_activations(self) -> dict[str, Activations]:
        """Pathway -> where `act` keeps what its layers make of the episodes that now begin, for `unroll` with the same weights."""
        return {name: Activations() for name in self.cores}

    def unroll(
        self,
        glimpses: Tensor,
        locations: Tensor,
        choices: Mapping[str, Tensor],
        prices: Tensor | float | None = None,
        activations: Mapping[str, Activations] | None = None,
        start: AgentState | None = None,
        stays: Tensor | None = None,
        pixel_sizes: Tensor | None = None,
    ) -> Outputs:
        """What `act` makes of whole episodes, or of parts of them, all steps at once and with gradient.

        Only the cores go from step to step; every other layer sees the steps of all episodes in one batch.

        Args:
            glimpses: (T, B, scales * channels, g, g).
            locations: (T, B, 2), where they were taken.
            choices: name -> (T, B), what was chosen after each; "control" -> (T, B, K).
            prices: as in `initial_state`.
            activations: what the layers made of these glimpses in `act`, with the weights as they are; None to make it again.
            start: the state before the first step, where not all episodes begin there.
            stays: (T, B), likewise, 0 where an episode begins and 1 elsewhere.
            pixel_sizes: (T, B, 2) of the images, where they differ.
        """
        steps, batch = glimpses.shape[:2]
        for kept in (activations or {}).values():
            kept.close()
        start = self.initial_state(batch, prices) if start is None else start
        pixels, places = self._pixels(glimpses.flatten(0, 1)), locations.flatten(0, 1)
        last_move = None
        if start.last_move is not None:
            moved = self._moved({name: chosen[:-1] for name, chosen in choices.items()})
            moved = moved if stays is None else moved * stays[1:, :, None]
            last_move = torch.cat([start.last_move[None], moved]).flatten(0, 1)
        states = {}
        for name, core in self.cores.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and (name == "what" or self.gaze_learns)):
                known = None if activations is None else activations[name]
                features = self._features(name, pixels, places, last_move, known).view(steps, batch, -1)
                from_where = () if stays is None else (start.cores[name], stays)
                states[name] = core.unroll(features, known, *from_where).float()  # type: ignore[operator]
        price = None if start.price is None else start.price.expand(steps, batch, 1)
        with self.autocast(enabled=False):
            seen = self._histories(start, locations, stays) if self.points and "answer" in self.choices else None
            return self._heads(states, locations, price, pixels, seen, pixel_sizes)

    def _histories(self, start: AgentState, locations: Tensor, stays: Tensor | None) -> Tensor:
        """Where the glimpses before and at each step were taken, as `act` remembers them (T, B, m, 2), from those (T, B, 2) of all steps."""
        seen = start.seen
        if seen is None:
            seen = locations.new_full((locations.shape[1], 0, 2), NOWHERE)
        steps = []
        for step, location in enumerate(locations):
            if stays is not None:
                seen = seen.masked_fill(stays[step, :, None, None] == 0, NOWHERE)
            seen = self._remembered(seen, location)
            steps.append(functional.pad(seen, (0, 0, REMEMBERED - seen.shape[1], 0), value=NOWHERE))
        return torch.stack(steps)

    def _pixels(self, glimpses: Tensor) -> Tensor:
        return self.standardize(glimpses) if self.config.network.input == "standardized" else glimpses

    def _features(
        self,
        name: str,
        pixels: Tensor,
        locations: Tensor,
        last_move: Tensor | None,
        activations: Activations | None = None,
    ) -> Tensor:
        """What a pathway's core is given (B, F): features of the glimpse, and the last move where it sees that."""
        features: Tensor = self.glimpse_networks[name](pixels, locations, activations)
        return features if last_move is None else torch.cat([features, last_move.to(features)], dim=1)

    def _moved(self, choices: Mapping[str, Tensor]) -> Tensor:
        """The moves chosen (..., ) as the core sees them: (..., K), 1 for each option chosen, and the control."""
        moved = [
            (choices[name][..., None] == torch.arange(size, device=choices[name].device)).float()
            for name, size in self._moves.items()
        ]
        if self.control_network is not None:
            moved.append(choices[CONTROL].clamp(-1, 1))
        return torch.cat(moved, dim=-1)

    def actions(self, choices: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What was chosen, as the environment takes it."""
        taken = dict(choices)
        if self.control_network is not None:
            taken[CONTROL] = self.control_network.in_own_units(choices[CONTROL])
        return taken

    @torch.no_grad()
    def judge(
        self,
        glimpses: Tensor,
        locations: Tensor,
        states: list[AgentState],
        labels: Tensor | None,
        holds: Tensor | None = None,
    ) -> Tensor:
        """What would be known after each of K looks: the probability of the right answer, or without labels the return expected.

        Args:
            glimpses: (T, K, B, scales * channels, g, g), seen of the scenes at each step from each of K places.
            locations: (T, K, B, 2), the places.
            states: T of them, before the looks.
            labels: (B,), or None to judge by the baseline.
            holds: (B,) bool, False where the right answer is not known: all looks score 0 there.

        Returns:
            Scores (T, K, B).
        """
        steps, count, batch = locations.shape[:3]

        moves = [state.last_move for state in states if state.last_move is not None]
        last_move = torch.stack(moves)[:, None].expand(-1, count, -1, -1).flatten(0, 2) if moves else None
        with self.autocast():
            seen = self._pixels(glimpses.flatten(0, 2))
            features = self._features("what", seen, locations.clamp(-1, 1).flatten(0, 2), last_move)
            core = self.cores["what"]
            after = core.after(features.view(steps, count, batch, -1), [state.cores["what"] for state in states])  # type: ignore[operator]
        known = after.flatten(0, 2).float()
        if labels is None:
            price = None if states[0].price is None else states[0].price.repeat(steps * count, 1)
            return self._value(known, price).view(steps, count, batch)
        answers = functional.softmax(self.action_networks["answer"](known), 1)
        right = answers.gather(1, labels.expand(steps, count, batch).reshape(-1, 1)).reshape(steps, count, batch)
        return right if holds is None else right * holds

    def _value(self, known: Tensor, price: Tensor | None) -> Tensor:
        """The return (B,) that the baseline expects where this is known (B, H), in units of `return_scale`."""
        told = self._told(price, self.action_networks["answer"](known) if "answer" in self.choices else None)
        value: Tensor = self.baseline_network(_beside(known, told)).squeeze(-1)
        return value

    def autocast(self, enabled: bool = True) -> AbstractContextManager[Any]:
        """Matrix products in bfloat16, where settings and machine want it; the heads on the core always stay in float32."""
        if self.config.run.matmul_precision != "bfloat16" or not multiplies_bfloat16(self.device.type):
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16, enabled)

    @property
    def device(self) -> torch.device:
        """Where the agent computes."""
        network = self.glimpse_networks["what"]
        assert isinstance(network, GlimpseNetwork)
        return network.where.weight.device

    def _heads(
        self,
        states: dict[str, Tensor],
        locations: Tensor,
        price: Tensor | None,
        pixels: Tensor,
        seen: Tensor | None,
        pixel_size: Tensor | None,
    ) -> Outputs:
        """What the heads make of the cores' states (..., H), the locations (..., 2) and the price (..., 1); a gaze that points also of
        the pixels (N, planes, g, g) of N glimpses, where the last ones were taken (..., m, 2), and the sizes of the images' pixels (..., 2)."""
        what, where = states["what"], states[self.where]
        learning, gaze = self.config.learning, self.config.gaze
        known, pointing = _let_through(where, 1.0 if self.where == "where" else gaze.into_core), None
        if isinstance(self.location_network, Pointer):
            here, size = locations.flatten(0, -2), self._size(pixel_size)
            before = None if seen is None else seen.flatten(0, -3)
            pointing = self.location_network(known.flatten(0, -2), pixels, here, size, before)
            mean = self.location_network.best(pointing.detach(), here, size).view(locations.shape)
            pointing = pointing.view(*locations.shape[:-1], -1)
        else:
            mean = self.location_network(known)
            if gaze.mean == "relative":
                mean = locations + mean
        logits = {name: self.action_networks[_key(name)](what) for name in self.choices if name != self.end}
        told = self._told(price, logits.get("answer"))
        if self.ends:
            decided = what if self.where == "what" else what.detach()  # by a classifier that stopping must not disturb
            logits[self.end] = self.action_networks[self.end](_beside(decided, told))
        expects = _beside(_let_through(what, learning.baseline_into_core), told)
        baseline = self.baseline_network(expects).squeeze(-1)
        if self.control_network is None:
            return Outputs(mean, pointing, logits, baseline, None, None)
        control = self.control_network(what)
        return Outputs(mean, pointing, logits, baseline, control, self.control_network.std.expand_as(control))

    def _told(self, price: Tensor | None, answers: Tensor | None) -> list[Tensor]:
        """What stopping and baseline are told beside the core's state: the price (..., 1), and how sure the answer is by its logits (..., K)."""
        told = [] if price is None else [price]
        if answers is not None and self.config.stopping is not None and self.config.stopping.sees_answer:
            told.append(functional.log_softmax(answers.detach(), -1).sort(-1, descending=True).values)
        return told

    def _decide(
        self,
        outputs: Outputs,
        cores: dict[str, tuple[Tensor, ...]],
        here: Tensor,
        state: AgentState,
        candidates: Tensor | None,
        greedy: bool,
        generator: torch.Generator | None,
    ) -> tuple[Decision, AgentState]:
        """Where to look from here (B, 2) and what to choose."""
        mean = outputs.location_mean.detach()
        if candidates is None:
            location, explored = self._sample_location(outputs, here, state, greedy, generator)
        else:
            explored = torch.ones_like(mean[:, 0], dtype=torch.bool) if state.keen is None else ~state.keen
            location = torch.where(explored[:, None], candidates[0], mean)
        choices = {name: self._choose(name, outputs.logits, greedy, generator, mean) for name in self.choices}
        if self.control_network is not None:
            assert outputs.control_mean is not None
            drawn = outputs.control_mean.detach()
            choices[CONTROL] = drawn if greedy else self.control_network.sample(drawn, generator)
        moved = self._moved(choices) if self._move_size else None
        decision = Decision(
            outputs.location_mean,
            outputs.pointing,
            outputs.logits,
            outputs.baseline,
            outputs.control_mean,
            outputs.control_std,
            location,
            explored,
            candidates,
            choices,
        )
        return decision, replace(state, cores=cores, last_move=moved)

    @property
    def compares(self) -> bool:
        """Whether the gaze learns by comparing looks now, in training."""
        settings = self.config.counterfactual
        if settings is None or not self.gaze_learns or not self.training:
            return False
        return settings.judge != "answer" or self.teacher != "reinforce"

    @staticmethod
    def _remembered(seen: Tensor | None, location: Tensor) -> Tensor:
        """Where the last glimpses were taken (B, m, 2), and one more (B, 2)."""
        return torch.cat([*([] if seen is None else [seen]), location[:, None]], 1)[:, -REMEMBERED:]

    def _size(self, pixel_size: Tensor | None) -> Tensor:
        """Of the images' pixels, as a way (x, y) between locations: (2,), or of each glimpse (N, 2), where they differ (..., 2)."""
        if pixel_size is None:
            return torch.stack([torch.full((), way, device=self.device) for way in self.pixel_size])
        return pixel_size.flatten(0, -2)

    def location_log_prob(
        self, places: Tensor, outputs: Outputs, seen_from: Tensor, pixel_sizes: Tensor | None = None
    ) -> Tensor:
        """The logarithm of the location policy's density, as a Gaussian or as of `Pointer`, at several places for each step (T, K, B).

        Args:
            places: (T, K, B, 2).
            outputs: of `unroll`.
            seen_from: (T, B, 2), where the glimpses were taken.
            pixel_sizes: as in `unroll`.
        """
        if not isinstance(self.location_network, Pointer):
            return losses.gaussian_log_prob(places, outputs.location_mean[:, None], self.location_std)
        assert outputs.pointing is not None
        each, size = places.transpose(1, 2), self._size(pixel_sizes)  # (T, B, K, 2)
        logits, here = outputs.pointing.flatten(0, 1), seen_from.flatten(0, 1)
        found = self.location_network.log_prob(each.flatten(0, 1), logits, here, size)
        return found.view(each.shape[:3]).transpose(1, 2)

    def _draw_candidates(
        self, outputs: Outputs, pixels: Tensor, location: Tensor, state: AgentState, generator: torch.Generator | None
    ) -> Tensor:
        """Places (K, B, 2) to compare: as the policy has it; some of them far, a share of these where the glimpse from that location has contrast."""
        settings, mean = self.config.counterfactual, outputs.location_mean.detach()
        assert settings is not None
        shape = (settings.candidates, *mean.shape)

        def chance(share: float | Tensor) -> Tensor:
            return uniform(shape[:2], generator, mean.device, axis=1)[..., None] < share

        near = self._draw_places(settings.candidates, outputs, location, state, generator)
        far = 2 * uniform(shape, generator, mean.device, axis=1) - 1
        size, seen = self._size(state.pixel_size), None if self.scene_changes else state.seen
        drawn = salient_places(pixels, self.num_scales, location, size, len(near), seen, generator)
        return torch.where(chance(self.anywhere), torch.where(chance(settings.salient), drawn, far), near)

    def _draw_places(
        self, count: int, outputs: Outputs, here: Tensor, state: AgentState, generator: torch.Generator | None
    ) -> Tensor:
        """Places (count, B, 2) drawn from the location policy."""
        mean = outputs.location_mean.detach()
        if isinstance(self.location_network, Pointer):
            assert outputs.pointing is not None
            size = self._size(state.pixel_size)
            return self.location_network.sample(count, outputs.pointing.detach(), here, size, generator)
        return mean + self.location_std * normal((count, *mean.shape), generator, mean.device, axis=1)

    def _sample_location(
        self, outputs: Outputs, here: Tensor, state: AgentState, greedy: bool, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Where to look (B, 2), and whether that was sampled (B,)."""
        mean, explores = outputs.location_mean.detach(), self.gaze_learns and not greedy
        explored = torch.full((len(mean),), explores, device=mean.device)
        if self.config.gaze.policy == "center":
            return torch.zeros_like(mean), explored
        if self.config.gaze.policy == "random":
            return 2 * uniform(mean.shape, generator, mean.device) - 1, explored
        if not explores:
            return mean, explored
        return self._draw_places(1, outputs, here, state, generator)[0], explored

    def _choose(
        self, name: str, logits: dict[str, Tensor], greedy: bool, generator: torch.Generator | None, mean: Tensor
    ) -> Tensor:
        if name not in logits or self.rests(name):
            return torch.zeros(len(mean), dtype=torch.long, device=mean.device)
        if greedy or (name == "answer" and self.teacher == "label"):
            return logits[name].argmax(1)
        drawn = uniform(logits[name].shape, generator, logits[name].device)
        gumbel = drawn.clamp_(min=1e-20).log_().neg_().log_()
        return (logits[name].detach() - gumbel).argmax(1)


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
    world = _world(envs)
    shape, control = observation["glimpse"].shape, action.spaces.get(CONTROL)
    past = choices.keys() - {end_choice(choices, config)} if world.past_choices is None else world.past_choices
    height, width = world.screen[:2]
    agent = RecurrentAttentionAgent(config, shape, world.sensor.num_scales, choices, control, past)  # type: ignore[arg-type]
    agent.pixel_size, agent.scene_changes = (2 / width, 2 / height), world.screen_changes
    return agent


def fit_gaze(config: Config, envs: Any) -> Config:
    """The settings as training carries them out in an environment: who sees less than `SPAN` of the image has little to point at, so that there a gaze
    that points is a step instead, with a pathway of its own."""
    world = _world(envs)
    narrow = world.sensor.widths[-1] < SPAN * max(world.screen[:2])
    if config.gaze.mean != "pointed" or config.gaze.policy != "learned" or not narrow:
        return config
    return config.but(gaze=STEP)


def _world(envs: Any) -> Any:
    """The lanes of an environment, single or vector."""
    return envs.unwrapped if hasattr(envs.unwrapped, "sensor") else envs.unwrapped.lane


def end_choice(choices: Collection[str], config: Config) -> str:
    """The choice that ends an episode: "stop" beside an answer, which then counts, or where the settings ask for stopping. Elsewhere "", since
    a choice of that name is one like any other."""
    return "stop" if "stop" in choices and ("answer" in choices or config.stopping is not None) else ""


def _demand_choice(setting: str, name: str, choices: Mapping[str, int]) -> None:
    if name not in choices:
        raise ValueError(
            f'{setting} needs an environment with a choice "{name}"; this one has {", ".join(choices) or "none"}.'
        )


def _key(choice: str) -> str:
    """What the network of a choice is called among the others, where `torch.nn` has names of its own and wants no dots."""
    key = choice.replace(".", "_")
    return f"{key}_" if hasattr(nn.ModuleDict(), key) else key


def _beside(known: Tensor, told: list[Tensor]) -> Tensor:
    """What is known (..., H) and what is told beside it, as one; a state to which nothing is added is not copied."""
    return torch.cat([known, *told], dim=-1) if told else known


def _let_through(hidden: Tensor, share: float) -> Tensor:
    """The same values, with this share of the gradient."""
    if share == 0:
        return hidden.detach()
    return hidden if share == 1 else share * hidden + (1 - share) * hidden.detach()
