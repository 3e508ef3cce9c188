/**
 * The videos and images of a record, in the spellings of the field: `video`, `path`, `image` with one of them, `videos`, `images`
 * with a list, each a path or an object with the keys of qwen-vl-utils. Keys beside them hold for all media of the record.
 * Source: qwen-vl-utils `vision_process.py` (`fetch_video`, `fetch_image`), hiyouga/EasyR1 `verl/utils/dataset.py`, verl
 * `verl/utils/dataset/vision_utils.py`, modelscope/ms-swift `docs/source_en/Customization/Custom-dataset.md`.
 */
import { type DataItemInput, mediumSchema } from '../item.ts';
import { type ReadSink, schemaMessage } from './reader.ts';

export type MediumInput = NonNullable<DataItemInput['media']>[number];

/** A record's place, for what is wrong with it. */
export interface RecordPlace {
  readonly line: number;
  readonly item: string;
  readonly sink: ReadSink;
}

type NumberKey = Exclude<keyof MediumInput, 'type' | 'path'>;

/** Key of a record -> key of a medium. */
const KEYS: Readonly<Record<string, NumberKey>> = {
  start: 'start',
  video_start: 'start',
  start_time: 'start',
  end: 'end',
  video_end: 'end',
  end_time: 'end',
  fps: 'fps',
  video_fps: 'fps',
  raw_fps: 'fps',
  nframes: 'nframes',
  num_frames: 'nframes',
  min_frames: 'min_frames',
  fps_min_frames: 'min_frames',
  max_frames: 'max_frames',
  fps_max_frames: 'max_frames',
  min_pixels: 'min_pixels',
  video_min_pixels: 'min_pixels',
  image_min_pixels: 'min_pixels',
  max_pixels: 'max_pixels',
  video_max_pixels: 'max_pixels',
  image_max_pixels: 'max_pixels',
  total_pixels: 'total_pixels',
  video_total_pixels: 'total_pixels',
  resized_height: 'resized_height',
  resized_width: 'resized_width',
};
/** Keys that hold for videos only, and for images only. */
const VIDEO_ONLY = new Set(['start', 'end', 'fps', 'nframes', 'min_frames', 'max_frames', 'total_pixels']);

/** Names that say how media are to be shown, though not in a spelling that is known. */
const MEDIA_KEY =
  /fps|frames$|pixels|resize|^(?:video|clip|frame)_(?:start|end|begin)|^(?:start|end)_sec|^(?:audios?|begin|clip|bound)$/i;

/** Where a record has the path of its one video or image. */
const ONE_MEDIUM = ['video', 'video_path', 'path', 'image', 'image_path'] as const;
/** Where a medium's path stands in an object of its own. */
const PATH_KEYS = ['video', 'image', 'path', 'url', 'file', 'image_url', 'video_url'] as const;
const DATA_TYPES = ['video', 'image', 'frame', 'frames', 'text'];
const IMAGE_FILE = /\.(?:jpe?g|png|webp|bmp|gif|tiff?)$/i;

export interface RecordMedia {
  /** In the order videos, then images. */
  readonly videos: readonly MediumInput[];
  readonly images: readonly MediumInput[];
  /** True where the record has a key for media, filled or not. */
  readonly isStated: boolean;
}

/** Media of a record; undefined when it was refused. Keys that are not obeyed are warned of by name. */
export function mediaOf(
  record: Readonly<Record<string, unknown>>,
  place: RecordPlace,
): RecordMedia | undefined {
  const settings = settingsOf(record, place);
  if (settings === undefined) return undefined;
  const { data_type } = record;
  if (isFilled(data_type) && !DATA_TYPES.includes(String(data_type)))
    return refuse(
      place,
      'data_type',
      `expected one of ${DATA_TYPES.join(', ')}, got ${JSON.stringify(data_type).slice(0, 60)}`,
    );
  const sound = ['audio', 'audios'].find((key) => isFilled(record[key]));
  if (sound !== undefined)
    return refuse(
      place,
      sound,
      'expected videos and images, got sound, which the models of this program do not hear',
    );
  const first = ONE_MEDIUM.find((key) => isFilled(record[key]));
  const one = first === undefined ? [] : listOf(record[first]);
  const isImage = data_type === 'image' || first?.startsWith('image') === true;
  const kind = isImage ? 'image' : data_type === 'frame' || data_type === 'frames' ? 'frames' : 'video';
  const more = first === undefined || isImage ? [] : listOf(record['image']);
  if (
    kind === 'video' &&
    one.length > 1 &&
    one.every((path) => typeof path === 'string' && IMAGE_FILE.test(path))
  )
    return refuse(
      place,
      first!,
      'a list of frames: put them into a folder and name it, with "data_type": "frame" and its "fps"',
    );
  const groups: (readonly [string, readonly unknown[], 'video' | 'frames' | 'image'])[] = [
    [first ?? 'video', one, kind],
    ['videos', listOf(record['videos']), kind === 'frames' ? 'frames' : 'video'],
    ['image', more, 'image'],
    ['images', listOf(record['images']), 'image'],
  ];
  const media: MediumInput[] = [];
  for (const [field, values, type] of groups) {
    for (const value of values) {
      const medium = mediumOf(value, type, field, place, record, settings);
      if (medium === undefined) return undefined;
      media.push(medium);
    }
  }
  const keys = [...ONE_MEDIUM, 'videos', 'images'];
  return {
    videos: media.filter(({ type }) => type !== 'image'),
    images: media.filter(({ type }) => type === 'image'),
    isStated: media.length > 0 || data_type === 'text' || keys.some((key) => Array.isArray(record[key])),
  };
}

