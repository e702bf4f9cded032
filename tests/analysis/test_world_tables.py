"""Tables of somebody else's worlds: a row for each result that there is, of returns or of errors."""

import json

from agents.analysis.world_tables import times_of_images, world_table

RUN = {"frames": 12345, "minutes": 1.5, "date": "2026-01-02"}


def test_there_is_a_row_for_each_result_in_its_order(tmp_path):
    assert "No results yet" in world_table("lava", tmp_path)
    score = {"episodes": 500, "standard_error": 0.0123, "mean_return": 0.876, "mean_glimpses": 9.25}
    for name in ("lava-ppo-learned", "lava-learned"):
        (tmp_path / f"{name}.json").write_text(json.dumps({**RUN, "test": score}))
    first, _, *rows = world_table("lava", tmp_path).splitlines()
    assert "mean return" in first
    assert rows == [
        f"| {agent}, learnt gaze | 0.88 ± 0.01 | 500 | 9.2 | 12,345 | 1.5 | 2026-01-02 |"
        for agent in ("our agent", "PPO")
    ]


def test_images_have_errors(tmp_path):
    score = {"episodes": 900, "success": 0.875, "standard_error": 0.011, "error_percent": 12.5}
    (tmp_path / "images-conv-whole.json").write_text(json.dumps({**RUN, "test": score}))
    assert "| 12.5 ± 1.1 | 900 | - |" in world_table("images", tmp_path)


def test_times_are_told_by_size(tmp_path):
    assert "No results yet" in times_of_images(tmp_path / "image_times.json")
    numbers = {
        "read_milliseconds": 6.04,
        "look_milliseconds": 0.07,
        "episode_milliseconds": 19.1,
        "network_milliseconds": 8.0,
    }
    row = {"width": 600, "height": 400, "shrunk": True, "scales": 7, "table_megabytes": 2.91, **numbers}
    (tmp_path / "image_times.json").write_text(json.dumps({"rows": [row]}))
    table = times_of_images(tmp_path / "image_times.json")
    assert table.endswith("| 600x400, shrunk as it is read | 7 | 2.9 | 6.0 | 0.07 | 19.1 | 8.0 |")
