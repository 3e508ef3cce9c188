export { FrameCache, frameDecoder, type HeldFrames } from './frame-cache.ts';
export { ItemFeed } from './item-feed.ts';
export {
  IMAGE_PIXELS,
  type LoadedImage,
  type LoadedVideo,
  type LoadVideoOptions,
  loadImage,
  loadVideo,
} from './load-video.ts';
export { promptCounter } from './prompt-length.ts';
export { type PromptLoaderOptions, promptLoader, type ReadyPrompt } from './prompt-loader.ts';
export { rememberVideos, type VideoLoader } from './remember-videos.ts';
export { type ResizeKernel, resizeFrames } from './resize.ts';
