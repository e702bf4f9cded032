"""Playing by hand: mouse and keys become actions, the scene stays hidden, the best are remembered."""

import gymnasium as gym
import numpy as np
import pytest

from ram_envs import ENV_IDS, FORMS, OWN_IMAGES
from ram_envs import play as play_module
from ram_envs.command_line import main
from ram_envs.play import Session, best_sessions, play
from ram_envs.rendering import BACKGROUND, load_pygame
from ram_envs.retina_wrapper import RetinaWrapper
from ram_envs.window import Window

DIGITS = {"images": np.eye(12, dtype=np.uint8)[None].repeat(4, 0) * 255, "labels": [3, 3, 3, 3], "num_classes": 4}


@pytest.fixture(autouse=True)
def display_of_its_own():
    yield
    load_pygame().quit()


@pytest.fixture
def player(monkeypatch):
    """A hand: `player(events)` posts, after the n-th frame, the events that events(pygame, n) lists; frames are kept."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame, frames = load_pygame(), []
    show = Window.show
    monkeypatch.setattr(play_module.time, "monotonic", iter(range(10**6)).__next__)  # every wait is soon over

    def sit_down(events):
        def shown(window, frame, fps=0):
            show(window, frame, 0)
            frames.append(frame)
            for kind, values in events(pygame, len(frames)):
                pygame.event.post(pygame.event.Event(kind, **values))

        monkeypatch.setattr(Window, "show", shown)
        return frames

    return sit_down


def key(pygame, key):
    return [(pygame.KEYDOWN, {"key": key}), (pygame.KEYUP, {"key": key})]


def test_arrow_keys_move_the_paddle_and_the_mouse_is_the_gaze(player, monkeypatch, tmp_path):
    actions = []
    step = gym.envs.registration.load_env_creator("ram_envs.catch_ball:CatchBallEnv").step
    monkeypatch.setattr(
        "ram_envs.catch_ball.CatchBallEnv.step", lambda env, action: (actions.append(action), step(env, action))[1]
    )

    def events(pygame, frame):
        mouse = [(pygame.MOUSEMOTION, {"pos": (0, 0), "rel": (0, 0), "buttons": (0, 0, 0)})]
        return mouse + (key(pygame, pygame.K_LEFT) if frame < 10 else key(pygame, pygame.K_RIGHT))

    player(events)
    session = play("CatchBall-v0", games=1, seed=0, size=256, best_of=tmp_path / "best.json")
    assert session.games == 1
    assert session.glimpses == 24
    assert [int(action["move"]) for action in actions[:5] + actions[-5:]] == [0] * 5 + [2] * 5
    np.testing.assert_array_equal(actions[0]["location"], [-1, -1])


def test_click_looks_and_digit_key_answers(player, tmp_path):
    def events(pygame, frame):
        if frame % 5 in (1, 3):  # the first of them begins the game
            return [(pygame.MOUSEBUTTONDOWN, {"pos": (120, 120), "button": 1})]
        return key(pygame, pygame.K_3) if frame % 5 == 0 else []

    player(events)
    session = play("GlimpseMNIST-v0", games=3, size=256, best_of=tmp_path / "best.json", **DIGITS)
    assert (session.won, session.games) == (3, 3)
    assert session.glimpses == 2


def test_no_click_uses_up_more_glimpses_than_there_are(player, tmp_path):
    def events(pygame, frame):
        if frame < 12:
            return [(pygame.MOUSEBUTTONDOWN, {"pos": (120, 120), "button": 1})]
        return key(pygame, pygame.K_3)

    player(events)
    session = play("GlimpseMNIST-v0", games=1, size=256, best_of=tmp_path / "best.json", num_glimpses=4, **DIGITS)
    assert (session.won, session.glimpses) == (1, 4)


def test_a_game_that_is_cut_short_is_over_and_not_won(player, tmp_path):
    player(lambda pygame, frame: [(pygame.MOUSEBUTTONDOWN, {"pos": (120, 120), "button": 1})])
    best = tmp_path / "best.json"
    session = play("GlimpseMNIST-v0", games=2, size=256, best_of=best, max_episode_steps=2, **DIGITS)
    assert (session.won, session.games, session.glimpses) == (0, 2, 3)
    assert session.env_id == (
        "GlimpseMNIST-v0 images=ndarray of uint8, shape (4, 12, 12) labels=[3, 3, 3, 3] max_episode_steps=2 num_classes=4"
    )


def test_scene_is_hidden_until_it_is_asked_for_and_then_the_score_does_not_count(player, tmp_path):
    images = np.full((1, 40, 40), 255, np.uint8)  # all white: whatever is black was hidden

    def events(pygame, frame):
        return {1: key(pygame, pygame.K_SPACE), 3: key(pygame, pygame.K_TAB), 5: key(pygame, pygame.K_1)}.get(frame, [])

    frames = player(events)
    path = tmp_path / "best.json"
    play("GlimpseMNIST-v0", games=1, size=256, best_of=path, images=images, labels=[1], num_classes=2)
    black = [int((frame == 0).all(2).sum()) for frame in frames]
    assert black[1] > 10_000  # the scene's place and the small view beside it
    assert black[1] > 2 * black[4]
    assert not path.exists()


def test_escape_ends_the_session_and_closing_the_window_ends_the_program(player, tmp_path):
    player(lambda pygame, frame: key(pygame, pygame.K_ESCAPE if frame == 5 else pygame.K_SPACE))
    path = tmp_path / "best.json"
    assert play("CatchBall-v0", games=5, size=256, best_of=path).games == 0
    assert not path.exists()
    player(lambda pygame, frame: [(pygame.QUIT, {})])
    with pytest.raises(SystemExit):
        play("CatchBall-v0", size=256, best_of=path)


def test_best_sessions_are_kept_in_order_and_per_environment(tmp_path):
    path = tmp_path / "folder" / "best.json"
    for won in (3, 9, 5):
        best_sessions(path, Session("a", won, 10, 4.0, "2026-01-01"))
    best_sessions(path, Session("b", 1, 10, 4.0, "2026-01-01"))
    best = best_sessions(path, Session("a", 9, 10, 2.0, "2026-01-02"))
    assert [(s.won, s.glimpses) for s in best if s.env_id == "a"] == [(9, 2.0), (9, 4.0), (5, 4.0), (3, 4.0)]
    for _ in range(12):
        best = best_sessions(path, Session("a", 2, 10, 4.0, "2026-01-03"))
    assert [sum(s.env_id == name for s in best) for name in "ab"] == [10, 1]


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "best.json"
    path.write_text('{"not": "a list"}')
    with pytest.raises(ValueError, match="move it away"):
        best_sessions(path, Session("a", 2, 10, 4.0, "2026-01-03"))
    assert path.read_text() == '{"not": "a list"}'


@pytest.mark.parametrize("mode", ["multidiscrete", "dict", "box", "discrete"])
@pytest.mark.parametrize("env_id", ["CatchBall-v0", "GlimpseMNIST-v0"])
@pytest.mark.filterwarnings("ignore:.*matplotlib is not installed")  # said where another test has set its backend
def test_gymnasiums_own_play_takes_the_keys(env_id, mode, monkeypatch):
    from gymnasium.utils.play import PlayableGame

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    own = DIGITS if "MNIST" in env_id else {}
    env = gym.make(env_id, action_mode=mode, render_mode="rgb_array", render_size=256, **own)
    env.reset(seed=0)
    keys = env.unwrapped.get_keys_to_action()
    assert all(action in env.action_space for action in keys.values())
    assert env.unwrapped.noop_action() in env.action_space
    game = PlayableGame(env, {tuple(sorted(pressed)): action for pressed, action in keys.items()})
    pygame = load_pygame()
    game.process_event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_e))
    env.step(keys[tuple(game.pressed_keys)])
    if mode == "dict":
        np.testing.assert_allclose(env.unwrapped.lane._locations[0], [0.7, -0.7])
    env.close()


def test_card_writes_its_lines():
    from ram_envs.rendering import draw_card

    frame = draw_card((256, 400), ["A title", "and a line"])
    assert frame.shape == (256, 400, 3)
    assert (frame[16:32] != BACKGROUND).any()
    assert not (frame[128:] != BACKGROUND).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["play", "--env", "NoSuch-v0"], "--env must be one of GlimpseMNIST-v0"),
        (["play", "--env-args", "nonsense"], "must be KEY=VALUE"),
        (["play", "--env-args", "no_such=3"], "no_such"),
        (["play", "--games", "0"], "at least 1"),
        (["play", "--speed", "fast"], "above 0 and at most 60"),
        (["play", "--size", "10"], "render_size must be"),
        (["download", "--dataset", "cifar"], "invalid choice"),
        (["nothing"], "invalid choice"),
    ],
)
def test_bad_input_ends_in_one_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = f"{ended.value.code} {capsys.readouterr().err}"
    assert ended.value.code != 0
    assert message in said
    assert "Traceback" not in said


def test_without_a_display_playing_says_what_to_do(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no such driver")
    with pytest.raises(SystemExit, match="Cannot open a window"):
        main(["play"])


def test_list_names_every_environment(capsys):
    main(["list"])
    lines = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [*ENV_IDS, OWN_IMAGES, "For", *(f"...-{form}-v0" for form in FORMS)]


def test_download_names_the_folder_that_was_checked(fake_mnist, capsys):
    main(["download"])
    assert "right SHA-256" in capsys.readouterr().out


class Corridor(gym.Env):
    """Go right until the end: a white pixel, which moves by -1, 0 or 1."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 9}
    action_space = gym.spaces.Discrete(3, start=-1)
    observation_space = gym.spaces.Box(0, 255, (8, 8), np.uint8)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def observe(self):
        image = np.zeros((8, 8), np.uint8)
        image[4, self.at] = 255
        return image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self.observe(), {}

    def step(self, action):
        self.at = int(np.clip(self.at + action, 0, 7))
        return self.observe(), float(action), self.at == 7, False, {}

    def render(self):
        return np.repeat(self.observe()[..., None], 3, axis=2)

    def get_keys_to_action(self):
        return {("a",): -1, (ord("d"), " "): 1, (): 0}


