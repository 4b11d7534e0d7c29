"""The process that ``FilterProcess`` starts: loads one engine, and answers each frame and each command with its own.

``python -m densenoiser_models.engines.worker ENGINE IN OUT DOMAIN CATALOGUES``, where IN and OUT are pipes. The last two
are for messages in the user's language.
"""

from __future__ import annotations

import gettext
import os
import signal
import sys

import numpy as np

from .catalogue import engines
from .engine_denoiser import Filter
from .filter_process import FRAME, LONGEST_SENTENCE, READY, RESET


def main(engine: str, requests: int, answers: int) -> None:
    """Serve until the other side of ``requests`` is closed. What the engine raises is the last answer."""
    # The daemon ends it, and fades out before. A signal to all of its group is not meant for this process.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        filter = engines()[engine].start()
        os.write(answers, READY)
        _serve(filter, requests, answers)
    except Exception as error:  # engines raise what they like; this is their boundary
        sentence = str(error) or type(error).__name__
        os.write(answers, sentence.encode()[:LONGEST_SENTENCE])


def _serve(filter: Filter, requests: int, answers: int) -> None:
    frame = np.zeros(FRAME, np.float32)
    into = [frame.data.cast("B")]
    while size := os.readv(requests, into):
        if size == len(RESET):
            filter.reset()
            os.write(answers, RESET)
        else:
            os.write(answers, np.ascontiguousarray(filter.process(frame), np.float32).data)


if __name__ == "__main__":
    gettext.bindtextdomain(sys.argv[4], sys.argv[5])
    gettext.textdomain(sys.argv[4])
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
