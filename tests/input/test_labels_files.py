"""Of `labels`: the check of the files that the rows name."""

import os
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf.errors import DataError
from maskdepth_tf.input import labels
from maskdepth_tf.input.labels import Row
from tests.support import audit

LINE = b"bg/1.jpg\tfg/1.png\tc/1.jpg\tmask/1.jpg\tdepth/1.jpg"
ROW = Row("bg/1.jpg", "fg/1.png", "c/1.jpg", "mask/1.jpg", "depth/1.jpg")
OTHER = Row("bg/2.jpg", "fg/1.png", "c/2.jpg", "mask/2.jpg", "depth/2.jpg")
OTHER_LINE = b"bg/2.jpg\tfg/1.png\tc/2.jpg\tmask/2.jpg\tdepth/2.jpg"


def save(path, width=80, height=60, color=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), color).save(path)


@pytest.fixture
def data_set(tmp_path):
    """Two rows that share a foreground."""
    for row in (ROW, OTHER):
        for name in row:
            save(tmp_path / name)
    # A cut-out has any size.
    save(tmp_path / ROW.fg, 3, 5)
    labels.write(tmp_path / "labels.txt", [ROW, OTHER])
    return tmp_path


def report(folder):
    path = folder / "labels.txt"
    with pytest.raises(DataError, match=r"labels\.txt:") as caught:
        labels.check_files(labels.read(path), folder, path)
    return str(caught.value).replace(str(path), "L").splitlines()


