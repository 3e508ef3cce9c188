export { type Panel, type PanelLine, panelChart } from './panel-chart.ts';
export { controlText, writeReport } from './report.ts';
export {
  type AnswerFigures,
  type ControlRun,
  evaluationReport,
  logReport,
  type ReportContent,
} from './report-content.ts';
export { OUTCOMES, type Outcome, type SampleAnswers, sampleAnswers, splitAnswer } from './sample-answers.ts';
export { COLORS } from './svg.ts';
export { pText, type TrainingPage, trainingPage } from './training-page.ts';
export { readTrainingRun, type TrainingRun, wordsOf } from './training-run.ts';
export { type ReportedSet, writeWorldReport } from './world-report.ts';
