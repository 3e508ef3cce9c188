/**
 * The files of a world, laid out like CLEVRER's archives: `videos/SPLIT/video_00000-01000/video_00000.mp4`, the same under
 * `annotations/`, and `questions/SPLIT.json`; beside them `SPLIT.jsonl` in the authors' form.
 * Source: data.csail.mit.edu/clevrer/README.txt.
 *
 * What differs from CLEVRER: the world is flat, so the third coordinate, orientations and angular velocities are 0; lengths are in
 * widths of the picture, measured from its upper left corner; descriptive questions have choices as all others have, with
 * the kind of question as their subtype; there are no functional programs.
 */
import { clevrerPath, labelled, solutionText } from '../../data/index.ts';
import type { Episode } from '../questions/episode.ts';
import { KINDS } from '../questions/kinds.ts';
import type { WorldQuestion } from '../questions/questions.ts';
import { type TraceOptions, traceOf } from '../questions/trace.ts';
import { stateAt } from '../scene/physics.ts';

/** Paths relative to the output folder, with `/`. */
export const videoPath = (split: string, index: number): string =>
  `videos/${split}/${clevrerPath(index, videoName(index))}`;
export const annotationPath = (split: string, index: number): string =>
  `annotations/${split}/${clevrerPath(index, `video_${numbered(index)}.json`).replaceAll('video_', 'annotation_')}`;
export const questionsPath = (split: string): string => `questions/${split}.json`;
export const jsonlPath = (split: string): string => `${split}.jsonl`;

const numbered = (index: number): string => String(index).padStart(5, '0');
const videoName = (index: number): string => `video_${numbered(index)}.mp4`;
const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

/** The annotation of one video: objects, their places in each frame, and collisions up to the last frame. */
export function annotation({ index, story }: Episode, fps: number, numFrames: number) {
  const { scene, motion } = story;
  return {
    scene_index: index,
    video_filename: videoName(index),
    object_property: scene.objects.map(({ color, material, shape }, object_id) => ({
      object_id,
      color,
      material,
      shape,
    })),
    motion_trajectory: Array.from({ length: numFrames }, (_, frame_id) => ({
      frame_id,
      objects: motion.paths.map((path, object_id) => {
        const { x, y, vx, vy } = stateAt(path, frame_id / fps);
        return {
          object_id,
          location: [rounded(x), rounded(y), 0],
          orientation: [0, 0, 0],
          velocity: [rounded(vx), rounded(vy), 0],
          angular_velocity: [0, 0, 0],
          inside_camera_view: x >= 0 && x <= 1 && y >= 0 && y <= scene.height,
        };
      }),
    })),
    collision: motion.collisions.map(({ pair, time, x, y }) => ({
      object_ids: [...pair],
      frame_id: Math.min(numFrames - 1, Math.round(time * fps)),
      location: [rounded(x), rounded(y), 0],
    })),
  };
}

/** One entry of the official question file. */
export function officialQuestions({ index, questions }: Episode) {
  return {
    scene_index: index,
    video_filename: videoName(index),
    questions: questions.map((question, question_id) => ({
      question_id,
      question_type: KINDS[question.kind].type,
      question_subtype: question.kind,
      question: question.question,
      choices: question.options.map((choice, choice_id) => ({
        choice_id,
        choice,
        answer: question.statements[choice_id]!.isTrue === question.isNegated ? 'wrong' : 'correct',
      })),
    })),
  };
}

/** The authors' records, with an id and the dimensions to report by; videos are relative to the output folder. */
export function authorsRecords({ index, story, questions }: Episode, split: string, trace?: TraceOptions) {
  return questions.map((question, question_id) => ({
    id: `${index}-${question_id}`,
    problem: [question.question, ...labelled(question.options)].join('\n'),
    video: videoPath(split, index),
    ...(trace === undefined ? {} : { process: traceOf(question, story, trace) }),
    solution: solutionText(question.answer),
    dims: dims(question),
  }));
}

function dims({ kind, rung, isNegated, options, answer }: WorldQuestion) {
  return {
    kind,
    rung,
    wording: isNegated ? 'negated' : 'plain',
    num_options: String(options.length),
    num_right: String(answer.length),
  };
}
