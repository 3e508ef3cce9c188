/**
 * The same questions with less to see: without their video, and with one frame of it. What a model answers there it does not know
 * from watching; many items of the field's benchmarks are answered so.
 * Source: arXiv 2604.05117, 38 to 60 % of the items of video benchmarks; single-frame: Lei et al., arXiv 2206.03428.
 */
import { MEDIUM_PLACE, type Question } from '../data/index.ts';
import { type FrameReader, readFrames, readMiddleFrame } from '../prompt/index.ts';

export const CONTROLS = ['blind', 'single-frame'] as const;
export type Control = (typeof CONTROLS)[number];

/** What stands in place of the videos. */
export const CONTROL_WORDS: Readonly<Record<Control, string>> = {
  blind: 'the text alone, no video or image',
  'single-frame': 'one frame from the middle of each video',
};

/** The questions that show something the control takes away; the others would be asked the same way again. */
export function controlQuestions(control: Control, questions: readonly Question[]): Question[] {
  return control === 'blind'
    ? questions.filter(({ media }) => media.length > 0).map(withoutMedia)
    : questions.filter(({ media }) => media.some(({ type }) => type !== 'image'));
}

/** How the control reads videos. */
export function controlReader(control: Control): FrameReader {
  return control === 'single-frame' ? readMiddleFrame : readFrames;
}

/** The question as text alone. */
function withoutMedia(question: Question): Question {
  const { item } = question;
  const wordsOf = (text: string): string => text.replaceAll(MEDIUM_PLACE, '');
  const problem = item.problem === undefined ? {} : { problem: wordsOf(item.problem) };
  return {
    ...question,
    problem: wordsOf(question.problem),
    media: [],
    item: { ...item, media: [], question: wordsOf(item.question), ...problem },
  };
}
