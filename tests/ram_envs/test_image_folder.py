"""Folders of images as people have them: what is read, how, in which split, and what is left out and named."""

import io
import os

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from ram_envs import image_folder  # noqa: E402
from ram_envs.image_folder import Reading, read_folder  # noqa: E402

RED, BLUE = (200, 30, 30), (30, 30, 200)


def save(path, size=(12, 8), colour=RED, mode="RGB", **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **how)
    return path


def pixels(path, **how):
    """A file as the retina gets it, by way of a folder that holds it."""
    listed = one_file(path)
    return Reading(**how).read(listed.paths[0], tuple(listed.sizes[0].tolist()))


def one_file(path):
    return read_folder(path.parents[1], validation_share=0, test_share=0).splits["train"]


@pytest.fixture
def photos(tmp_path):
    """Six images of cats and four of dogs, of different sizes."""
    for number in range(6):
        save(tmp_path / "photos" / "cats" / f"{number}.jpg", (12 + number, 9))
    for number in range(4):
        save(tmp_path / "photos" / "dogs" / f"{number}.png", (7, 5 + number), BLUE)
    return tmp_path / "photos"


def test_each_subfolder_is_a_class_and_every_image_is_in_one_split(photos):
    found = read_folder(photos)
    assert found.class_names == ("cats", "dogs")
    counts = {split: np.bincount(files.labels, minlength=2).tolist() for split, files in found.splits.items()}
    assert counts == {"train": [4, 2], "validation": [1, 1], "test": [1, 1]}
    paths = [path for files in found.splits.values() for path in files.paths]
    assert len(set(paths)) == len(paths) == 10
    for files in found.splits.values():
        for path, label, size in zip(files.paths, files.labels, files.sizes, strict=True):
            assert path.parent.name == found.class_names[label]
            with Image.open(path) as image:
                assert tuple(size) == image.size[::-1]
    assert found.left_out == {}
    assert found.report() == ""
    assert found.largest == (9, 17)


def test_the_seed_chooses_and_a_new_image_moves_none_or_few(photos):
    first, same, other = (read_folder(photos, 0.25, 0.25, split_seed=seed).splits for seed in (0, 0, 1))
    assert {split: files.paths for split, files in first.items()} == {
        split: files.paths for split, files in same.items()
    }
    assert {split: files.paths for split, files in first.items()} != {
        split: files.paths for split, files in other.items()
    }
    save(photos / "cats" / "new.jpg")
    later = read_folder(photos, 0.25, 0.25).splits
    moved = [path for path in first["train"].paths if path not in later["train"].paths]
    assert len(moved) <= 2
    assert [p for p in first["test"].paths if p.parent.name == "dogs"] == [
        p for p in later["test"].paths if p.parent.name == "dogs"
    ]


def test_shares_are_of_every_class(tmp_path):
    for name, count in (("a", 40), ("b", 20), ("c", 1), ("d", 2), ("e", 3)):
        for number in range(count):
            save(tmp_path / name / f"{number}.png", (2, 2))
    found = read_folder(tmp_path, validation_share=0.1, test_share=0.2)
    counts = {split: np.bincount(files.labels, minlength=5).tolist() for split, files in found.splits.items()}
    assert counts["test"] == [8, 4, 0, 1, 1]
    assert counts["validation"] == [4, 2, 0, 0, 1]
    assert counts["train"] == [28, 14, 1, 1, 1]


