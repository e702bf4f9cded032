"""Hostile files: data and checkpoints that are cut, changed, lying or wicked end in our own errors, and take no memory."""

import dataclasses
import gzip
import hashlib
import io
import json
import math
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from agents.classifiers.config import ClassifierConfig  # noqa: E402
from agents.experiment.episodes import make_envs  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, METRICS  # noqa: E402
from agents.ram.checkpoint import load_agent, load_state, save_state  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402
from ram_envs import datasets  # noqa: E402
from ram_envs.datasets import FILES, BadDataFile, fetch, read_idx  # noqa: E402

TINY = PRESETS["catch"].but(
    env_args=("screen_size=6",), network={"hidden_size": 8}, learning={"batch_size": 4}, run={"episodes": 16}
)
many = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def spoiled(draw, good):
    """A good file with bytes cut off, changed, taken out or put in."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.sampled_from(["cut", "change", "take out", "put in"]))
        if how == "cut":
            del content[place:]
        elif how == "change" and content:
            content[place] ^= draw(st.integers(1, 255))
        elif how == "take out":
            del content[place : place + draw(st.integers(1, 40))]
        else:
            content[place:place] = draw(st.binary(min_size=1, max_size=8))
    return bytes(content)


def attempt(read, *args):
    """What a reader returns, or else the error of ours that it raises."""
    try:
        return read(*args), None
    except ValueError as error:  # BadDataFile is one
        return None, str(error)


def peak(work):
    """Bytes that a piece of work held at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Data


def idx(shape):
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(math.prod(shape))


headers = st.builds(
    lambda magic, sizes, rest: magic + struct.pack(f">{len(sizes)}I", *sizes) + rest,
    st.sampled_from([b"\0\0\x08\x01", b"\0\0\x08\x02", b"\0\0\x08\x03", b"\0\0\x08\x04", b"\0\0\x0d\x03", b"\0\0\x08\xff"]),
    st.lists(st.sampled_from([0, 1, 2, 3, 28, 2**16, 2**31, 2**32 - 1]), max_size=5),
    st.binary(max_size=40),
)  # fmt: skip


@many
@given(data=st.one_of(st.binary(max_size=60), headers, spoiled(idx((2, 3, 4))), spoiled(idx((7,)))))
def test_idx_reader_gives_all_bytes_that_were_promised_or_its_own_error(data):
    def read():
        array, refusal = attempt(read_idx, data)
        if refusal is None:
            assert array.tobytes() == data[4 + 4 * array.ndim :]
            assert idx(array.shape)[: 4 + 4 * array.ndim] == data[: 4 + 4 * array.ndim]

    assert peak(read) < 100_000


@settings(many, max_examples=200)
@given(data=st.data())
def test_data_file_that_was_spoiled_is_never_used(data, fake_mnist_folder, fake_source, tmp_path_factory):
    file = data.draw(st.sampled_from(FILES))
    zipped = data.draw(st.booleans())
    good = (fake_mnist_folder / file).read_bytes()
    bad = data.draw(spoiled(gzip.compress(good, mtime=0) if zipped else good))
    if (gzip.compress(good, mtime=0) if zipped else good) == bad:
        return
    path = tmp_path_factory.getbasetemp() / (f"{file}.gz" if zipped else file)
    path.write_bytes(bad)
    expected = hashlib.sha256(good).hexdigest()
    content, refusal = attempt(datasets._read_checked, path, expected)
    if refusal is None:
        assert content == good  # a byte of gzip's header that says nothing
    else:
        assert f"{path} is not the original file: expected SHA-256 {expected}" in refusal


@pytest.mark.parametrize("zipped", [False, True])
def test_file_that_unpacks_to_more_than_any_data_file_is_given_up_early(fake_mnist, tmp_path, monkeypatch, zipped):
    monkeypatch.setattr(datasets, "LARGEST_FILE", 2**20)
    content = bytes(2**26)
    path = tmp_path / (f"{FILES[0]}.gz" if zipped else FILES[0])
    path.write_bytes(gzip.compress(content) if zipped else content)

    def read():
        with pytest.raises(BadDataFile, match="found more bytes than it can have"):
            fetch("mnist", tmp_path)

    assert peak(read) < 2**23


def test_largest_data_file_is_as_large_as_the_real_ones_need():
    assert datasets.LARGEST_FILE > 16 + 60_000 * 28 * 28


