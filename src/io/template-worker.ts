/**
 * The thread in which chat templates are parsed and rendered: one template after another, each answered with its text or what is wrong
 * with it. See `template-thread.ts`.
 */
import { type MessagePort, workerData } from 'node:worker_threads';
import { Template } from '@huggingface/jinja';

/** A template, and the variables it is rendered with; without them it is only parsed. */
export interface TemplateJob {
  readonly source: string;
  readonly variables?: Readonly<Record<string, unknown>>;
}

export type TemplateAnswer = { readonly text: string } | { readonly problem: string };

export interface TemplateThreadData {
  readonly port: MessagePort;
  /** One 32-bit number, counted up with every answer, the first when the thread is ready. */
  readonly answered: Int32Array;
  /** Characters of a rendered text at most. */
  readonly maxCharacters: number;
}

const { port, answered, maxCharacters } = workerData as TemplateThreadData;
let last: { readonly source: string; readonly template: Template } | undefined;

port.on('message', (job: TemplateJob) => answer(run(job)));
count();

function run({ source, variables }: TemplateJob): TemplateAnswer {
  try {
    if (last?.source !== source) last = { source, template: new Template(source) };
    const text = variables === undefined ? '' : last.template.render({ ...variables });
    return text.length > maxCharacters
      ? { problem: `it gives ${text.length} characters, more than ${maxCharacters}` }
      : { text };
  } catch (error) {
    return {
      problem: error instanceof RangeError ? `too deep or too long: ${error.message}` : messageOf(error),
    };
  }
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 2000);
}

function answer(value: TemplateAnswer): void {
  port.postMessage(value);
  count();
}

function count(): void {
  Atomics.add(answered, 0, 1);
  Atomics.notify(answered, 0);
}
