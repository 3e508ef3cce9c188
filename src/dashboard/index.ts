export type { CompletionView, GroupView } from './api.ts';
export { clipOfFile, clipSheet, describeClip } from './clips.ts';
export { CompletionIndex } from './completion-index.ts';
export { reportFile } from './report-file.ts';
export type { RunData } from './run-data.ts';
export { runVerdict } from './run-verdict.ts';
export { type Dashboard, DEFAULT_PORT, startDashboard } from './server.ts';
export { visibleText } from './visible-text.ts';
export { Workspace } from './workspace.ts';
