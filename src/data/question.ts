/** From an item to the question that training and evaluation ask: its media found on this machine. */
import { type DataItem, MEDIUM_PLACE, problemText, type Question } from './item.ts';
import { type MediaRoot, mediaPath } from './media-path.ts';

/**
 * @param options.clip false: whole videos, whatever part of them the item names; default true
 * @throws DataError when a path leads out of `video_root`
 */
export function toQuestion(given: DataItem, options: MediaRoot & { readonly clip?: boolean }): Question {
  const item =
    options.clip === false
      ? { ...given, media: given.media.map(({ start: _start, end: _end, ...whole }) => whole) }
      : given;
  return {
    id: item.id,
    problem: problemText(item),
    options: item.options,
    media: item.media.map((medium) => ({
      ...medium,
      file: mediaPath({ id: item.id, path: medium.path }, options),
    })),
    item,
  };
}

/** The same text for questions whose prompts begin alike, up to the end of their media. */
export function clipOf({ media, problem, item }: Question): string {
  const shown = media.map(({ path: _path, ...medium }) => medium);
  return JSON.stringify([shown, item.system ?? null, problem.includes(MEDIUM_PLACE) ? problem : null]);
}
