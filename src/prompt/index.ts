export {
  type FrameReader,
  FrameStore,
  type FrameStoreOptions,
  type HeldFrames,
  type HeldMedia,
  type ReadFrames,
  readFrames,
  readMiddleFrame,
} from './frame-store.ts';
export { ItemFeed, type Placed } from './item-feed.ts';
export { type Disposable, LoadAhead } from './load-ahead.ts';
export {
  type ImageLimits,
  imageLimits,
  type LoadedImage,
  type LoadedVideo,
  type LoadVideoOptions,
  loadImage,
  loadVideo,
} from './load-video.ts';
export { mediumSettings } from './medium-settings.ts';
export { PromptBuilder, type PromptKeys } from './prompt-builder.ts';
export { promptCounter } from './prompt-length.ts';
export { promptLoader, type ReadyPrompt } from './prompt-loader.ts';
export type { ResizeKernel } from './resize.ts';
