"""Video in, videos out: decoder, network and encoders side by side.

Frames go through in order. One thread reads them and brings the background onto them,
this one asks the network, a few refine and draw, one writes, and decoder and encoders
are processes of their own. A bounded number is on its way, so that memory does not grow
with the video.
"""

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction

from maskdepth_tf.errors import DataError
from maskdepth_tf.video import segments
from maskdepth_tf.video.codecs.decoding import Decoder, Frame
from maskdepth_tf.video.following import Follower, Seen
from maskdepth_tf.video.segments import Segments
from maskdepth_tf.video.targets import Target

AHEAD = 3
"""Frames that wait before the network, and behind it."""

Advance = Callable[[Frame], None]
"""Told of each frame that was written, in order; also by other threads."""


def convert(
    source: str,
    targets: Sequence[Target],
    follower: Follower,
    made: Segments,
    advance: Advance,
) -> None:
    """Makes all segments of a video that are missing.

    Args:
        source: The video.
        targets: What is made of it.
        follower: Answers for its frames.
        made: Where the segments go; some may be done.
        advance: Told of each frame.

    Raises:
        DataError: If the video has no frames or cannot be decoded, or an encoder fails.
        OSError: If the disk is full.
    """
    if made.done:
        follower.state = made.done[-1].state()
    cores = os.cpu_count() or 1
    with contextlib.ExitStack() as stack:
        decoder = stack.enter_context(
            contextlib.closing(Decoder(source, made.num_frames))
        )
        drawing = stack.enter_context(ThreadPoolExecutor(cores, "draw"))
        writing = stack.enter_context(ThreadPoolExecutor(1, "write"))
        closing = stack.enter_context(ThreadPoolExecutor(1, "close"))
        frames = stack.enter_context(contextlib.closing(_ahead(decoder, follower)))
        ended: list[Future] = []
        part: _Part | None = None
        for frame, seen in frames:
            if part is None:
                part = _Part(targets, made, frame, cores)
                stack.callback(part.close)
            part.add(frame, follower.answer(seen), follower, drawing, writing, advance)
            if part.num_frames == segments.LENGTH:
                # Beside the next one, and never two at once.
                _wait(ended)
                ended.append(closing.submit(part.end, follower.state))
                part = None
        _wait(ended)
        if part is not None:
            part.end(follower.state)
    if not made.done:
        raise DataError(f"{source}: expected a video, received no frame")
    if decoder.num_damaged:
        print(
            f"warning: {source}: is damaged, ffmpeg complained {decoder.num_damaged} "
            "times; what is made of these frames may be wrong",
            file=sys.stderr,
        )


def _wait(futures: list[Future]) -> None:
    while futures:
        futures.pop().result()


def _ahead(decoder: Decoder, follower: Follower) -> Generator[tuple[Frame, Seen]]:
    """Frames of a decoder, a few of them read and seen while others are worked on."""
    frames = decoder.frames()

    def read():
        frame = next(frames, None)
        return frame and (frame, follower.see(frame.pixels))

    with ThreadPoolExecutor(1, "read") as reading:
        waiting = deque(reading.submit(read) for _ in range(AHEAD))
        try:
            while (found := waiting.popleft().result()) is not None:
                waiting.append(reading.submit(read))
                yield found
        finally:
            reading.shutdown(cancel_futures=True)


class _Part:
    """A segment that is being made.

    Args:
        targets: What is made.
        made: Where it goes.
        first: Its first frame.
        cores: That each encoder may use.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        made: Segments,
        first: Frame,
        cores: int,
    ) -> None:
        self._targets, self._made, self._look = targets, made, first.look
        self._times: list[Fraction] = []
        self._mismatches: list[float] = []
        self._written: deque[Future] = deque()
        self._folder = made.begin()
        self._writers = [
            target.begin(self._folder, first.look, first.number, first.time, cores)
            for target in targets
        ]

    @property
    def num_frames(self) -> int:
        return len(self._times)

    def add(self, frame, answer, follower, drawing, writing, advance) -> None:
        """Has a frame drawn and written."""
        self._times.append(frame.time)
        self._mismatches.append(answer.mismatch)
        begun = [drawing.submit(t.prepare, follower, answer) for t in self._targets]
        # An encoder takes a frame as slowly as it packs them.
        self._written.append(writing.submit(self._write, frame, begun, advance))
        while len(self._written) > AHEAD:
            self._written.popleft().result()

    def end(self, state) -> None:
        """Waits until all is written, and completes the segment."""
        while self._written:
            self._written.popleft().result()
        for writer in self._writers:
            writer.end()
        self._made.complete(
            self._folder, self._times, self._mismatches, self._look, state
        )

    def close(self) -> None:
        """Ends the encoders, wherever they are."""
        for writer in self._writers:
            writer.close()

    def _write(self, frame, begun, advance) -> None:
        for writer, future in zip(self._writers, begun, strict=True):
            writer.write(frame.time, future.result())
        advance(frame)
