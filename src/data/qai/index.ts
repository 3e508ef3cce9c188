export {
  AUTHORS_SETS,
  type AuthorsRecord,
  type AuthorsReport,
  type AuthorsSet,
  invertFileLikeAuthors,
  invertLikeAuthors,
} from './authors.ts';
export { type InvertOptions, invertItems, type QaiProvenance, type QaiReport } from './invert.ts';
export {
  CONTRACTIONS,
  type Contractions,
  type Negation,
  negateQuestion,
  type Refusal,
} from './negation.ts';
export type { OptionRefusal } from './options-check.ts';