@pytest.fixture
def corridor(monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    gym.register("Corridor-v0", entry_point=Corridor)


def test_an_environment_that_is_not_behind_the_retina_is_put_there_and_its_own_keys_play_it(corridor, player, tmp_path):
    def events(pygame, frame):
        if frame == 1:
            return key(pygame, pygame.K_RETURN)
        return [(pygame.KEYDOWN, {"key": pygame.K_d}), (pygame.KEYDOWN, {"key": pygame.K_SPACE})]

    player(events)
    best = tmp_path / "best.json"
    session = play("Corridor-v0", games=1, size=256, best_of=best, patch_size=3, render_mode="rgb_array")
    assert (session.games, session.points, session.glimpses) == (1, 7.0, 8)
    assert str(session).startswith("7 points in 1, 8.0 glimpses a game")
    assert best_sessions(best) == [session]


def test_an_environment_whose_observations_are_no_images_is_seen_as_it_is_rendered(corridor, player, tmp_path):
    class Told(Corridor):
        observation_space = gym.spaces.Box(0, 7, (1,), np.float32)

        def reset(self, **kwargs):
            return np.float32([0]), super().reset(**kwargs)[1]

        def step(self, action):
            return np.float32([self.at]), *super().step(action)[1:]

    gym.register("Told-v0", entry_point=Told)
    player(lambda pygame, frame: [(pygame.KEYDOWN, {"key": pygame.K_d}), (pygame.KEYDOWN, {"key": pygame.K_SPACE})])
    session = play("Told-v0", games=1, size=256, best_of=tmp_path / "best.json", patch_size=3)
    assert (session.games, session.points) == (1, 7.0)


@pytest.mark.parametrize("form", ["", *(f"{form}-" for form in FORMS)])
def test_every_registered_environment_can_be_played_and_says_what_its_goal_is(form, fake_mnist):
    for env_id in ENV_IDS:
        env = play_module.make_playable(env_id.replace("v0", f"{form}v0"))
        play_module.Player(env)
        assert env.unwrapped.lane.goal().endswith((".", "frames."))
        assert env.unwrapped.lane.goal() != "Collect as much reward as you can."
        env.close()


@pytest.mark.parametrize(
    ("env_id", "own", "said"),
    [
        ("CatchBall-v0", {}, ["Catch the ball with the paddle on the bottom row.", "The arrow keys move the paddle."]),
        ("GlimpseMNIST-v0", DIGITS, ["Which digit is it? You have 6 glimpses.", "Press a digit key to answer."]),
    ],
)
def test_the_first_card_says_what_the_goal_is_and_which_keys_there_are(
    env_id, own, said, player, tmp_path, monkeypatch
):
    cards = []
    draw = play_module.draw_card
    monkeypatch.setattr(play_module, "draw_card", lambda shape, lines: cards.append(lines) or draw(shape, lines))
    player(lambda pygame, frame: key(pygame, pygame.K_ESCAPE))
    play(env_id, games=1, size=256, best_of=tmp_path / "best.json", **own)
    assert cards[0][0] == env_id
    assert set(said) <= set(cards[0])


def test_without_an_action_for_no_key_the_world_waits_for_one(corridor, player, tmp_path):
    def events(pygame, frame):
        gaze = [(pygame.MOUSEMOTION, {"pos": (128, 128), "rel": (0, 0), "buttons": (0, 0, 0)})]
        return gaze + (key(pygame, pygame.K_RIGHT) if frame % 3 == 0 else [])

    frames = player(events)
    bindings = {"left": -1, "right": 1}
    own = {"patch_size": 3, "image": "render", "key_bindings": bindings}
    session = play("Corridor-v0", games=1, size=256, best_of=tmp_path / "best.json", **own)
    assert (session.points, session.glimpses) == (7.0, 8)
    assert len(frames) > 20
    with pytest.raises(ValueError, match="key_bindings may hold characters and names"):
        play("Corridor-v0", best_of=tmp_path / "best.json", key_bindings={"nokey": 1})


def test_keys_follow_the_environments_its_moves_or_what_was_said():
    pygame = load_pygame()
    lane = RetinaWrapper(Corridor()).lane
    both = tuple(sorted((ord("d"), pygame.K_SPACE)))
    assert lane.keys() == {both: {"move": 2}, (ord("a"),): {"move": 0}, (): {"move": 1}}
    assert next(iter(lane.keys())) == both  # several keys before one of them
    assert lane.rules() == ["The mouse is where you look.", "Keys: a, d+space."]

    class Silent(Corridor):
        get_keys_to_action = property()

    assert RetinaWrapper(Silent()).lane.keys() == {(ord(str(i)),): {"move": i} for i in range(3)}
    assert RetinaWrapper(Silent()).lane.rules()[-1] == "The world waits for a key."
    lane = RetinaWrapper(Silent(), key_bindings={"": 0, "left+space": -1}, looks_per_step=2).lane
    assert lane.keys()[()] == {"move": 1}
    assert lane.rules()[-1] == "The world waits for a key."

    class Steered(Silent):
        action_space = gym.spaces.Box(-1, 1, (2,))

    assert RetinaWrapper(Steered()).lane.keys() == {(): {}}
    assert RetinaWrapper(Steered()).lane.rules() == ["The mouse is where you look.", "No keys."]
    lane = RetinaWrapper(Steered(), key_bindings={"up": [0, 1]}).lane
    assert lane.write_action((0, 0), lane.keys()[(pygame.K_UP,)])["control"].tolist() == [0, 1]


def test_a_player_needs_the_retina():
    with pytest.raises(ValueError, match="Corridor is not behind the retina"):
        play_module.Player(Corridor(), title="Corridor")


def test_a_module_may_be_named_before_the_id(monkeypatch):
    monkeypatch.setattr(play_module, "play", lambda env_id, **kwargs: print(env_id))
    main(["play", "--env", "ram_envs:CatchBall-v0"])
    with pytest.raises(SystemExit, match="another registered id, or MODULE:ID, got 'no_such_module:X-v0'"):
        main(["play", "--env", "no_such_module:X-v0"])
