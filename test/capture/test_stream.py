"""Images of folders and videos, through what happens to files."""

import os
import shutil
import threading
import time

import cv2
import numpy as np
import pytest

from cnn_vs_ros.capture import ImageStream, SourceError, open_source

PATIENCE = 10.0


def shade(grey):
    return np.full((24, 32, 3), grey, np.uint8)


def write_folder(path, greys=(10, 20, 30)):
    path.mkdir()
    for index, grey in enumerate(greys):
        cv2.imwrite(str(path / f'{index:03d}.png'), shade(grey))
    return path


def write_video(path, greys=(10, 120, 240)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 50.0, (32, 24))
    for grey in greys:
        writer.write(shade(grey))
    writer.release()
    return path


class Watcher:
    """A stream with what it delivered and said."""

    def __init__(self, name, **options):
        self.greys, self.events, self.ended = [], [], []
        self.news = threading.Condition()
        self.stream = ImageStream(
            lambda: open_source(str(name), rate=100.0),
            lambda image: self.note(self.greys, round(image.mean())),
            lambda sentence: self.note(self.events, sentence),
            reconnect_period=0.05,
            **options,
        )
        self.stream.start(lambda error: self.note(self.ended, error))

    def note(self, items, item):
        with self.news:
            items.append(item)
            self.news.notify_all()

    def wait(self, condition):
        with self.news:
            assert self.news.wait_for(condition, PATIENCE), (self.greys[-5:], self.events)

    def wait_for_images(self, count=4):
        wanted = len(self.greys) + count
        self.wait(lambda: len(self.greys) >= wanted)


@pytest.fixture
def watch():
    watchers = []

    def start(name, **options):
        watchers.append(Watcher(name, **options))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.stream.stop()


def test_a_folder_is_read_in_the_order_of_names_again_and_again(tmp_path, watch):
    watcher = watch(write_folder(tmp_path / 'images'))
    watcher.wait(lambda: len(watcher.greys) >= 7)
    assert watcher.greys[:7] == [10, 20, 30, 10, 20, 30, 10]


def test_without_loop_the_stream_ends_after_the_last_image(tmp_path, watch):
    for source in (write_folder(tmp_path / 'images', (10, 120, 240)), write_video(tmp_path / 'clip.avi')):
        watcher = watch(source, loop=False)
        watcher.wait(lambda watcher=watcher: watcher.ended)
        assert watcher.ended == [None]
        np.testing.assert_allclose(watcher.greys, [10, 120, 240], atol=3)


def test_a_video_has_its_own_rate(tmp_path):
    assert open_source(str(write_video(tmp_path / 'clip.avi'))).rate == pytest.approx(50.0)


@pytest.mark.parametrize('write', [write_folder, write_video])
def test_a_source_that_vanishes_is_said_and_taken_up_again_when_it_is_back(tmp_path, watch, write):
    source, hidden = write(tmp_path / 'source.avi'), tmp_path / 'hidden'
    watcher = watch(source)
    watcher.wait_for_images()
    os.rename(source, hidden)
    watcher.wait(lambda: any('trying again every' in event for event in watcher.events))
    count = len(watcher.greys)
    time.sleep(0.2)
    assert len(watcher.greys) == count
    os.rename(hidden, source)
    watcher.wait(lambda: watcher.events[-1] == 'the source is back')
    watcher.wait_for_images()


def test_a_folder_emptied_meanwhile_is_waited_for(tmp_path, watch):
    folder = write_folder(tmp_path / 'images')
    watcher = watch(folder)
    for file in folder.iterdir():
        file.unlink()
    watcher.wait(lambda: watcher.events)
    shutil.rmtree(folder)
    write_folder(folder, (77,))
    watcher.wait(lambda: 77 in watcher.greys)


def test_an_image_that_cannot_be_decoded_is_said_and_left_out(tmp_path, watch):
    folder = write_folder(tmp_path / 'images')
    (folder / '001.png').write_bytes(b'no image')
    watcher = watch(folder)
    watcher.wait_for_images(6)
    assert set(watcher.greys) == {10, 30}
    assert '001.png should be an encoded image' in watcher.events[0]


def test_what_a_callback_raises_ends_the_stream(tmp_path):
    ended = threading.Event()
    errors = []
    stream = ImageStream(lambda: open_source(str(write_folder(tmp_path / 'images'))), lambda image: 1 // 0)
    stream.start(lambda error: (errors.append(error), ended.set()))
    assert ended.wait(PATIENCE)
    assert isinstance(errors[0], ZeroDivisionError)


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [
        ('', 'but is empty'),
        ('/nowhere/at/all', 'there is no /nowhere/at/all'),
        ('/dev/video_none', 'is it plugged in'),
        ('{folder}', 'should hold images but has none'),
        ('{folder}/text.avi', 'should be a video but cannot be opened'),
    ],
)
def test_sources_that_cannot_be_opened_are_refused_with_a_sentence(tmp_path, name, sentence):
    (tmp_path / 'text.avi').write_text('no video')
    with pytest.raises(SourceError, match=sentence):
        open_source(name.format(folder=tmp_path))


class FakeDevice:
    """Stands for cv2.VideoCapture: unplugged after three images, back at the fourth opening."""

    opened = 0
    asked: dict = {}  # noqa: RUF012

    def __init__(self, name, backend):
        assert (name, backend) == (0, cv2.CAP_V4L2)
        FakeDevice.opened += 1
        self._there, self._left = FakeDevice.opened not in (2, 3), 3 if FakeDevice.opened == 1 else 1000

    def isOpened(self):
        return self._there

    def set(self, key, value):
        FakeDevice.asked[key] = value

    def read(self):
        time.sleep(0.002)
        self._left -= 1
        return (True, shade(50)) if self._left >= 0 else (False, None)

    def release(self):
        pass


def test_a_device_that_is_unplugged_is_taken_up_again(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', FakeDevice)
    news, images, events = threading.Event(), [], []
    stream = ImageStream(
        lambda: open_source('0', rate=25.0, size=(32, 24)),
        lambda image: (images.append(image), len(images) > 10 and news.set()),
        events.append,
        reconnect_period=0.02,
    )
    stream.start()
    assert news.wait(PATIENCE)
    stream.stop()
    assert FakeDevice.opened == 4
    assert FakeDevice.asked[cv2.CAP_PROP_FRAME_WIDTH] == 32
    assert FakeDevice.asked[cv2.CAP_PROP_FPS] == 25.0
    assert events == ['camera 0 has ceased to deliver images; trying again every 0.02 s', 'the source is back']
