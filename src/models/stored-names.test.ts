import { describe, expect, it } from 'vitest';
import { commonPrefix, examples, unwrapName } from './stored-names.ts';

describe('unwrapName', () => {
  it.each([
    ['model.layers.0.mlp.up_proj.weight', [], 'model.layers.0.mlp.up_proj.weight'],
    ['model.language_model.norm.weight', [], 'model.language_model.norm.weight'],
    ['model.visual.blocks.0.norm1.weight', [], 'model.visual.blocks.0.norm1.weight'],
    ['_orig_mod.visual.blocks.0.norm1.weight', ['_orig_mod.'], 'visual.blocks.0.norm1.weight'],
    ['module._orig_mod.lm_head.weight', ['_orig_mod.', 'module.'], 'lm_head.weight'],
    ['model.layers.0._orig_mod.mlp.up_proj.weight', ['_orig_mod.'], 'model.layers.0.mlp.up_proj.weight'],
    [
      '_fsdp_wrapped_module.model.layers.1._fsdp_wrapped_module._checkpoint_wrapped_module.mlp.up_proj.weight',
      ['_fsdp_wrapped_module.', '_fsdp_wrapped_module.', '_checkpoint_wrapped_module.'],
      'model.layers.1.mlp.up_proj.weight',
    ],
    ['base_model.model.model.norm.weight', ['base_model.model.'], 'model.norm.weight'],
    ['base_model.model.base_model.model.visual.x', ['base_model.model.', 'base_model.model.'], 'visual.x'],
    ['language_model.model.norm.weight', ['language_model.'], 'model.norm.weight'],
    ['language_model.lm_head.weight', ['language_model.'], 'lm_head.weight'],
    ['model.model.norm.weight', ['model.'], 'model.norm.weight'],
    ['actor.model.norm.weight', [], 'actor.model.norm.weight'],
  ])('%s', (key, wrappers, name) => {
    expect(unwrapName(key)).toEqual({ name, wrappers });
  });
});

describe('examples', () => {
  it('three of many, and what all begin with', () => {
    const names = [1, 2, 3, 4, 5].map((i) => `actor.model.layers.${i}.weight`);
    expect(examples(names)).toBe(
      'actor.model.layers.1.weight, actor.model.layers.2.weight, actor.model.layers.3.weight, and 2 more (all begin with "actor.model.layers.")',
    );
    expect(examples(['model.norm.weight'])).toBe('model.norm.weight');
    expect(commonPrefix(['model.a', 'modelling.a'])).toBe('');
  });
});
