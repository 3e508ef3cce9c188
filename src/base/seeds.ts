/**
 * Seeds of the many random streams of a run, derived from the one in the configuration. A stream is named by
 * what it is for and where it is used (step, prompt), so a resumed run draws the same numbers without saved state.
 */

/** A seed in [0, 2^63) for one stream; the same names always give the same seed. */
export function deriveSeed(seed: number, ...names: readonly (string | number)[]): bigint {
  // FNV-1a over the names, then the finalizer of SplitMix64 so that neighbours differ in all bits.
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from([seed, ...names].join('\u0000'), 'utf8'))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  hash = BigInt.asUintN(64, (hash ^ (hash >> 30n)) * 0xbf58476d1ce4e5b9n);
  hash = BigInt.asUintN(64, (hash ^ (hash >> 27n)) * 0x94d049bb133111ebn);
  return BigInt.asUintN(63, hash ^ (hash >> 31n));
}
