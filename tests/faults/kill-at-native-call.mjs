/** @file Imported before a command: counts the calls of the native addon, and kills the process group before the one that is named. */
const wanted = Number(process.env['TWGRPO_KILL_AT_NATIVE_CALL']);
const open = process.dlopen;
let count = 0;

process.dlopen = (/** @type {{ exports: Record<string, unknown> }} */ module, ...rest) => {
  open.call(process, module, .../** @type {[string]} */ (rest));
  for (const [name, native] of Object.entries(module.exports)) {
    if (typeof native !== 'function') continue;
    module.exports[name] = (/** @type {unknown[]} */ ...given) => {
      if (++count === wanted) process.kill(0, 'SIGKILL');
      return native(...given);
    };
  }
};

// With 0 nothing is killed, and the number of calls is told.
process.on('exit', () => {
  if (wanted === 0) process.stderr.write(`native calls: ${count}\n`);
});