class TestCheckFiles:
    def test_a_sound_data_set_passes(self, data_set):
        path = data_set / "labels.txt"
        found = labels.check_files(labels.read(path), data_set, path)
        assert set(found) == {name for row in labels.read(path) for name in row}

    def test_relative_folders_and_strings_do(self, data_set, monkeypatch):
        monkeypatch.chdir(data_set)
        labels.check_files([ROW, OTHER], ".", "labels.txt")
        (data_set / OTHER.bg).unlink()
        with pytest.raises(DataError, match=r"^labels.txt:2: .*bg/2.jpg: No such file"):
            labels.check_files([ROW, OTHER], ".", "labels.txt")

    @pytest.mark.parametrize("column", Row._fields)
    def test_missing_empty_and_damaged_files_are_named(self, data_set, column):
        file = data_set / getattr(OTHER, column)
        number = 1 if column == "fg" else 2
        file.write_bytes(b"")
        assert report(data_set) == [
            f"L:{number}: {file}: expected a picture, received an empty file"
        ]
        file.write_bytes(b"<html>")
        assert len(report(data_set)) == 1
        assert report(data_set)[0].startswith(f"L:{number}: {file}: expected a picture")
        file.unlink()
        assert report(data_set) == [f"L:{number}: {file}: No such file or directory"]

    def test_depth_that_is_still_to_be_made_is_told_in_one_line(self, data_set):
        for row in (ROW, OTHER):
            (data_set / row.depth).unlink()
        (data_set / OTHER.mask).unlink()
        assert report(data_set) == [
            "L: expected a depth map for each row, received none for 2 of 2; "
            f"`maskdepth dataset depth --data {data_set} --teacher NAME` makes them"
        ]
        # Where the pictures are not there either, it is another folder.
        for row in (ROW, OTHER):
            (data_set / row.fg_bg).unlink()
        assert "No such file or directory" in report(data_set)[0]

    def test_line_numbers_count_blank_lines(self, data_set):
        path = data_set / "labels.txt"
        path.write_bytes(b"\n\n" + LINE + b"\r\n\n\n" + OTHER_LINE)
        (data_set / OTHER.mask).unlink()
        assert report(data_set)[0].startswith("L:6: ")

    def test_rows_of_another_file_have_no_number(self, data_set):
        path = data_set / "labels.txt"
        (data_set / OTHER.mask).unlink()
        labels.write(path, [ROW])
        with pytest.raises(DataError, match=r"labels\.txt:\?: .*mask/2.jpg: No such"):
            labels.check_files([ROW, OTHER], data_set, path)

    def test_the_mask_has_the_size_of_fg_bg(self, data_set):
        save(data_set / OTHER.mask, 16, 12)
        assert report(data_set) == [
            "L:2: expected the mask in the size of fg_bg, 80x60, received 16x12: "
            "mask/2.jpg"
        ]

    @pytest.mark.parametrize("column", ["bg", "depth"])
    def test_bg_and_depth_have_the_shape_of_fg_bg(self, data_set, column):
        name = getattr(OTHER, column)
        for width, height in [(8, 6), (4, 3), (7, 5), (1024, 768), (1001, 751)]:
            save(data_set / name, width, height)
            labels.check_files([ROW, OTHER], data_set, data_set / "labels.txt")
        for width, height in [(60, 80), (80, 80), (1024, 640)]:
            save(data_set / name, width, height)
            assert report(data_set) == [
                "L:2: expected the aspect ratio of fg_bg, 80x60, "
                f"received {width}x{height}: {name}"
            ]

    def test_shape_is_that_of_the_upright_picture(self, data_set):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (600, 800)).save(data_set / OTHER.bg, exif=exif)
        labels.check_files([ROW, OTHER], data_set, data_set / "labels.txt")

    def test_links_inside_are_followed(self, data_set):
        (data_set / OTHER.bg).unlink()
        (data_set / OTHER.bg).symlink_to(data_set / ROW.bg)
        (data_set / "mask").rename(data_set / "elsewhere")
        (data_set / "mask").symlink_to("elsewhere")
        labels.check_files([ROW, OTHER], data_set, data_set / "labels.txt")

    def test_a_data_set_behind_a_link_passes(self, data_set, tmp_path_factory):
        link = tmp_path_factory.mktemp("links") / "data"
        link.symlink_to(data_set)
        labels.check_files([ROW, OTHER], link, link / "labels.txt")

    @pytest.mark.parametrize("how", ["file", "folder", "chain", "sibling"])
    def test_links_that_lead_out_are_refused_unopened(
        self, data_set, tmp_path_factory, how
    ):
        outside = tmp_path_factory.mktemp("outside")
        if how == "sibling":
            # Its path begins like that of the data set.
            outside = data_set.with_name(data_set.name + "-private")
        for name in (OTHER.mask, "2.jpg"):
            save(outside / name)
        file = data_set / OTHER.mask
        if how == "folder":
            (data_set / "mask").rename(data_set / "old")
            (data_set / "mask").symlink_to(outside / "mask")
        elif how == "chain":
            file.unlink()
            (data_set / "step").symlink_to(outside)
            file.symlink_to("../step/2.jpg")
        else:
            file.unlink()
            file.symlink_to(outside / "2.jpg")
        with audit.opened() as opened:
            report(data_set)
        assert [p for p in opened if str(outside) in p] == []
        assert report(data_set)[-1].startswith("L:2: mask/2.jpg: expected a file in")

    def test_a_link_to_itself_is_refused(self, data_set):
        file = data_set / OTHER.mask
        file.unlink()
        file.symlink_to(file.name)
        assert "Too many levels of symbolic links" in report(data_set)[0]

    def test_a_shared_file_is_reported_once(self, data_set):
        (data_set / ROW.fg).unlink()
        assert len(report(data_set)) == 1

    def test_all_faults_are_found_in_many_rows(self, tmp_path):
        num_rows = 2_000
        save(tmp_path / "one.jpg", 224, 224)
        names = ("fg_bg", "mask", "depth")
        rows = []
        for name in names:
            (tmp_path / name).mkdir()
        for i in range(num_rows):
            row = Row("one.jpg", "one.jpg", *(f"{name}/{i}.jpg" for name in names))
            for name in row[2:]:
                os.link(tmp_path / "one.jpg", tmp_path / name)
            rows.append(row)
        labels.write(tmp_path / "labels.txt", rows)
        started = time.process_time()
        labels.check_files(rows, tmp_path, tmp_path / "labels.txt")
        assert time.process_time() - started < 30

        bad = np.random.default_rng(0).choice(num_rows, num_rows // 100, replace=False)
        for i, index in enumerate(sorted(bad)):
            file = tmp_path / rows[index][2 + i % 3]
            file.unlink()
            if i % 4 == 1:
                file.write_bytes(b"")
            elif i % 4 > 1:
                save(file, 60, 24)
        with mock.patch.object(labels, "MAX_FAULTS", 1000):
            lines = report(tmp_path)
        numbers = [int(line.split(":")[1]) for line in lines]
        # A composite of another size fits neither its mask nor its room nor its depth.
        assert list(dict.fromkeys(numbers)) == sorted(bad + 1)
        assert report(tmp_path)[-1] == f"... and {len(lines) - 20} more"


def test_tensorflow_is_not_needed(data_set):
    code = f"""if True:
        import sys
        from maskdepth_tf.input import labels
        rows = labels.read({str(data_set / "labels.txt")!r})
        labels.check_files(rows, {str(data_set)!r}, {str(data_set / "labels.txt")!r})
        sys.exit("tensorflow" in sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)
