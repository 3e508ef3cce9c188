export { checkJson, readJsonFile } from './json-file.ts';
