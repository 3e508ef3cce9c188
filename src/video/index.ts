export { type ContactSheetOptions, contactSheet } from './contact-sheet.ts';
export { type DecodedFrames, type DecodeOptions, decodeFrames, type FrameChooser } from './decode.ts';
export { type EncodedVideo, type EncodeOptions, encodeVideo } from './encode.ts';
export { type EncodeManyOptions, encodeMany } from './encode-many.ts';
export { type FfmpegProgram, findFfmpeg } from './ffmpeg.ts';
export {
  isImagePath,
  listFrames,
  type RgbFrames,
  type RgbImage,
  readFrameFolder,
  readImage,
} from './image.ts';
export {
  clipArea,
  type FrameSize,
  imageArea,
  type PixelSettings,
  smartResize,
  statedSize,
  videoFrameSize,
} from './pixel-budget.ts';
export {
  type FolderLimits,
  followsFolder,
  samplingSettings,
  VIDEO_PRESETS,
  type VideoKeys,
  type VideoPreset,
  type VideoSettings,
  videoSettings,
} from './presets.ts';
export { type ProbeOptions, probeVideo, type VideoInfo } from './probe.ts';
export {
  FRAME_FACTOR,
  type FrameSample,
  middleFrame,
  type SamplingSettings,
  sampleFrames,
} from './sample.ts';
