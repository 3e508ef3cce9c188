/** A clip with the frames the model saw: the video itself where the browser plays it, marks on its time line, and the contact sheet. */
import { useRef, useState } from 'preact/hooks';
import type { Clip } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import { Failure } from './selection.tsx';
import { addressOf } from './source.ts';
import { useAnswer } from './use-answer.ts';

/** @param path of the group or row that the clip belongs to */
export function ClipView({ path, isLarge = false }: { readonly path: string; readonly isLarge?: boolean }) {
  const { data: clip, error, path: answered } = useAnswer<Clip>(`${path}/clip`);
  if (error !== undefined) return <Failure error={error} />;
  if (clip === undefined || answered !== `${path}/clip`)
    return <p class="soft clip-wait">Reading the clip…</p>;
  return <Player key={path} path={path} clip={clip} isLarge={isLarge} />;
}

function Player({
  path,
  clip,
  isLarge,
}: {
  readonly path: string;
  readonly clip: Clip;
  readonly isLarge: boolean;
}) {
  const video = useRef<HTMLVideoElement>(null);
  const [time, setTime] = useState(0);
  const { name, width, height, fps, seconds, frames, is_playable, notes } = clip;
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
          src={addressOf(`${path}/video`)}
          controls
          loop
          muted
          preload="auto"
          aria-label={`The clip ${name}`}
          onTimeUpdate={(event) => setTime(event.currentTarget.currentTime)}
        />
      )}
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
      <p class="facts soft">
        <span>{visibleText(name)}</span>
        <span>
          {width}×{height}, {Number(fps.toFixed(2))} frames a second, {seconds.toFixed(2)} s
        </span>
        <span>
          the model sees {frames.length} frames
          {different < frames.length ? `, ${different} different ones` : ''}
        </span>
        {!is_playable && <span>not played here: the frames below are what the model saw</span>}
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
        src={addressOf(`${path}/sheet.png`)}
        alt={`The ${frames.length} frames that the model sees, in time order`}
      />
      {isLarge && (
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
