from __future__ import annotations

from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings


class Log:
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def warning(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_a_sentence_is_said_once_in_a_period_and_does_not_hide_another():
    log = Log()
    warn = ThrottledWarnings(log, period=3600.0)
    for sentence in ('a', 'a', 'b', 'a', 'b'):
        warn(sentence)
    assert log.sentences == ['a', 'b']


def test_a_sentence_with_other_numbers_is_the_same_one():
    log = Log()
    warn = ThrottledWarnings(log, period=3600.0)
    for age in (0.25, 0.3, -1.2e-9):
        warn(f'it is {age} s ahead')
    for joint in ('wrist_1', 'wrist_2'):
        warn(f'{joint} is late')
    assert log.sentences == ['it is 0.25 s ahead', 'wrist_1 is late', 'wrist_2 is late']


def test_a_sentence_is_repeated_after_the_period():
    log = Log()
    warn = ThrottledWarnings(log, period=0.0)
    warn('a')
    warn('a')
    assert log.sentences == ['a', 'a']
