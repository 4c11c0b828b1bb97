"""Command line of the training package: `python -m training VERB`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cnn_vs_ros.errors import VisualServoingError
from training.commands import (
    benchmark,
    corpus,
    dataset,
    evaluate,
    export,
    finetune,
    fit_confidence,
    pretrain,
    validate,
)

# A verb is a module of training.commands with SUMMARY, add_arguments and run; register it here.
COMMANDS = {
    'corpus': corpus,
    'pretrain': pretrain,
    'dataset': dataset,
    'finetune': finetune,
    'evaluate': evaluate,
    'validate': validate,
    'export': export,
    'benchmark': benchmark,
    'fit-confidence': fit_confidence,
}


def make_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of ``python -m training``; only the verb `chosen` declares its arguments, if one is."""
    parser = argparse.ArgumentParser(prog='python -m training', description=__doc__)
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for name, command in COMMANDS.items():
        verb = verbs.add_parser(name, help=command.SUMMARY, description=command.__doc__)
        if chosen in (None, name):
            command.add_arguments(verb)
        verb.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, run the verb and return the exit status (0 done, 2 bad request, 130 interrupted)."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = make_parser(given[0] if given else '').parse_args(given)
    try:
        return int(arguments.run(arguments))
    except VisualServoingError as error:
        print(f'python -m training {arguments.verb}: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        # Of the file system, where no verb said it better: a folder that cannot be written, a full disk.
        said = f'cannot read or write {error.filename}: {error.strerror}' if error.filename else str(error)
        print(f'python -m training {arguments.verb}: {said}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
