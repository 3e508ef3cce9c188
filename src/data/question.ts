/** From an item to the question that training and evaluation ask: its video found on this machine. */
import { type DataItem, problemText, type Question } from './item.ts';
import { type MediaRoot, mediaPath } from './media-path.ts';

/**
 * @param options.clip false: the whole video, whatever part of it the item names; default true
 * @throws DataError when the path leads out of `video_root`
 */
export function toQuestion(given: DataItem, options: MediaRoot & { readonly clip?: boolean }): Question {
  const { start: _start, end: _end, ...whole } = given;
  const item = options.clip === false ? whole : given;
  return {
    id: item.id,
    problem: problemText(item),
    options: item.options,
    video: mediaPath(item, options),
    item,
  };
}

/** The same text for questions that may share their frames. */
export function clipOf({ video, item }: Question): string {
  return JSON.stringify([item.media, video, item.start ?? null, item.end ?? null, item.fps ?? null]);
}
