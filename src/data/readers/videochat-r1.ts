/**
 * VideoChat-R1's annotations for temporal grounding (Charades-STA, ActivityNet Captions): an object of videos, each with sentences and
 * the window of time of each.
 * Source: OpenGVLab/VideoChat-R1 `src/open_r1/grpo_tg.py` (`load_json_dataset`),
 * `src/open_r1/trainer/grpo_trainer_video_tg.py` (the wording of the question).
 */
import { z } from 'zod';
import { text } from '../item.ts';
import type { RowReader } from './reader.ts';

const videoSchema = z.looseObject({
  duration: z.number().positive().optional(),
  timestamps: z.array(z.array(z.number()).length(2)),
  sentences: z.array(text()),
});

export const readVideoChatRow: RowReader = (row, sink) => {
  const { key, line } = row;
  if (key === undefined)
    return sink.reject(line, 'bad_record', 'expected one JSON object of videos (VideoChat-R1’s annotations)');
  const record = sink.parse(videoSchema, row.value, line, key);
  if (record === undefined) return undefined;
  const { timestamps, sentences, duration } = record;
  if (timestamps.length !== sentences.length)
    return sink.reject(line, 'bad_field', `${sentences.length} sentences, but ${timestamps.length} windows`, {
      item: key,
      field: 'timestamps',
    });
  sentences.forEach((sentence, index) => {
    const end = timestamps[index]![1]!;
    if (duration !== undefined && end > duration)
      sink.warn(line, 'window_outside', `the window ends at ${end} s, the video at ${duration} s`, {
        item: `${key}/${index}`,
        field: 'timestamps',
      });
    const event = sentence.trim().toLowerCase().replace(/\.$/, '');
    sink.add(line, {
      id: `${key}/${index}`,
      media: [{ path: `${key}.mp4` }],
      question: `To accurately pinpoint the event "${event}" in the video, determine the precise time period of the event.`,
      options: [],
      answer: [],
      solution: timestamps[index]!.join(' to '),
      type: 'temporal grounding',
      provenance: duration === undefined ? {} : { duration },
    });
  });
  return undefined;
};
