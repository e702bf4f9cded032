"""Checks that need fresh environments, each by one command. Needs: nox, and the Pythons that are to be tried.

nox                                                 # everything below
nox -s environments                                 # every Python with every Gymnasium
nox -s "environments-3.12(gymnasium='1.2.2')"       # one of them
nox -s single_environments                          # single ones with Gymnasium 0.29.1 and 1.0
nox -s wheel                                        # metadata, contents, import without torch
nox -s docs                                         # builds the pages into site/, strictly
nox -s "examples(library='rllib')"                  # a library's example, with the versions that it wants
nox -s "codebases(codebase='tianshou')"               # somebody else's code for a few hundred steps, in an environment of its own
nox -s "codebases(codebase='cleanrl')" -- FOLDER      # CleanRL's scripts (or LeanRL's), which are no package: a checkout
nox -s behind_the_retina                            # a random agent in Atari, MiniGrid, crafter and CarRacing
nox -s coverage                                     # how much of ram_envs the tests run
nox -s mutants                                      # every change to the retina, Catch and the losses is seen by a test
nox -s fuzz                                         # a million inputs for the IDX reader; `-- -atheris_runs=1000` for fewer
"""

from pathlib import Path

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
GYMNASIUMS = ["1.1.0", "1.2.2", "1.4.0"]
OLDER_GYMNASIUMS = ["0.29.1", "1.0.0"]  # single environments alone
TESTS = [
    f"tests/ram_envs/test_{name}.py"
    for name in (
        "environments",
        "forms",
        "batched_env",
        "glimpse_mnist",
        "catch_ball",
        "action_modes",
        "glimpse_history",
        "retina_wrapper",
    )
]
SINGLE_TESTS = [f"tests/ram_envs/test_{name}.py" for name in ("forms", "action_modes", "catch_game", "glimpse_sensor")]
LIBRARIES = {  # by the beginning of the example's name
    "stable_baselines3": ["-c", "constraints.txt", "stable-baselines3"],
    "cleanrl_style": ["-c", "constraints.txt"],
    "torchrl": ["-c", "constraints.txt", "torchrl"],
    "skrl": ["-c", "constraints.txt", "skrl"],
    "rllib": ["ray[rllib]==2.60.0", "gymnasium==1.2.2"],  # not our Gymnasium: an environment of its own
}
CODEBASES = {  # what brings it, with the Gymnasium that it wants
    "stable_baselines3": ["-c", "constraints.txt", "sb3-contrib"],
    "sbx": ["sbx-rl==0.28.0"],
    "rl_zoo3": ["rl-zoo3==2.9.2"],
    "tianshou": ["tianshou==2.0.1"],
    "agilerl": ["agilerl==2.58.0", "peft"],
    "rllib": LIBRARIES["rllib"],
    "torchrl": LIBRARIES["torchrl"],
    "skrl": LIBRARIES["skrl"],
    "sample_factory": ["sample-factory==2.1.1"],  # Gymnasium below 1
    "minari": ["minari[create,hdf5]==0.5.4", "pillow"],
    "cleanrl": ["gymnasium==0.29.1", "numpy<2", "stable-baselines3==2.3.2", "tyro", "tensorboard"],
    "leanrl": ["gymnasium==0.29.1", "numpy<2", "stable-baselines3==2.3.2", "tyro", "tensordict", "wandb", "tqdm"],
}
BEHIND = {  # what is put behind the retina, and what brings it
    "atari": ["ale-py"],
    "minigrid": ["minigrid"],
    "crafter": ["crafter"],
    "car_racing": ["gymnasium[box2d]"],
}

nox.options.error_on_missing_interpreters = False
SCREENLESS = {"SDL_VIDEODRIVER": "dummy"}

LOOK = """
import importlib.util, sys, time
begun = time.process_time()
import ram_envs
seconds = time.process_time() - begun
assert importlib.util.find_spec("torch") is None and importlib.util.find_spec("agents") is None
assert not {"pygame", "pooch", "requests"} & set(sys.modules), "loaded before it is needed"
assert seconds < 0.5, seconds
print(f"import ram_envs: {seconds:.2f} s")
import gymnasium, numpy
own = {"images": numpy.zeros((2, 28, 28), numpy.uint8), "labels": [0, 1]}
for env_id in ram_envs.ENV_IDS:
    env = gymnasium.make(env_id, **(own if "MNIST" in env_id else {}))
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert "pygame" not in sys.modules, "loaded before anything is drawn"
"""


