import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CHECKPOINTS,
  checkpointDir,
  freeAfterwards,
  loadGoldenModel,
  promptInputs,
  readPrompts,
} from '../../tests/support/model-goldens.ts';
import {
  bannedTokenIds,
  type EncodedPrompt,
  openModelFolder,
  type VideoLanguageModel,
  visionTokenIds,
} from '../models/index.ts';
import { Generator, liveTensors, scope } from '../tensor/index.ts';
import { type GeneratedToken, generateGroup, generateGroups } from './generate.ts';

const STOP = 480;

function encode(model: VideoLanguageModel, title: string, name = 'qwen2-5-vl'): EncodedPrompt {
  const golden = readPrompts(name)[title]!;
  const prompt = scope(() => model.encode(promptInputs(golden, model.config)));
  freeAfterwards(() => prompt.dispose());
  return prompt;
}

describe('greedy tokens equal transformers', () => {
  it.each(CHECKPOINTS)('%s', async (name) => {
    const model = loadGoldenModel(name);
    const goldens = readPrompts(name);
    for (const [title, golden] of Object.entries(goldens)) {
      const [completion] = await generateGroup(model, encode(model, title, name), {
        num_generations: 1,
        max_completion_length: golden.greedy_ids.length,
        stop_token_ids: [],
        banned_token_ids: [...visionTokenIds(model.config), 491],
        greedy: true,
        generator: new Generator(0),
      });
      expect([title, completion!.ids]).toEqual([title, golden.greedy_ids]);
      expect(completion!.finish_reason).toBe('length');
    }
  });
});

