/** A file as an HTTP response, or the part of it that a browser asks for when somebody seeks in a video (RFC 9110, one range). */
import { createReadStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';

export function sendFile(path: string, type: string, range: string | undefined, isHead: boolean): Response {
  const { size } = statSync(path);
  const headers = { 'content-type': type, 'accept-ranges': 'bytes' };
  const part = partOf(range, size);
  if (part === 'outside')
    return new Response(null, { status: 416, headers: { ...headers, 'content-range': `bytes */${size}` } });
  const { first, last } = part ?? { first: 0, last: size - 1 };
  const body = isHead || size === 0 ? null : bytesOf(path, first, last);
  const length = { 'content-length': String(last - first + 1) };
  return part === undefined
    ? new Response(body, { headers: { ...headers, ...length } })
    : new Response(body, {
        status: 206,
        headers: { ...headers, ...length, 'content-range': `bytes ${first}-${last}/${size}` },
      });
}

interface Part {
  readonly first: number;
  readonly last: number;
}

/** The bytes that a `Range` header means; undefined: all of them, also for a header that is not understood. */
function partOf(range: string | undefined, size: number): Part | 'outside' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') return to === '0' ? 'outside' : { first: Math.max(0, size - Number(to)), last: size - 1 };
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return first >= size || last < first ? 'outside' : { first, last };
}

function bytesOf(path: string, start: number, end: number): ReadableStream {
  return Readable.toWeb(createReadStream(path, { start, end })) as ReadableStream;
}