@pytest.mark.parametrize(("first", "middle"), [("train", "validation"), ("training", "val"), ("Train", "Valid")])
def test_folders_named_for_splits_are_the_splits(tmp_path, first, middle):
    for split, count in ((first, 3), (middle, 2), ("test", 1)):
        for name in ("cat", "dog"):
            for number in range(count):
                save(tmp_path / split / name / f"{number}.png")
    save(tmp_path / "notes" / "scan.png")
    found = read_folder(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert {split: len(files) for split, files in found.splits.items()} == {"train": 6, "validation": 4, "test": 2}
    assert {path.parents[1].name for path in found.splits["validation"].paths} == {middle}
    assert found.left_out == {"notes": "beside train, and no split"}


def test_a_split_that_is_missing_is_taken_from_the_training_images(tmp_path):
    for number in range(10):
        save(tmp_path / "train" / "cat" / f"{number}.png")
    save(tmp_path / "test" / "cat" / "0.png")
    found = read_folder(tmp_path, validation_share=0.2)
    assert {split: len(files) for split, files in found.splits.items()} == {"train": 8, "validation": 2, "test": 1}


def test_splits_without_training_images_are_classes_and_a_warning_says_so(tmp_path):
    for name in ("val/cat", "test/cat"):
        for number in range(3):
            save(tmp_path / name / f"{number}.png")
    with pytest.warns(
        UserWarning, match="test and val in .* will be taken for classes: .* only where there is a folder train"
    ):
        assert read_folder(tmp_path).class_names == ("test", "val")


def test_a_class_of_trains_is_a_class(tmp_path):
    for name in ("bus", "train", "train/steam", "test"):
        for number in range(3):
            save(tmp_path / name / f"{number}.png")
    assert read_folder(tmp_path / "train", 0, 0).class_names == ("steam",)
    (tmp_path / "test").rename(tmp_path / "tram")
    found = read_folder(tmp_path)
    assert found.class_names == ("bus", "train", "tram")
    assert sum(map(len, found.splits.values())) == 12  # those in train/steam are trains


def test_what_is_no_image_in_a_class_is_left_out_counted_and_named(photos):
    cats = photos / "cats"
    whole = (cats / "0.jpg").read_bytes()
    (cats / "empty.jpg").write_bytes(b"")
    (cats / "._0.jpg").write_bytes(b"\0\5\x16\7" + bytes(200))  # as macOS leaves it on other people's disks
    (cats / ".DS_Store").write_bytes(b"Bud1")
    (cats / "Thumbs.db").write_bytes(b"x")
    (cats / "notes.txt").write_text("a tabby")
    (cats / "cut.jpg").write_bytes(whole[:-30])
    (cats / "cut.png").write_bytes(save(photos / "dogs" / "0.png").read_bytes()[:-20])
    (cats / "broken.tif").write_bytes(save(photos / "dogs" / "x.tif").read_bytes()[:100])
    (photos / "dogs" / "x.tif").unlink()
    (cats / "gone.jpg").symlink_to(cats / "nowhere.jpg")
    os.mkfifo(cats / "pipe.jpg")
    save(photos / "cover.jpg")
    save(photos / ".git" / "objects" / "a.jpg")
    save(photos / ".cache" / "a.jpg")
    (photos / "mice").mkdir()
    (cats / "around").symlink_to(photos)
    found = read_folder(photos)
    assert found.class_names == ("cats", "dogs")
    assert sum(map(len, found.splits.values())) == 10
    assert found.left_out["cats/empty.jpg"] == "empty"
    assert found.left_out["cats/cut.jpg"] == found.left_out["cats/cut.png"] == "truncated"
    assert found.left_out["cats/notes.txt"] == "no image that Pillow reads"
    assert found.left_out["cats/broken.tif"] in ("damaged", "truncated", "no image that Pillow reads")
    assert found.left_out["cats/gone.jpg"] == "cannot be opened (No such file or directory)"
    assert found.left_out["cats/pipe.jpg"] == "no file"
    assert found.left_out["cover.jpg"] == "in no class folder"
    assert found.left_out["mice"] == "class folder(s) without an image"
    assert found.left_out["cats/around"] == "link(s) in a circle"
    hidden = {path for path, reason in found.left_out.items() if reason == "hidden"}
    assert hidden == {"cats/._0.jpg", "cats/.DS_Store", "cats/Thumbs.db", ".git", ".cache"}
    report = found.report(names=2)
    assert report.startswith(f"{len(found.left_out)} of what is in {photos} is left out:")
    assert "2 truncated: cats/cut.jpg, cats/cut.png" in report
    assert "5 hidden: " in report
    assert "and 3 more" in report


def test_hidden_files_alone_are_no_news(photos):
    (photos / "cats" / ".DS_Store").write_bytes(b"Bud1")
    found = read_folder(photos)
    assert found.report() == ""
    assert list(found.left_out) == ["cats/.DS_Store"]


@pytest.mark.parametrize("name", ["a.TIF", "a.tiff", "a.JPEG", "a.Jpg", "a.PNG", "a.BMP", "a.gif", "a.webp", "a.ppm"])
def test_any_ending_will_do(tmp_path, name):
    save(tmp_path / "cat" / name)
    np.testing.assert_allclose(pixels(tmp_path / "cat" / name)[4, 4], RED, atol=10)


def test_the_content_says_what_a_file_is(tmp_path):
    save(tmp_path / "cat" / "x", format="PNG")
    save(tmp_path / "cat" / "y.jpg", format="BMP")
    assert len(one_file(tmp_path / "cat" / "x")) == 2


def test_a_folder_named_like_a_file_is_a_folder(tmp_path):
    save(tmp_path / "cat" / "x.jpg" / "0.png")
    save(tmp_path / "y.jpg" / "0.png")
    found = read_folder(tmp_path, 0, 0)
    assert found.class_names == ("cat", "y.jpg")
    assert len(found.splits["train"]) == 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("largest_side", [None, 24])
def test_exif_is_turned_upright(tmp_path, orientation, ending, largest_side):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24] = 255  # the upper left quarter
    stored = Image.fromarray(upright)
    back = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}  # fmt: skip
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[back[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "cat").mkdir()
    stored.save(tmp_path / "cat" / f"a.{ending}", exif=exif)
    assert one_file(tmp_path / "cat" / "a").sizes.tolist() == [[32, 48]]
    found = pixels(tmp_path / "cat" / "a", largest_side=largest_side).astype(int)
    height, width = (32, 48) if largest_side is None else (16, 24)
    assert found.shape == (height, width, 3)
    assert found[height // 4, width // 4].min() > 200
    assert max(found[y, x].max() for y, x in ((-4, 4), (4, -4), (-4, -4))) < 50


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_exif_that_is_nonsense_is_no_reason_to_leave_an_image_out(tmp_path, exif):
    save(tmp_path / "cat" / "a.jpg", exif=exif)
    assert pixels(tmp_path / "cat" / "a.jpg").shape == (8, 12, 3)


def test_sixteen_bits_become_eight_over_their_whole_range(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    (tmp_path / "cat").mkdir()
    for ending in ("png", "tif"):
        Image.fromarray(values).save(tmp_path / "cat" / f"a.{ending}")
        np.testing.assert_array_equal(pixels(tmp_path / "cat" / "a", channels=1)[..., 0], [[0, 1, 128, 255]])
        (tmp_path / "cat" / f"a.{ending}").unlink()
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "cat" / "f.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "cat" / "f.tif", channels=1)[..., 0], [[0, 128, 255]])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_transparent_pixels_lie_on_the_background(tmp_path, mode):
    image = Image.new("RGBA", (4, 2), (255, 0, 0, 0))  # red that nobody is to see
    image.putpixel((0, 0), (0, 0, 0, 255))
    (tmp_path / "cat").mkdir()
    ending = "tif" if mode == "PA" else "png"
    (image.quantize() if mode == "P" else image.convert("RGBA" if mode == "PA" else mode)).save(
        tmp_path / "cat" / f"a.{ending}"
    )
    for background, colour in (("white", (255, 255, 255)), ("#102030", (16, 32, 48))):
        found = pixels(tmp_path / "cat" / "a", background=background)
        assert found[0, 0].tolist() == [0, 0, 0]
        np.testing.assert_array_equal(found[1], np.tile(colour, (4, 1)))


@pytest.mark.parametrize(
    ("mode", "colour", "ending"),
    [
        ("L", 120, "png"),
        ("1", 1, "png"),
        ("CMYK", (0, 255, 255, 50), "jpg"),
        ("P", 0, "png"),
        ("YCbCr", (90, 90, 200), "jpg"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_colour_is_read(tmp_path, mode, colour, ending, channels):
    path = save(tmp_path / "cat" / f"a.{ending}", colour=colour, mode=mode)
    expected = np.asarray(Image.open(path).convert("RGB" if channels == 3 else "L")).reshape(8, 12, channels)
    np.testing.assert_array_equal(pixels(path, channels=channels), expected)


def test_colours_that_pillow_turns_into_rgb_alone_are_read_as_grey_too(tmp_path):
    path = save(tmp_path / "cat" / "a.tif", colour=(90, 130, 140), mode="LAB")
    expected = np.asarray(Image.open(path).convert("RGB").convert("L"))
    np.testing.assert_array_equal(pixels(path, channels=1)[..., 0], expected)


def test_an_image_is_shrunk_only_where_that_is_asked_for(tmp_path):
    path = save(tmp_path / "cat" / "a.jpg", (200, 100))
    assert pixels(path).shape == (100, 200, 3)
    assert pixels(path, largest_side=50).shape == (25, 50, 3)
    assert pixels(path, largest_side=200).shape == (100, 200, 3)
    np.testing.assert_allclose(pixels(path, largest_side=33), np.broadcast_to(RED, (16, 33, 3)), atol=10)


def test_a_photograph_with_more_behind_its_end_is_whole(tmp_path):
    path = save(tmp_path / "cat" / "a.jpg")
    path.write_bytes(path.read_bytes() + bytes(10_000))  # a film, say
    assert len(one_file(path)) == 1


def test_a_truncated_photograph_with_a_whole_thumbnail_is_truncated(tmp_path):
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 16)).save(thumbnail, "JPEG")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    (tmp_path / "cat").mkdir()
    comment = thumbnail.getvalue()
    Image.fromarray(noise).save(tmp_path / "cat" / "a.jpg", comment=comment, quality=95)
    save(tmp_path / "cat" / "b.png")
    content = (tmp_path / "cat" / "a.jpg").read_bytes()
    assert len(one_file(tmp_path / "cat" / "a.jpg")) == 2
    (tmp_path / "cat" / "a.jpg").write_bytes(content[:-5000])
    assert read_folder(tmp_path, 0, 0).left_out == {"cat/a.jpg": "truncated"}


def test_an_image_that_changes_or_goes_while_it_is_used_is_named(tmp_path):
    path = save(tmp_path / "cat" / "a.png")
    save(path, (3, 3))
    with pytest.raises(OSError, match=r"a\.png has changed since its folder was listed"):
        Reading().read(path, (8, 12))
    path.unlink()
    with pytest.raises(OSError, match=r"a\.png cannot be read as an image"):
        Reading().read(path, (8, 12))


def test_a_file_is_looked_at_once_as_long_as_it_does_not_change(photos, monkeypatch):
    opened = []
    whole = image_folder._opened
    monkeypatch.setattr(image_folder, "_opened", lambda path: opened.append(path) or whole(path))
    read_folder(photos)
    assert len(opened) == 10
    read_folder(photos)
    save(photos / "cats" / "0.jpg", (70, 70))
    read_folder(photos)
    assert len(opened) == 11


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"folder": "nowhere"}, "must name a folder"),
        ({"folder": 3}, "must name a folder"),
        ({"validation_share": 1.0}, "validation_share"),
        ({"test_share": -0.1}, "test_share"),
        ({"validation_share": 0.5, "test_share": 0.5}, "must leave something for training"),
        ({"split_seed": -1}, "split_seed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(photos, change, said):
    with pytest.raises(ValueError, match=said):
        read_folder(**{"folder": photos, **change})


@pytest.mark.parametrize(
    "how", [{"channels": 2}, {"background": "no such colour"}, {"background": 3}, {"largest_side": 0}]
)
def test_a_way_of_reading_that_cannot_be_is_refused_by_name(how):
    with pytest.raises(ValueError, match=next(iter(how))):
        Reading(**how)


def test_a_folder_train_is_a_split_beside_what_holds_no_images_and_beside_testing(tmp_path):
    for name in ("a", "b"):
        for number in range(8):
            save(tmp_path / "train" / name / f"{number}.png")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "all.xml").write_text("x")
    found = read_folder(tmp_path)
    assert found.class_names == ("a", "b")
    assert found.left_out == {"annotations": "beside train, and no split"}
    for name in ("a", "b"):
        save(tmp_path / "Testing" / name / "0.png")
    assert len(read_folder(tmp_path).splits["test"]) == 2
    save(tmp_path / "extra" / "0.png")
    (tmp_path / "Testing").rename(tmp_path / "spare")
    with pytest.warns(UserWarning, match="train in .* will be taken for classes: .* and beside it no class"):
        assert read_folder(tmp_path).class_names == ("extra", "spare", "train")


def test_a_test_without_classes_is_named_and_taken_from_the_training_images(tmp_path):
    for number in range(8):
        save(tmp_path / "train" / "cat" / f"{number}.png")
        save(tmp_path / "train" / "dog" / f"{number}.png")
        save(tmp_path / "test" / f"{number}.png")
    found = read_folder(tmp_path)
    assert {split: len(files) for split, files in found.splits.items()} == {"train": 12, "validation": 2, "test": 2}
    assert "8 in no class folder: test/0.png" in found.report()


def test_a_single_class_is_named_since_the_classes_may_lie_deeper(photos):
    assert "one class, photos: nothing to tell apart" in read_folder(photos.parent).report()
    assert "one class" not in read_folder(photos).report()


def test_a_class_that_there_is_nothing_to_learn_from_is_named(tmp_path):
    for name in ("train/cat", "train/dog", "test/cat", "test/cow"):
        for number in range(3):
            save(tmp_path / name / f"{number}.png")
    with pytest.warns(UserWarning, match="no image to learn these classes from, only such to be scored on: cow"):
        assert read_folder(tmp_path).class_names == ("cat", "cow", "dog")


def test_a_folder_called_by_a_number_is_told_how_to_be_written():
    with pytest.raises(ValueError, match=r"got 2024\. A folder that is called by a number is written \./2024"):
        read_folder(2024)


def test_a_folder_without_images_says_what_it_has_instead(tmp_path):
    with pytest.raises(ValueError, match="no subfolders with images in them"):
        read_folder(tmp_path)
    save(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match=r"(?s)no subfolders with images.*1 in no class folder: a\.jpg"):
        read_folder(tmp_path)


def test_too_few_images_to_be_divided_are_told(tmp_path):
    for number in range(2):
        save(tmp_path / "cat" / f"{number}.png")
    with pytest.raises(ValueError, match=r"no image for the split 'validation'.*validation_share=0"):
        read_folder(tmp_path)
    (tmp_path / "cat" / "x.txt").write_text("x")
    with pytest.raises(ValueError, match=r"(?s)no image for the split.*1 no image that Pillow reads: cat/x\.txt"):
        read_folder(tmp_path)
    assert len(read_folder(tmp_path, validation_share=0).splits["test"]) == 1


def test_names_of_any_kind_are_read_and_printed(tmp_path):
    for name in ("mit Leerzeichen", "a=b,c", "図", os.fsdecode(b"caf\xe9")):
        try:
            save(tmp_path / name / "0.png")
        except OSError:
            pytest.skip("this file system takes no such names")
        (tmp_path / name / "x.txt").write_text("x")
    found = read_folder(tmp_path, 0, 0)
    assert len(found.splits["train"]) == 4
    found.report(names=9).encode()
    "".join(found.class_names).encode()


def test_without_pillow_one_sentence_says_what_to_install(photos, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ValueError, match=r'pip install "ram-envs\[images\]"'):
        read_folder(photos)