@nox.session(python=PYTHONS)
@nox.parametrize("gymnasium", GYMNASIUMS)
def environments(session: nox.Session, gymnasium: str) -> None:
    """The environments' tests, on the installed package, with one Python and one Gymnasium."""
    session.install(".", f"gymnasium=={gymnasium}", "pytest>=8", "hypothesis>=6.100", "moviepy>=1.0")
    session.run("pytest", "-q", "-o", "pythonpath=", *(session.posargs or TESTS), env=SCREENLESS)


@nox.session(python=PYTHONS[1])
@nox.parametrize("gymnasium", OLDER_GYMNASIUMS)
def single_environments(session: nox.Session, gymnasium: str) -> None:
    """Every id as a single environment, with a Gymnasium that other people's code pins."""
    session.install(".", f"gymnasium=={gymnasium}", "numpy<2", "pytest>=8")
    session.run("pytest", "-q", "-o", "pythonpath=", *(session.posargs or SINGLE_TESTS), env=SCREENLESS)


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel: its metadata and README render, it holds `ram_envs` alone, and works with nothing but its dependencies."""
    scratch = Path(session.create_tmp())
    for old in scratch.glob("ram_envs-*"):
        old.unlink()
    session.install("-c", "constraints.txt", "build", "twine")
    session.run("python", "-m", "build", "--outdir", str(scratch), ".", silent=True)
    built = sorted(str(path) for path in scratch.glob("ram_envs-*"))
    session.run("twine", "check", "--strict", *built)
    session.install("-c", "constraints.txt", "--force-reinstall", next(path for path in built if path.endswith(".whl")))
    with session.chdir(scratch):
        session.run("python", "-I", "-c", LOOK)
        session.run("ram-envs", "list")


@nox.session
def docs(session: nox.Session) -> None:
    """The pages, into site/; a broken link is an error."""
    session.install("-c", "constraints.txt", "-e", ".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
@nox.parametrize("library", [*LIBRARIES])
def examples(session: nox.Session, library: str) -> None:
    """A library's example, for a few hundred steps, in an environment with what the library wants."""
    session.install("-c", "constraints.txt", "torch")
    session.install(".", *LIBRARIES[library])
    session.run("python", f"examples/{library}_ppo.py", *(session.posargs or ["500"]))


@nox.session
@nox.parametrize("codebase", [*CODEBASES])
def codebases(session: nox.Session, codebase: str) -> None:
    """Somebody else's code, as it is, in our environments for a few hundred steps."""
    if codebase in ("cleanrl", "leanrl") and not session.posargs:
        session.skip(f"{codebase} is no package: name the folder of a checkout behind --")
    session.install("-c", "constraints.txt", "torch")
    session.install(".", *CODEBASES[codebase])
    session.run("python", "tests/libraries/codebases.py", codebase, *session.posargs, env=SCREENLESS)


@nox.session
@nox.parametrize("library", [*BEHIND])
def behind_the_retina(session: nox.Session, library: str) -> None:
    """A random agent behind the retina in somebody else's environments; single and vector must agree."""
    session.install("-c", "constraints.txt", ".", *BEHIND[library])
    session.run("python", "tests/libraries/random_agent.py", library, *(session.posargs or ["200"]), env=SCREENLESS)


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests, and which lines and branches of `ram_envs` they run; too few are an error."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.run("pytest", "-q", "--cov", "-n", "auto", "--dist", "loadfile", *session.posargs, env=SCREENLESS)


@nox.session
def mutants(session: nox.Session) -> None:
    """Mutation testing: a mutant that no test kills is an error, unless `docs/testing.md` says why it is none."""
    session.install("-c", "constraints.txt", "-e", ".[dev]", "mutmut")
    # mutmut forks; a thread of torch's that stays behind would be waited for without end.
    session.run("mutmut", "run", *session.posargs, env={"OMP_NUM_THREADS": "1"})
    lines = str(session.run("mutmut", "results", silent=True)).splitlines()
    survived = [line.strip() for line in lines if "__mutmut_" in line]
    explained = Path("docs/testing.md").read_text(encoding="utf-8")
    if unexplained := [line for line in survived if f"`{line.partition(': ')[0]}`" not in explained]:
        session.error("\n".join(["mutants that no test kills (`mutmut show NAME`):", *unexplained]))


@nox.session
def fuzz(session: nox.Session) -> None:
    """The IDX reader against inputs that look for a way through it."""
    session.install("-c", "constraints.txt", ".", "atheris")
    session.run("python", "tests/ram_envs/fuzz_idx_reader.py", *(session.posargs or ["-atheris_runs=1000000"]))
