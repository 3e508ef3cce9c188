"""Videos and images of many kinds, and what PyAV and Pillow make of them.

python make_media.py FFMPEG      (PyAV 18.1, Pillow 13.0, numpy; FFmpeg 7.0 with x264, x265, aom, vpx, theora, webp)

Files that stand here already are only read. discard_first_keyframe.mp4 and testsrc2_mpeg4.mp4 are torchcodec's test resources (BSD-3),
corrupted.mp4 is decord's (Apache-2.0); all others were made for this folder.
Of every frame the golden holds its time and the mean colours of 8 x 6 blocks (of the first and the last one in long videos); `sha256` is that of all RGB bytes.
"""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
FFMPEG = sys.argv[1]
SRC = "testsrc2=size={}:rate=10:duration=1.2"
X264 = ["-c:v", "libx264", "-g", "6", "-bf", "2"]

# name: (size, options of the encoder)
VIDEOS = {
    "h264_422.mp4": ("64x48", [*X264, "-pix_fmt", "yuv422p"]),
    "h264_10bit.mp4": ("64x48", [*X264, "-pix_fmt", "yuv420p10le"]),
    "h264_444_10bit.mkv": ("64x48", [*X264, "-pix_fmt", "yuv444p10le"]),
    "h264_rgb.mp4": ("64x48", ["-c:v", "libx264rgb", "-qp", "0", "-pix_fmt", "rgb24"]),
    "h264_interlaced.mp4": ("64x48", [*X264, "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme", "-x264-params", "tff=1"]),
    "h264_fragments.mp4": ("64x48", [*X264, "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov"]),
    "h264_pixel_aspect.mp4": ("64x48", [*X264, "-pix_fmt", "yuv420p", "-vf", "setsar=4/3"]),
    "h264.mpegts": ("64x48", [*X264, "-pix_fmt", "yuv420p"]),
    "h264.flv": ("64x48", [*X264, "-pix_fmt", "yuv420p"]),
    "hevc.mp4": ("64x48", ["-c:v", "libx265", "-x265-params", "log-level=none:open-gop=0", "-pix_fmt", "yuv420p"]),
    "hevc_10bit.mkv": ("64x48", ["-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le"]),
    "hevc.hevc": ("64x48", ["-c:v", "libx265", "-x265-params", "log-level=none:bframes=0", "-pix_fmt", "yuv420p"]),
    "av1.mp4": ("64x48", ["-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p"]),
    "av1_10bit.webm": ("64x48", ["-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p10le"]),
    "vp8_hidden_frames.webm": ("64x48", ["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-arnr-maxframes", "5", "-b:v", "60k"]),
    "vp9_odd_size.webm": ("64x48", ["-vf", "scale=63:47", "-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p"]),
    "vp9_alpha.webm": ("64x48", ["-vf", "format=yuva420p,geq=lum='p(X,Y)':cb='p(X,Y)':cr='p(X,Y)':a='X*4'", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"]),
    "vp9.ivf": ("64x48", ["-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p"]),
    "mpeg1.mpg": ("64x48", ["-r", "25", "-c:v", "mpeg1video"]),
    "mpeg2.mpegts": ("64x48", ["-r", "25", "-c:v", "mpeg2video", "-bf", "2"]),
    "mpeg2_interlaced.mpg": ("64x48", ["-r", "25", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-top", "1"]),
    "mpeg4_b_frames.avi": ("64x48", ["-c:v", "mpeg4", "-bf", "2"]),
    "mpeg4.m4v": ("64x48", ["-c:v", "mpeg4", "-f", "m4v"]),
    "msmpeg4.avi": ("64x48", ["-c:v", "msmpeg4"]),
    "h263.3gp": ("128x96", ["-r", "25", "-c:v", "h263"]),
    "wmv2.wmv": ("64x48", ["-c:v", "wmv2"]),
    "flv1.flv": ("64x48", ["-c:v", "flv"]),
    "theora.ogv": ("64x48", ["-c:v", "libtheora"]),
    "mjpeg.avi": ("64x48", ["-c:v", "mjpeg", "-q:v", "8"]),
    "mjpeg_422.mov": ("64x48", ["-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-q:v", "8"]),
    "prores_422.mov": ("32x24", ["-c:v", "prores_ks", "-profile:v", "2"]),
    "prores_alpha.mov": ("32x24", ["-vf", "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*8'", "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"]),
    "qtrle_alpha.mov": ("32x24", ["-vf", "format=argb,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*8'", "-c:v", "qtrle"]),
    "ffv1_gray.mkv": ("32x24", ["-c:v", "ffv1", "-pix_fmt", "gray"]),
    "ffv1_gray16.mkv": ("32x24", ["-c:v", "ffv1", "-pix_fmt", "gray16le"]),
    "huffyuv_rgb.avi": ("32x24", ["-c:v", "huffyuv", "-pix_fmt", "rgb24"]),
    "png.mov": ("32x24", ["-c:v", "png"]),
    "cinepak.avi": ("64x48", ["-c:v", "cinepak"]),
    "gif.gif": ("64x48", ["-f", "gif"]),
    "apng.apng": ("32x24", ["-f", "apng"]),
    "ntsc_milliseconds.mkv": ("64x48", ["-r", "30000/1001", *X264, "-pix_fmt", "yuv420p"]),
}


def run(*args):
    subprocess.run([FFMPEG, "-v", "error", "-y", "-bitexact", *map(str, args)], check=True)


def make_videos():
    for name, (size, options) in VIDEOS.items():
        if not (HERE / name).exists():
            run("-f", "lavfi", "-i", SRC.format(size), *options, "-threads", "1", *(["-f", "mpegts"] if name.endswith("mpegts") else []), HERE / name)
    flat = HERE / "h264.flv"
    for name, options in {
        "rotated_90.mp4": ["-display_rotation", "-90"],
        "rotated_180.mp4": ["-display_rotation", "180"],
        "rotated_270.mp4": ["-display_rotation", "90"],
        "mirrored.mp4": ["-display_hflip"],
    }.items():
        if not (HERE / name).exists():
            run(*options, "-i", flat, "-c", "copy", HERE / name)
    sound = ["-f", "lavfi", "-i", "sine=duration=2"]
    if not (HERE / "late_start.mp4").exists():
        run("-itsoffset", "0.5", "-i", flat, *sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-b:a", "16k", HERE / "late_start.mp4")
    if not (HERE / "two_streams.mkv").exists():
        run("-i", flat, "-f", "lavfi", "-i", SRC.format("32x24"), "-map", "0:v", "-map", "1:v", "-c:v", "libx264", HERE / "two_streams.mkv")
    if not (HERE / "middle.mpegts").exists():
        data = (HERE / "h264.mpegts").read_bytes()
        (HERE / "middle.mpegts").write_bytes(data[len(data) // 188 // 3 * 188 :])
    if not (HERE / "size_changes.mpegts").exists():
        small = HERE / "small.mpegts"
        run("-f", "lavfi", "-i", SRC.format("32x24"), *X264, "-pix_fmt", "yuv420p", "-output_ts_offset", "1.2", "-f", "mpegts", small)
        (HERE / "size_changes.mpegts").write_bytes((HERE / "h264.mpegts").read_bytes() + small.read_bytes())
        small.unlink()


def blocks(rgb):
    h, w, _ = rgb.shape
    ys = [round(i * h / 6) for i in range(7)]
    xs = [round(i * w / 8) for i in range(9)]
    means = [rgb[ys[i] : ys[i + 1], xs[j] : xs[j + 1]].reshape(-1, 3).mean(0) for i in range(6) for j in range(8)]
    return base64.b64encode(np.round(means).astype(np.uint8).tobytes()).decode()


TURNS = {"rotated_90.mp4": lambda x: np.rot90(x, 3), "rotated_180.mp4": lambda x: np.rot90(x, 2), "rotated_270.mp4": np.rot90, "mirrored.mp4": lambda x: x[:, ::-1]}


def rgb_of(frame):
    """As PyAV converts it, save where libswscale 9 blurs colours more than the libswscale of FFmpeg 5 to 7 does: there by BT.601's formula."""
    rgb = frame.to_ndarray(format="rgb24")
    if frame.format.name != "yuv420p10le" and not frame.interlaced_frame:
        return rgb
    depth = 4 if frame.format.name == "yuv420p10le" else 1
    h, w = frame.height, frame.width
    planes = frame.to_ndarray(format=frame.format.name).astype(np.float64) / depth
    u, v = ((planes[s].reshape(h // 2, w // 2) - 128) * 255 / 224 for s in (slice(h, h + h // 4), slice(h + h // 4, None)))
    u, v = (x.repeat(2, 0).repeat(2, 1) for x in (u, v))
    y = (planes[:h] - 16) * 255 / 219
    return np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1).clip(0, 255).round().astype(np.uint8)


def describe_video(path):
    frames, times, error = [], [], None
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        facts = {
            "codec": context.name, "pixel_format": context.pix_fmt, "container": container.format.name,
            "rate": float(stream.average_rate) if stream.average_rate else None,
        }
        try:
            for frame in container.decode(stream):
                frames.append(TURNS.get(path.name, lambda x: x)(rgb_of(frame)))
                times.append(frame.time)
        except av.error.FFmpegError as failure:
            error = str(failure)
    return {
        **facts,
        "num_frames": len(frames),
        "error": error,
        "times": None if None in times else [round(t - times[0], 6) for t in times],
        "height": frames[0].shape[0],
        "width": frames[0].shape[1],
        "sha256": hashlib.sha256(b"".join(np.ascontiguousarray(f).tobytes() for f in frames)).hexdigest(),
        "blocks": [blocks(f) for f in (frames if len(frames) <= 15 else [frames[0], frames[-1]])],
    }


def make_images():
    y, x = np.mgrid[0:12, 0:20]
    rgb = np.stack([x * 12, y * 20, (x * 7 + y * 11) % 256], -1).astype(np.uint8)
    image = Image.fromarray(rgb)

    def save(name, picture, **options):
        if not (HERE / name).exists():
            picture.save(HERE / name, **options)

    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        for name in [f"exif_{value}.jpg", f"exif_{value}.png", f"exif_{value}.webp"]:
            extra = {"quality": 95, "subsampling": 0} if name.endswith("jpg") else {"lossless": True} if name.endswith("webp") else {}
            save(name, image, exif=exif.tobytes(), **extra)
    gray = Image.fromarray(rgb[..., 2])
    alpha = image.copy()
    alpha.putalpha(Image.fromarray((x * 12).astype(np.uint8)))
    save("gray.png", gray)
    save("gray.jpg", gray, quality=95)
    save("gray_alpha.png", Image.merge("LA", [gray, alpha.getchannel("A")]))
    save("gray_16.png", Image.fromarray((x * 3000 + y * 100).astype(np.uint16)))
    save("bilevel.png", gray.convert("1"))
    save("palette.png", image.quantize(16))
    save("palette_transparent.png", image.quantize(16), transparency=3)
    save("alpha.webp", alpha, lossless=True)
    save("cmyk.jpg", image.convert("CMYK"), quality=95)
    save("cmyk.tif", image.convert("CMYK"))
    save("progressive.jpg", image, quality=95, progressive=True, subsampling=0)
    save("rgb.tif", image, compression="tiff_lzw")
    save("rgb.bmp", image)
    save("rgb.ppm", image)
    save("still.gif", image.quantize(16))
    second = Image.fromarray(255 - rgb)
    save("animated.gif", image.quantize(16), save_all=True, append_images=[second.quantize(16)], duration=100)
    save("animated.webp", image, save_all=True, append_images=[second], duration=100, lossless=True)
    save("animated.png", image, save_all=True, append_images=[second], duration=100)
    if not (HERE / "rgb_16.png").exists():
        wide = (rgb.astype(np.uint16) * 257).tobytes()
        subprocess.run([FFMPEG, "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", "20x12", "-i", "-", HERE / "rgb_16.png"], input=wide, check=True)


def describe_image(path):
    with Image.open(path) as image:
        mode = image.mode
        upright = ImageOps.exif_transpose(image)
        if mode.startswith("I"):
            rgb = np.repeat((np.asarray(upright).astype(np.int64) >> 8).astype(np.uint8)[..., None], 3, -1)
        elif upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            rgba = upright.convert("RGBA")
            white = Image.new("RGB", rgba.size, (255, 255, 255))
            white.paste(rgba, mask=rgba.getchannel("A"))
            rgb = np.asarray(white)
        else:
            rgb = np.asarray(upright.convert("RGB"))
    return {"mode": mode, "height": rgb.shape[0], "width": rgb.shape[1], "rgb": base64.b64encode(rgb.tobytes()).decode() if rgb.size < 1000 else None, "blocks": blocks(rgb)}


make_videos()
make_images()
VIDEO_FILES = sorted(p for p in HERE.iterdir() if p.suffix in {".mp4", ".mkv", ".webm", ".mpegts", ".avi", ".mov", ".flv", ".hevc", ".h264", ".ivf", ".mpg", ".m4v", ".3gp", ".wmv", ".ogv", ".gif", ".apng"} and p.name not in {"still.gif", "animated.gif"})
IMAGE_FILES = sorted(p for p in HERE.iterdir() if p.suffix in {".jpg", ".png", ".webp", ".tif", ".bmp", ".ppm"} or p.name in {"still.gif", "animated.gif"})
(HERE / "videos.json").write_text(json.dumps({p.name: describe_video(p) for p in VIDEO_FILES}, separators=(",", ":")).replace('},"', '},\n"') + "\n")
(HERE / "images.json").write_text(json.dumps({p.name: describe_image(p) for p in IMAGE_FILES}, separators=(",", ":")).replace('},"', '},\n"') + "\n")