# Checkpoints


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run after a step, and an environment for its agent."""
    folder = tmp_path_factory.mktemp("trained")
    trainer = Trainer(TINY, folder)
    trainer.step()
    trainer.save()
    return folder, make_envs(TINY, 1)


def small(**changes):
    """A checkpoint in form, with little in it."""
    tensors = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
    return {"holds": "an agent", "config": TINY.to_json(), "agent": tensors, "update": 1, "curve": [1.5], **changes}


def written(**changes):
    buffer = io.BytesIO()
    torch.save({"format": 2, **small(**changes)}, buffer)
    return buffer.getvalue()


def parts(checkpoint):
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PARTS = parts(written())
PICKLE = next(name for name in PARTS if name.endswith("data.pkl"))


@many
@given(content=st.one_of(spoiled(written()), st.binary(max_size=200)))
def test_checkpoint_that_was_spoiled_is_refused_or_read_as_it_was_written(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "spoiled.pt"
    path.write_bytes(content)
    found, refusal = attempt(load_state, path)
    if refusal is None:
        assert all(torch.equal(found["agent"][name], tensor) for name, tensor in small()["agent"].items())
        assert found["config"] == TINY
    else:
        assert str(path) in refusal


@many
@given(content=st.one_of(spoiled(PARTS[PICKLE]), st.binary(max_size=60).map(lambda end: b"\x80\x02" + end)))
def test_checkpoint_with_a_hostile_pickle_is_read_or_refused(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "hostile.pt"
    path.write_bytes(packed({**PARTS, PICKLE: content}))
    found, refusal = attempt(load_state, path)
    assert isinstance(found["config"], Config) if refusal is None else str(path) in refusal


def test_checkpoint_whose_weights_say_that_they_are_a_folder_is_refused(tmp_path):
    content, path = bytearray(written()), tmp_path / "folder.pt"
    directory = content.rindex(b"archive/data/0") - 8  # the attributes of the entry, in the table at the end
    assert content[directory : directory + 4] == bytes(4)
    content[directory] = 0x10
    path.write_bytes(content)
    with pytest.raises(ValueError, match="folder"):
        load_state(path)


def test_checkpoint_with_one_bit_changed_in_a_weight_is_refused(tmp_path):
    content, path = written(), tmp_path / "flipped.pt"
    first = content.index(np.arange(6, dtype=np.float32).tobytes())
    for place in range(first, first + 24):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            load_state(path)


class Wicked:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_code_in_a_checkpoint_never_runs(tmp_path):
    proof, path = tmp_path / "proof", tmp_path / CHECKPOINT
    wicked = Wicked(f"echo ran > {proof}")
    for protocol in (2, 4):
        inside = pickle.dumps({"format": 2, **small(agent=wicked)}, protocol)
        for content in (packed({**PARTS, PICKLE: inside}), inside):
            path.write_bytes(content)
            for read in (load_state, lambda path: train(TINY, path.parent, resume=True)):
                with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
                    read(path)
    assert not proof.exists()
    pickle.loads(inside)  # it would have
    assert proof.exists()


GREEDY = b"\x80\x02}X\x06\x00\x00\x00formatcbuiltins\nbytearray\n\x8a\x05" + (2**32).to_bytes(5, "little") + b"\x85Rs."


def lying_storage():
    """The storage of "w" is said to have 2**31 - 1 numbers in place of 6."""
    honest, lie = b"K\x06tq", b"J\xff\xff\xff\x7ftq"
    assert honest in PARTS[PICKLE]
    return PARTS[PICKLE].replace(honest, lie, 1)


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (lambda: packed({**PARTS, PICKLE: GREEDY}), "bytearray"),  # four gigabytes of zeros, in 60 bytes: torch obeys
        (lambda: packed({**PARTS, PICKLE: lying_storage()}), "."),
        (lambda: packed(parts(written(agent={"w": torch.zeros(2**25)})), zipfile.ZIP_DEFLATED), "more than its size"),
    ],
    ids=["bytearray", "storage", "bomb"],
)
def test_checkpoint_that_claims_much_memory_gets_little(tmp_path, hostile, said):
    resource = pytest.importorskip("resource")
    path = tmp_path / CHECKPOINT
    path.write_bytes(hostile())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def read():
        with pytest.raises(ValueError, match=f"cannot be read as a checkpoint.*{said}"):
            load_state(path)

    assert peak(read) < 2**24
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB (bytes on macOS: stricter)


def test_agent_whose_settings_claim_a_huge_network_is_refused_before_it_is_built(trained, tmp_path):
    folder, envs = trained
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    for size in (10**5, 10**9, 10**15):
        config = TINY.but(network={"hidden_size": size}).to_dict()
        save_state(tmp_path / CHECKPOINT, {**state, "config": json.dumps(config)})
        with pytest.raises(ValueError, match="does not fit"):
            load_agent(tmp_path / CHECKPOINT, envs)


def test_checkpoint_of_another_version_or_program_is_told_so(tmp_path):
    path = tmp_path / CHECKPOINT
    for wrong in (0, 1, "2", None, torch.ones(2), [1]):
        torch.save({**small(), "format": wrong}, path)
        with pytest.raises(ValueError, match=r"not a checkpoint of format 2: .* another program or version"):
            load_state(path)
    for other in ([1, 2], torch.ones(2), {}):
        torch.save(other, path)
        with pytest.raises(ValueError, match="not a checkpoint of format 2"):
            load_state(path)
    torch.save({"format": 2, **small()}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_state(path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"network": {"hiden_size": 3}}', r"Unknown settings \['hiden_size'\]"),
        ('{"network": {"hidden_size": "3"}}', "TypeError"),
        ('{"network": {"hidden_size": 0}}', "hidden_size must be above 0"),
        ('{"learning": {"discount": null}}', "TypeError"),
        ('{"learning": 3}', "."),
        ("{", "JSONDecodeError"),
        ("[3]", "."),
        ("null", "."),
        (None, "."),
        (7, "."),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_the_reason(tmp_path, config, said):
    path = tmp_path / CHECKPOINT
    save_state(path, small(config=config))
    with pytest.raises(ValueError, match=rf"holds settings that cannot be used: .*{said}"):
        load_state(path)
    save_state(path, {name: value for name, value in small().items() if name != "config"})
    with pytest.raises(ValueError, match="settings that cannot be used: KeyError"):
        load_state(path)


@pytest.mark.parametrize("kind", [Config, ClassifierConfig])
@given(found=st.dictionaries(st.text(max_size=12), st.none() | st.integers() | st.text(max_size=5), min_size=1))
@settings(max_examples=50, deadline=None)
def test_unknown_settings_are_named(kind, found):
    unknown = sorted(set(found) - {field.name for field in dataclasses.fields(kind)})
    if unknown:
        with pytest.raises(ValueError, match="Unknown settings") as error:
            kind.from_dict(found)
        assert str(unknown) in str(error.value)


def changed(state, *path, value):
    """A copy of a state with another value at one place of it."""
    copy = dict(state)
    copy[path[0]] = changed(state[path[0]], *path[1:], value=value) if path[1:] else value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("agent", "baseline_network.weight"), torch.zeros(1, 9)),
        (("agent", "baseline_network.weight"), "weight"),
        (("agent",), {}),
        (("agent",), None),
        (("optimizer", "state", 0, "exp_avg"), torch.zeros(2)),  # a fused kernel would write beyond its end
        (("optimizer", "state", 0, "exp_avg_sq"), torch.zeros(1).expand(128, 108)),
        (("optimizer", "param_groups"), []),
        (("optimizer",), 3),
        (("sampling",), torch.zeros(5, dtype=torch.uint8)),
        (("sampling",), None),
        (("lanes",), ["{}"] * 4),
        (("lanes",), []),
        (("commits",), 1),
    ],
)
def test_state_that_does_not_fit_the_run_is_refused(trained, tmp_path, path, value):
    state = torch.load(trained[0] / CHECKPOINT, weights_only=True)
    save_state(tmp_path / CHECKPOINT, changed(state, *path, value=value))
    with pytest.raises(ValueError, match=r"does not fit this run: \w+"):
        train(TINY, tmp_path, resume=True)


def test_state_that_lacks_a_part_is_refused(trained, tmp_path):
    state = torch.load(trained[0] / CHECKPOINT, weights_only=True)
    for name in ("agent", "optimizer", "sampling", "lanes", "update", "window", "commits"):
        save_state(tmp_path / CHECKPOINT, {key: value for key, value in state.items() if key != name})
        with pytest.raises(ValueError, match=f"does not fit this run: KeyError: '{name}'"):
            Trainer(TINY, tmp_path).restore(load_state(tmp_path / CHECKPOINT))


@pytest.mark.parametrize("agent", [{}, None, {"w": 3}, {"w": torch.zeros(2)}])
def test_agent_that_is_none_is_refused(trained, tmp_path, agent):
    save_state(tmp_path / CHECKPOINT, small(agent=agent))
    with pytest.raises(ValueError, match="does not fit"):
        load_agent(tmp_path / CHECKPOINT, trained[1])


def test_log_shorter_than_its_checkpoint_says_is_told(trained, tmp_path):
    state = torch.load(trained[0] / CHECKPOINT, weights_only=True)
    save_state(tmp_path / CHECKPOINT, {**state, "metrics_bytes": 7})
    (tmp_path / METRICS).write_text("short")
    with pytest.raises(ValueError, match=f"{METRICS} is shorter than when the checkpoint was written"):
        train(TINY, tmp_path, resume=True)


def test_arrays_of_ones_own_that_are_no_numbers_are_refused():
    for images in (np.zeros((2, 3, 3), "m8[s]"), np.zeros((2, 3, 3), object), np.zeros((2, 3, 3), complex)):
        with pytest.raises(TypeError, match="images must be uint8"):
            datasets.as_labelled_images(images, [0, 1])