describe('groups', () => {
  const model = loadGoldenModel('qwen2-5-vl');
  const titles = ['one video', 'single slice', 'two images', 'text only'];
  const prompts = titles.map((title) => encode(model, title));
  const sampling = { num_generations: 5, max_completion_length: 12, temperature: 1.3, top_k: 60 };
  // Stop ids that random rows meet soon, so that they end at different times.
  const stop_token_ids = [STOP, ...Array.from({ length: 60 }, (_, i) => i * 8)];
  let live = 0;
  beforeAll(() => {
    live = liveTensors();
  });
  afterAll(() => expect(liveTensors()).toBe(live));

  const generators = () => prompts.map((_, i) => new Generator(100 + i));

  it('log-probabilities are those of scoring, whatever the sampling', async () => {
    for (const extra of [{}, { top_p: 0.7, min_p: 0.05, repetition_penalty: 1.2 }]) {
      for (const prompt of prompts) {
        const group = await generateGroup(model, prompt, {
          ...sampling,
          ...extra,
          stop_token_ids,
          generator: new Generator(5),
        });
        const scored = model.completionLogps(
          prompt,
          group.map(({ ids }) => ids),
        );
        group.forEach(({ logps }, row) => {
          expect([...logps]).toBeAllclose(scored[row], { rtol: 0, atol: 1e-4 });
        });
      }
    }
  });

  it('a batch of unequal prompts equals one by one', async () => {
    const together = await generateGroups(model, prompts, {
      ...sampling,
      stop_token_ids,
      generators: generators(),
    });
    for (const [i, prompt] of prompts.entries()) {
      const alone = await generateGroup(model, prompt, {
        ...sampling,
        stop_token_ids,
        generator: generators()[i]!,
      });
      expect(together[i]!.map(({ ids }) => ids)).toEqual(alone.map(({ ids }) => ids));
      together[i]!.forEach(({ logps }, row) => {
        expect([...logps]).toBeAllclose([...alone[row]!.logps], { rtol: 0, atol: 1e-5 });
      });
    }
    const lengths = together.flat().map(({ ids }) => ids.length);
    expect(new Set(lengths).size).toBeGreaterThan(3); // rows did leave at different times
  });

  it('a row does not notice that others stop', async () => {
    const options = { ...sampling, generator: new Generator(8) };
    const free = await generateGroup(model, prompts[0]!, { ...options, stop_token_ids: [] });
    const stopping = await generateGroup(model, prompts[0]!, {
      ...options,
      stop_token_ids,
      generator: new Generator(8),
    });
    stopping.forEach(({ ids, finish_reason }, row) => {
      expect(ids).toEqual(free[row]!.ids.slice(0, ids.length));
      expect(finish_reason).toBe(stop_token_ids.includes(ids.at(-1)!) ? 'stop' : 'length');
      for (const id of ids.slice(0, -1)) expect(stop_token_ids).not.toContain(id);
    });
  });

  it('greedy rows of a group are the single run, G times', async () => {
    const options = {
      max_completion_length: 9,
      stop_token_ids: [],
      greedy: true,
      generator: new Generator(0),
    };
    const [single] = await generateGroup(model, prompts[0]!, { ...options, num_generations: 1 });
    const group = await generateGroup(model, prompts[0]!, { ...options, num_generations: 8 });
    for (const { ids } of group) expect(ids).toEqual(single!.ids);
  });

  it('the same seed gives the same bits, another seed other tokens', async () => {
    const run = (seed: number) =>
      generateGroup(model, prompts[0]!, { ...sampling, stop_token_ids, generator: new Generator(seed) });
    const [a, b, c] = [await run(1), await run(1), await run(2)];
    expect(b).toEqual(a);
    expect(c.map(({ ids }) => ids)).not.toEqual(a.map(({ ids }) => ids));
  });

  it('grows past a block of the cache', async () => {
    const options = { num_generations: 2, max_completion_length: 140, stop_token_ids: [] };
    const group = await generateGroup(model, prompts[3]!, { ...options, generator: new Generator(4) });
    const scored = model.completionLogps(
      prompts[3]!,
      group.map(({ ids }) => ids),
    );
    group.forEach(({ ids, logps }, row) => {
      expect(ids.length).toBe(140);
      expect([...logps]).toBeAllclose(scored[row], { rtol: 0, atol: 1e-4 });
    });
  });

  it('streams every token in order, and never a banned one', async () => {
    const tokens: GeneratedToken[] = [];
    const group = await generateGroup(model, prompts[1]!, {
      ...sampling,
      stop_token_ids,
      generator: new Generator(6),
      on_token: (token) => tokens.push(token),
    });
    group.forEach(({ ids }, row) => {
      const own = tokens.filter((token) => token.row === row);
      expect(own.map(({ id }) => id)).toEqual(ids);
      expect(own.map(({ index }) => index)).toEqual([...ids.keys()]);
      for (const id of visionTokenIds(model.config)) expect(ids).not.toContain(id);
    });
  });

  it('bans what text cannot hold, and never a stop token', () => {
    const folder = openModelFolder(checkpointDir('qwen2-5-vl'));
    const { stop_token_ids: stops, banned_token_ids: banned, generation } = folder;
    const { tokenizer } = folder.processor;
    expect(stops).toEqual([tokenizer.tokenId('<|im_end|>'), tokenizer.tokenId('<|endoftext|>')]);
    for (const name of ['<|vision_pad|>', '<|video_pad|>', '<|image_pad|>', '<|vision_start|>'])
      expect(banned).toContain(tokenizer.tokenId(name));
    // Rows of the embedding that no token has.
    for (let id = tokenizer.size; id < 512; id++) expect(banned).toContain(id);
    expect(banned.filter((id) => id < tokenizer.size).length).toBe(5);
    const other = { ...generation, eos_token_ids: [], pad_token_id: 3 };
    expect(bannedTokenIds(folder.processor, other)).toContain(3);
    expect(generation.pad_token_id).toBe(stops[1]);
  });

  it('stops when told to, and frees what it made', async () => {
    const controller = new AbortController();
    const run = generateGroup(model, prompts[0]!, {
      ...sampling,
      stop_token_ids: [],
      generator: new Generator(0),
      signal: controller.signal,
      on_token: ({ index }) => index === 3 && controller.abort(new Error('enough')),
    });
    await expect(run).rejects.toThrow('enough');
  });

  it('refuses options out of range', async () => {
    const options = { ...sampling, stop_token_ids, generator: new Generator(0) };
    await expect(generateGroup(model, prompts[0]!, { ...options, num_generations: 0 })).rejects.toThrow(
      'num_generations: expected a whole number of at least 1, got 0',
    );
    await expect(generateGroups(model, prompts, { ...options, generators: [] })).rejects.toThrow(
      'one generator a prompt',
    );
  });
});