const isFilled = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);

const listOf = (value: unknown): readonly unknown[] =>
  !isFilled(value) ? [] : Array.isArray(value) ? value : [value];

/** One path, or an object with a path and settings of its own; undefined when it was refused. */
export function mediumOf(
  value: unknown,
  type: 'video' | 'frames' | 'image',
  field: string,
  place: RecordPlace,
  record: Readonly<Record<string, unknown>> = {},
  shared: Partial<MediumInput> = {},
): MediumInput | undefined {
  if (typeof value === 'string')
    return checked({ type, path: value, ...fitting(shared, type) }, field, [record], place);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse(place, field, `expected a path, got ${JSON.stringify(value)?.slice(0, 60)}`);
  const object = value as Readonly<Record<string, unknown>>;
  const key = PATH_KEYS.find((name) => isFilled(object[name]));
  if (key === undefined)
    return refuse(
      place,
      field,
      object['bytes'] === undefined
        ? `expected a path in one of ${PATH_KEYS.join(', ')}, got the keys ${Object.keys(object).join(', ') || 'none'}`
        : 'the picture stands inside the file as bytes: write it to a file of its own and give its path',
    );
  const named = object[key];
  const path = typeof named === 'object' && named !== null && 'url' in named ? named.url : named;
  if (Array.isArray(path))
    return refuse(
      place,
      field,
      'a list of frames: put them into a folder and name it, with "data_type": "frame"',
    );
  if (typeof path !== 'string') return refuse(place, field, `expected a path in ${key}, got ${typeof path}`);
  const own = settingsOf(object, place, [...PATH_KEYS, 'type']);
  if (own === undefined) return undefined;
  return checked({ type, path, ...fitting({ ...shared, ...own }, type) }, field, [object, record], place);
}

/** The medium; undefined when it was refused, by the key that the first of the records has for what is wrong. */
function checked(
  medium: MediumInput,
  field: string,
  records: readonly Readonly<Record<string, unknown>>[],
  place: RecordPlace,
): MediumInput | undefined {
  const { error } = mediumSchema.safeParse(medium);
  const issue = error?.issues[0];
  if (issue === undefined) return medium;
  const name = issue.path[0];
  const key = records.flatMap(Object.keys).find((given) => KEYS[given] === name);
  return refuse(place, key ?? field, schemaMessage(issue, medium));
}

/** Settings for videos mean nothing for an image that stands beside them. */
function fitting(settings: Partial<MediumInput>, type: MediumInput['type']): Partial<MediumInput> {
  return type === 'image'
    ? Object.fromEntries(Object.entries(settings).filter(([key]) => !VIDEO_ONLY.has(key)))
    : settings;
}

/** Settings by the key of a medium; undefined when a value is no number. */
function settingsOf(
  record: Readonly<Record<string, unknown>>,
  place: RecordPlace,
  passed: readonly string[] = [],
): Partial<MediumInput> | undefined {
  const settings: Partial<Record<NumberKey, number>> = {};
  for (const [key, value] of Object.entries(record)) {
    if (!isFilled(value) || passed.includes(key)) continue;
    const name = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (name !== undefined) {
      if (typeof value !== 'number')
        return refuse(place, key, `expected a number, got ${JSON.stringify(value).slice(0, 60)}`);
      settings[name] = value;
    } else if (passed.length > 0 || MEDIA_KEY.test(key)) {
      place.sink.warnOnce(
        place.line,
        'unknown_media_key',
        `it is not obeyed; known are ${Object.keys(KEYS).join(', ')}`,
        { item: place.item, field: key },
      );
    }
  }
  return settings;
}

function refuse({ line, item, sink }: RecordPlace, field: string, message: string): undefined {
  sink.reject(line, 'bad_field', message, { item, field });
  return undefined;
}
