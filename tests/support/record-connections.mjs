/** @file Preloaded into a process: every connection that it opens, also one that fails and is kept quiet about, is a line of a file. */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';

const file = process.env['TWGRPO_TEST_CONNECTIONS'] ?? '';
subscribe('net.client.socket', () => appendFileSync(file, `${new Error('a connection').stack}\n`));
