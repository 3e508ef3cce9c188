/**
 * `<video>` and `<image>` inside questions: the places of media in the rows of EasyR1, verl, LLaMA-Factory and ms-swift.
 */
import { MEDIUM_PLACE } from '../item.ts';
import type { MediumInput, RecordMedia } from './media-fields.ts';

const PLACE = /<(video|image)>/g;
const LEADING = /^(?:\s*<(?:video|image)>)+\s*/;

export interface PlacedMedia {
  readonly text: string;
  /** In the order in which they are shown. */
  readonly media: readonly MediumInput[];
  /** What does not fit, for an error message. */
  readonly problem?: string;
}

/**
 * The text without its placeholders, and the media in their order. Placeholders that all stand at the beginning are taken out, for
 * media stand before the text anyway; others become `MEDIUM_PLACE`.
 * @param isStrict every placeholder is a place, so that their number must fit; else only those at the beginning are, and others
 *   are words of the question
 */
export function placeMedia(
  text: string,
  { videos, images }: Pick<RecordMedia, 'videos' | 'images'>,
  isStrict: boolean,
): PlacedMedia {
  const lead = LEADING.exec(text)?.[0] ?? '';
  const found = [...(isStrict ? text : lead).matchAll(PLACE)].map(([, kind]) => kind!);
  const queues = { video: [...videos], image: [...images] };
  if (found.length === 0) return { text, media: [...videos, ...images] };
  for (const kind of ['video', 'image'] as const) {
    const wanted = found.filter((one) => one === kind).length;
    if (wanted !== queues[kind].length && (isStrict || wanted > 0))
      return {
        text,
        media: [],
        problem: `${wanted} <${kind}> in the text, but ${queues[kind].length} ${kind}s`,
      };
  }
  const media = found.map((kind) => queues[kind as 'video' | 'image'].shift()!);
  const rest = text.slice(lead.length);
  const isLeading = !isStrict || !PLACE.test(rest);
  PLACE.lastIndex = 0;
  if (isLeading) return { text: rest, media: [...media, ...queues.video, ...queues.image] };
  return { text: text.replace(PLACE, MEDIUM_PLACE).trim(), media };
}
