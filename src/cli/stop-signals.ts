/** The first signal ends a command's present part and saves; the second ends the process. */
import { EXIT_CODES, type Output } from '../base/index.ts';

export interface StopSignals {
  readonly signal: AbortSignal;
  /** 0 when nothing arrived, else 130 or 143. @param other the signal that another process of the run got */
  readonly exitCode: (other?: string | undefined) => number;
  /** Stops listening. */
  readonly off: () => void;
}

/**
 * Aborts at the first SIGINT or SIGTERM, so that the run ends its step and saves; a second one ends the process.
 * @param part what is finished first, in the words shown
 */
export function stopSignals(out: Output, part = 'step'): StopSignals {
  const controller = new AbortController();
  let received: 'SIGINT' | 'SIGTERM' | undefined;
  const listen = (name: 'SIGINT' | 'SIGTERM') => () => {
    if (received !== undefined)
      process.exit(name === 'SIGINT' ? EXIT_CODES.interrupted : EXIT_CODES.terminated);
    received = name;
    out.status(`${name}: finishing this ${part} and saving; once more to stop at once`);
    controller.abort(name);
  };
  const [onInt, onTerm] = [listen('SIGINT'), listen('SIGTERM')];
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    exitCode: (other) => {
      const name = received ?? other;
      if (name === undefined) return EXIT_CODES.done;
      return name === 'SIGINT' ? EXIT_CODES.interrupted : EXIT_CODES.terminated;
    },
    off: () => {
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
    },
  };
}
