/** A clip with the frames the model saw: the video itself where the browser plays it, marks on its time line, and the contact sheet. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Clip } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import { Failure } from './selection.tsx';
import { addressOf } from './source.ts';
import { useAnswer } from './use-answer.ts';

/** @param path of the group or row that the clip belongs to */
export function ClipView({ path, isLarge = false }: { readonly path: string; readonly isLarge?: boolean }) {
  const [medium, setMedium] = useState(0);
  const [count, setCount] = useState(1);
  useEffect(() => {
    setMedium(0);
    setCount(1);
  }, [path]);
  const wish = medium === 0 ? '' : `?medium=${medium}`;
  const asked = `${path}/clip${wish}`;
  const { data: clip, error, path: answered } = useAnswer<Clip>(asked);
  useEffect(() => {
    if (clip !== undefined && answered === asked) setCount(clip.num_media);
  }, [clip, answered, asked]);
  return (
    <>
      {count > 1 && (
        <fieldset class="segments">
          <legend class="sr-only">Videos and images of the question</legend>
          {Array.from({ length: count }, (_, i) => (
            <label key={i}>
              <input type="radio" name="medium" checked={i === medium} onChange={() => setMedium(i)} />
              <span>
                {i + 1} of {count}
              </span>
            </label>
          ))}
        </fieldset>
      )}
      {error !== undefined ? (
        <Failure error={error} />
      ) : clip === undefined || answered !== asked ? (
        <p class="soft clip-wait">Reading the clip…</p>
      ) : (
        <Player key={asked} path={path} wish={wish} clip={clip} isLarge={isLarge} />
      )}
    </>
  );
}

function Player({
  path,
  wish,
  clip,
  isLarge,
}: {
  readonly path: string;
  /** Query that names the medium. */
  readonly wish: string;
  readonly clip: Clip;
  readonly isLarge: boolean;
}) {
  const video = useRef<HTMLVideoElement>(null);
  const [time, setTime] = useState(0);
  const { kind, name, width, height, fps, seconds, num_frames, frames, is_playable, notes } = clip;
  const seek = (to: number) => {
    // Half a frame in, so that rounding never lands on the one before.
    if (video.current !== null) video.current.currentTime = Math.min(seconds, to + 0.4 / fps);
    setTime(to);
  };
  const shown = frames.findLast((frame) => frame.seconds <= time + 0.6 / fps);
  const different = new Set(frames.map(({ index }) => index)).size;
  return (
    <section class={`clip ${isLarge ? 'large' : ''}`} aria-label="Clip">
      {is_playable && (
        <video
          ref={video}
          src={addressOf(`${path}/video${wish}`)}
          controls
          loop
          muted
          preload="auto"
          aria-label={`The clip ${name}`}
          onTimeUpdate={(event) => setTime(event.currentTarget.currentTime)}
        />
      )}
      {seconds > 0 && (
        <div class="timeline" style={{ '--length': seconds }}>
          <span class="played" style={{ width: `${(100 * Math.min(time, seconds)) / seconds}%` }} />
          {frames.map((frame, i) => (
            <button
              key={i}
              type="button"
              class={frame === shown ? 'now' : ''}
              style={{ left: `${(100 * frame.seconds) / seconds}%` }}
              title={`frame ${frame.index} at ${frame.seconds.toFixed(2)} s`}
              aria-label={`Go to sampled frame ${i + 1} of ${frames.length}: frame ${frame.index}, ${frame.seconds.toFixed(2)} seconds`}
              disabled={!is_playable}
              onClick={() => seek(frame.seconds)}
            />
          ))}
        </div>
      )}
      <p class="facts soft">
        <span>{visibleText(name)}</span>
        <span>
          {width}×{height}
          {kind === 'image'
            ? ''
            : `, ${Number(fps.toFixed(2))} frames a second, ${seconds.toFixed(2)} s, the model sees ${frames.length} of ${num_frames} frames`}
          {different < frames.length ? `, ${different} different ones` : ''}
        </span>
        {kind === 'video' && !is_playable && (
          <span>not played here: the frames below are what the model saw</span>
        )}
        {clip.start !== null && <span>asked about from {clip.start} s</span>}
        {clip.end !== null && <span>to {clip.end} s</span>}
      </p>
      {notes.map((note) => (
        <p key={note} class="note">
          {note}
        </p>
      ))}
      <img
        class="sheet"
        src={addressOf(`${path}/sheet.png${wish}`)}
        alt={
          kind === 'image'
            ? `The image ${name}`
            : `The ${frames.length} frames that the model sees, in time order`
        }
      />
      {isLarge && kind !== 'image' && (
        <ol class="frame-list">
          {frames.map(({ index, seconds: at }, i) => (
            <li key={i} class="num">
              frame {index} · {at.toFixed(2)} s
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
