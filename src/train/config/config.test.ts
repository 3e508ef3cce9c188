import { expect, it } from 'vitest';
import { resolveGrpoConfig } from './config.ts';
import { resolveSftConfig } from './sft-config.ts';

const PATHS = { model_name_or_path: 'm', jsonl_path: 'd', output_dir: 'o' };

it('values under a former name are read, and a notice names the layer', () => {
  const { config, notices } = resolveGrpoConfig([
    { source: 'old.yaml', values: { ...PATHS, loss_type: 'tw_grpo', token_weight: 'reference' } },
    { source: '--set', values: { answer_parser: 'reference', video: 'reference' } },
  ]);
  expect(config).toMatchObject({ token_weight: 'authors', answer_parser: 'authors', video: 'authors' });
  expect(notices).toEqual([
    'old.yaml: token_weight: reference is called authors now; the former name goes with the next version',
    '--set: answer_parser: reference is called authors now; the former name goes with the next version',
    '--set: video: reference is called authors now; the former name goes with the next version',
  ]);
  const sft = resolveSftConfig([{ source: 's', values: { ...PATHS, video: 'reference_eval' } }]);
  expect(sft.config.video).toBe('authors_eval');
  expect(sft.notices).toHaveLength(1);
});
