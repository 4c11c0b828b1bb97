from __future__ import annotations

from cnn_vs_ros.capture.stamps import ImageStamps


def taken(*pairs):
    stamps = ImageStamps()
    return stamps, [stamps.take(stamp, now) for stamp, now in pairs]


def test_images_in_their_order_are_used_without_a_word():
    _, answers = taken((10.0, 10.01), (10.03, 10.05), (10.03, 10.06), (10.07, 10.5), (19.0, 19.1))
    assert answers == [(True, '')] * 5


def test_an_older_image_is_dropped_and_counted_and_the_stream_goes_on():
    stamps, answers = taken((10.0, 10.0), (10.1, 10.1), (10.03, 10.12), (10.08, 10.13), (10.2, 10.2))
    assert [used for used, _ in answers] == [True, True, False, False, True]
    assert answers[2][1] == 'image dropped: it is 70 ms older than one that came before it'
    assert (stamps.dropped, stamps.jumps) == (2, 0)


def test_a_clock_that_was_set_is_named_and_its_images_are_used():
    stamps, answers = taken((100.0, 100.0), (40.1, 100.1), (40.2, 100.2), (700.3, 100.3), (700.4, 100.4))
    assert all(used for used, _ in answers)
    assert 'jumped back by 60.0 s' in answers[1][1]
    assert 'jumped ahead by 660.0 s' in answers[3][1]
    assert [sentence for _, sentence in answers][2::2] == ['', '']
    assert (stamps.dropped, stamps.jumps) == (0, 2)


def test_a_pause_is_no_jump_and_a_new_stream_has_no_past():
    stamps, answers = taken((10.0, 10.0), (30.0, 30.0))
    assert answers[-1] == (True, '')
    stamps.reset()
    assert stamps.take(3.0, 31.0) == (True, '')
