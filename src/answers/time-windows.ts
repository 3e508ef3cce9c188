/**
 * Windows of time as answers to temporal grounding, and their intersection over union.
 * Source: OpenGVLab/VideoChat-R1 `src/open_r1/grpo_tg.py` (`parse_timestamp_output`, `iou_timestamp_reward`), and for lists
 * of windows `src/open_r1/grpo_gqa.py` (`is_valid_two_d_list_format`, `compute_iou`).
 */

/** Begin and end in seconds. */
export type TimeWindow = readonly [begin: number, end: number];

const RANGE = /(\d+\.?\d*) (?:to|and) (\d+\.?\d*)/gi;
const LIST = /^\[(?:\(\d+(?:\.\d+)?,\s*\d+(?:\.\d+)?\)(?:,\s*\(\d+(?:\.\d+)?,\s*\d+(?:\.\d+)?\))*,?)?\]$/;
const PAIR = /\((\d+(?:\.\d+)?),\s*(\d+(?:\.\d+)?)\)/g;

/**
 * The windows a completion names in its last `<answer>`: the last "2.5 to 4" or "2.5 and 4", or a whole list
 * "[(0, 2), (5, 8)]".
 * @returns undefined where there are none, or one ends before it begins
 */
function answeredWindows(
  completion: string,
): { readonly form: 'range' | 'list'; readonly windows: readonly TimeWindow[] } | undefined {
  const answer = [...completion.matchAll(/<answer>(.*?)<\/answer>/gs)].at(-1)?.[1];
  if (answer === undefined) return undefined;
  const isList = LIST.test(answer.trim());
  const found = isList ? [...answer.matchAll(PAIR)] : [...answer.matchAll(RANGE)].slice(-1);
  const windows = found.map(([, begin, end]): TimeWindow => [Number(begin), Number(end)]);
  if (windows.some(([begin, end]) => begin > end) || (!isList && windows.length === 0)) return undefined;
  return { form: isList ? 'list' : 'range', windows };
}

/**
 * Intersection over union of an answer with the true windows, in [0, 1]; 0 where nothing can be read. One range is held
 * against the true window that it fits best; a list is held against all of them together, windows that touch counted once.
 */
export function groundingScore(completion: string, truth: readonly TimeWindow[]): number {
  const answer = answeredWindows(completion);
  if (answer === undefined) return 0;
  if (answer.form === 'list') return intersectionOverUnion(answer.windows, truth);
  return Math.max(...truth.map((window) => intersectionOverUnion(answer.windows, [window])));
}

/** Of two sets of windows; 1 where both have no length. */
function intersectionOverUnion(first: readonly TimeWindow[], second: readonly TimeWindow[]): number {
  const [ours, theirs] = [merged(first), merged(second)];
  let intersection = 0;
  for (const [begin, end] of ours)
    for (const [otherBegin, otherEnd] of theirs)
      intersection += Math.max(0, Math.min(end, otherEnd) - Math.max(begin, otherBegin));
  const union = totalLength(ours) + totalLength(theirs) - intersection;
  return union === 0 ? 1 : intersection / union;
}

const totalLength = (windows: readonly TimeWindow[]): number =>
  windows.reduce((sum, [begin, end]) => sum + (end - begin), 0);

function merged(windows: readonly TimeWindow[]): TimeWindow[] {
  const result: [number, number][] = [];
  for (const [begin, end] of [...windows].sort(([a], [b]) => a - b)) {
    const last = result.at(-1);
    if (last !== undefined && begin <= last[1]) last[1] = Math.max(last[1], end);
    else result.push([begin, end]);
  }
  return result;
}
