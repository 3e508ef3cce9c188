/** @file Preloaded by `sanitizers.mjs` into every process of the tests: the addon that was built with sanitizers in place of the other. */
const { basename } = require('node:path');

const sanitized = process.env.TWGRPO_SANITIZED_ADDON ?? '';
const dlopen = process.dlopen;
process.dlopen = (module, file, ...rest) =>
  dlopen.call(process, module, basename(file) === 'twgrpo.node' ? sanitized : file, ...rest);
