"""Writes events.json: the bytes TensorBoard's own Python protobufs and record writer produce for a few events.

Run: python tests/goldens/tensorboard/make_events.py   (needs: tensorboard)
"""
import io
import json
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c, masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter

WALL = 1700000000.25


def record(event):
    buffer = io.BytesIO()
    RecordWriter(buffer).write(event.SerializeToString(deterministic=True))
    return buffer.getvalue().hex()


def text_event(tag, text, step):
    tensor = TensorProto(
        dtype="DT_STRING",
        string_val=[text.encode("utf8")],
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
    )
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
    return Event(wall_time=WALL, step=step, summary=Summary(value=[value]))


def scalar_event(tag, value, step):
    return Event(wall_time=WALL, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


golden = {
    "wall_time": WALL,
    "crc32c": {"": crc32c(b""), "123456789": crc32c(b"123456789"), "TW-GRPO é": crc32c("TW-GRPO é".encode())},
    "masked_crc32c": {"123456789": masked_crc32c(b"123456789")},
    "version": record(Event(wall_time=WALL, file_version="brain.Event:2")),
    "session_start": record(Event(wall_time=WALL, step=300, session_log=SessionLog(status=SessionLog.START))),
    "scalars": [
        {"tag": t, "value": v, "step": s, "record": record(scalar_event(t, v, s))}
        for t, v, s in [("reward", 0.625, 0), ("completions/mean_length", 213.7, 1), ("loss", -1e-7, 5_000_000_000)]
    ],
    "texts": [
        {"tag": t, "text": x, "step": s, "record": record(text_event(t, x, s))}
        for t, x, s in [("samples", "**answer** A,C", 2), ("samples", "Äpfel " * 60, 128)]
    ],
}
Path(__file__).with_name("events.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
