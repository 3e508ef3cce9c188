/**
 * @file Coverage of the code under test, from V8 itself (`Profiler.takePreciseCoverage` of the inspector, in this process): which blocks ran
 * since the last look, and whether once, two or three times, or more often. Jazzer.js would instrument instead; its binary asks for glibc 2.38,
 * which Debian 12 does not have.
 */
import { Session } from 'node:inspector';

/** Sources whose blocks count: ours, and the packages that read files of strangers. */
const UNDER_TEST =
  /\/src\/|\/node_modules\/(?:hyparquet|hyparquet-compressors|yaml|@huggingface\/tokenizers)\//;

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Number of blocks with their counts that were seen so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** Blocks with their counts that ran since the last look. */
  look(): Set<string> {
    const ran = new Set<string>();
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      for (const { url, scriptId, functions } of result)
        if (UNDER_TEST.test(url))
          for (const { ranges } of functions)
            for (const { startOffset, endOffset, count } of ranges)
              if (count > 0)
                ran.add(`${scriptId}:${startOffset}:${endOffset}:${Math.min(2, 31 - Math.clz32(count))}`);
    });
    return ran;
  }

  /** Those of a look that no earlier one had; they are not new a second time. */
  fresh(): Set<string> {
    const fresh = new Set([...this.look()].filter((key) => !this.#seen.has(key)));
    for (const key of fresh) this.#seen.add(key);
    return fresh;
  }
}
