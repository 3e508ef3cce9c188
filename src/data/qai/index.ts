export { type InvertOptions, invertItems, type QaiProvenance, type QaiReport } from './invert.ts';
export {
  CONTRACTIONS,
  type Contractions,
  type Negation,
  negateQuestion,
  REFUSALS,
  type Refusal,
} from './negation.ts';
export { OPTION_REFUSALS, type OptionRefusal } from './options-check.ts';
export { PythonRandom } from './python-random.ts';
export {
  invertReference,
  invertReferenceFile,
  REFERENCE_SETS,
  type ReferenceRecord,
  type ReferenceReport,
  type ReferenceSet,
} from './reference.ts';
