/**
 * English verb forms, as far as questions about videos need them: from an inflected form back to the base form, which
 * do-support asks for ("who opened" -> "who did not open").
 *
 * Going back by spelling alone goes wrong too often (hoped and hopped, filled and files), so forms are made from a list of
 * base forms, where English spelling is regular, and looked up. A form that is not in the table is unknown, and
 * the grammar refuses rather than guesses.
 */

export type VerbForm = 'base' | 'third' | 'past' | 'participle' | 'ing';

/** Past and participle, where they are not base + ed. One form stands for both. */
const IRREGULAR: Readonly<Record<string, string>> = {
  be: 'was been',
  beat: 'beat beaten',
  become: 'became become',
  begin: 'began begun',
  bend: 'bent',
  bite: 'bit bitten',
  blow: 'blew blown',
  break: 'broke broken',
  bring: 'brought',
  build: 'built',
  burst: 'burst',
  buy: 'bought',
  catch: 'caught',
  choose: 'chose chosen',
  come: 'came come',
  cut: 'cut',
  deal: 'dealt',
  dig: 'dug',
  do: 'did done',
  draw: 'drew drawn',
  drink: 'drank drunk',
  drive: 'drove driven',
  eat: 'ate eaten',
  fall: 'fell fallen',
  feed: 'fed',
  feel: 'felt',
  fight: 'fought',
  find: 'found',
  fly: 'flew flown',
  forget: 'forgot forgotten',
  freeze: 'froze frozen',
  get: 'got',
  give: 'gave given',
  go: 'went gone',
  grow: 'grew grown',
  hang: 'hung',
  have: 'had',
  hear: 'heard',
  hide: 'hid hidden',
  hit: 'hit',
  hold: 'held',
  hurt: 'hurt',
  keep: 'kept',
  kneel: 'knelt',
  know: 'knew known',
  lay: 'laid',
  lead: 'led',
  leave: 'left',
  lend: 'lent',
  let: 'let',
  lie: 'lay lain',
  light: 'lit',
  lose: 'lost',
  make: 'made',
  mean: 'meant',
  meet: 'met',
  pay: 'paid',
  put: 'put',
  read: 'read',
  ride: 'rode ridden',
  ring: 'rang rung',
  rise: 'rose risen',
  run: 'ran run',
  say: 'said',
  see: 'saw seen',
  sell: 'sold',
  send: 'sent',
  set: 'set',
  shake: 'shook shaken',
  shine: 'shone',
  shoot: 'shot',
  show: 'showed shown',
  shut: 'shut',
  sing: 'sang sung',
  sink: 'sank sunk',
  sit: 'sat',
  sleep: 'slept',
  slide: 'slid',
  speak: 'spoke spoken',
  spend: 'spent',
  spin: 'spun',
  split: 'split',
  spread: 'spread',
  spring: 'sprang sprung',
  stand: 'stood',
  steal: 'stole stolen',
  stick: 'stuck',
  strike: 'struck',
  sweep: 'swept',
  swim: 'swam swum',
  swing: 'swung',
  take: 'took taken',
  teach: 'taught',
  tear: 'tore torn',
  tell: 'told',
  think: 'thought',
  throw: 'threw thrown',
  understand: 'understood',
  wake: 'woke woken',
  wear: 'wore worn',
  win: 'won',
  write: 'wrote written',
};

const REGULAR = `
  accelerate act add adjust affect aim allow answer appear approach arrange arrive ask attach attack bark bat bathe belong
  block boil bounce bow brush bump burn bury call capture caress carry cause celebrate change chase check chew clap clean
  clear climb close collapse collect collide combine communicate complete contain continue control cook correspond count
  cover crack crash crawl cross cry cuddle cycle dance decide decorate demonstrate depict describe destroy direct disappear
  dip display dive divide drag dress drop duck emerge empty encourage end enjoy enter escape examine exit explain explode
  express extend face fasten fill film finish fit fix flip float fold follow gather glide grab greet grip guide hand handle
  happen help hop hug illustrate imitate include increase indicate influence insert intersect interact introduce involve
  join joke juggle jump kick kill kiss knock land last laugh launch lean lick lift like listen live load lock look lower
  match measure melt mention mix motivate mount move need nod notice occur offer open operate order pack paint park pass
  paste pat pause pedal peel perform pet pick place plan plant play plug point polish pour practise prepare present press
  prevent produce prompt protect pull push raise reach react receive record reflect release remain remove repair repeat
  represent rescue respond rest return reveal roll rotate row rub rush save scare scatter score scratch scream serve share
  shave shift shout shovel sign skate ski skip slap slip slow smash smell smile smoke sniff snow solve spill splash spray
  squat squeeze stack stare start stay steer step stir stop store stretch struggle stumble succeed suggest support surprise
  surround swallow sway switch talk tap taste thank tickle tidy tie tilt topple toss touch trace train transfer trap travel
  trigger trip try turn twist unfold unlock unwrap use vanish visit wait walk wander want warn wash watch wave whisper wipe
  work wrap yawn yell
`;

/** Short verbs that double their last letter: stopped, stopping. */
const DOUBLING = new Set(
  `bat begin chat clap control cut dig dip drag drop fit flip get grab grip hit hop hug juggle let mix nod occur pat pet
  plan plug put rub run set shut sit skip slap slip spin split squat step stir stop swim tap transfer trap travel trip wrap
  unwrap win`
    .split(/\s+/)
    .filter((verb) => /[^aeiou][aeiou][bdglmnprtv]$/.test(verb)),
);

interface Found {
  readonly base: string;
  readonly forms: ReadonlySet<VerbForm>;
}

const TABLE: ReadonlyMap<string, Found> = makeTable();

function makeTable(): Map<string, Found> {
  const table = new Map<string, { base: string; forms: Set<VerbForm> }>();
  const add = (text: string, base: string, form: VerbForm): void => {
    const known = table.get(text);
    // Where two verbs share a form ("lay", "found"), the one listed first has it, unless the other is its own base.
    if (known === undefined) table.set(text, { base, forms: new Set([form]) });
    else if (known.base === base) known.forms.add(form);
    else if (form === 'base') table.set(text, { base, forms: new Set([form]) });
  };
  const regular = REGULAR.trim().split(/\s+/);
  for (const base of [...Object.keys(IRREGULAR), ...regular]) {
    add(base, base, 'base');
    add(thirdPerson(base), base, 'third');
    add(ingForm(base), base, 'ing');
    const [past, participle = past] = (IRREGULAR[base] ?? edForm(base)).split(' ');
    add(past!, base, 'past');
    add(participle!, base, 'participle');
  }
  table.set('were', { base: 'be', forms: new Set(['past']) });
  return table;
}

function thirdPerson(base: string): string {
  if (base === 'have') return 'has';
  if (base === 'be') return 'is';
  if (/[^aeiou]y$/.test(base)) return `${base.slice(0, -1)}ies`;
  return /(?:[sxz]|ch|sh|o)$/.test(base) ? `${base}es` : `${base}s`;
}

function edForm(base: string): string {
  if (base.endsWith('e')) return `${base}d`;
  if (/[^aeiou]y$/.test(base)) return `${base.slice(0, -1)}ied`;
  return `${DOUBLING.has(base) ? base + base.at(-1)! : base}ed`;
}

function ingForm(base: string): string {
  if (base.endsWith('ie')) return `${base.slice(0, -2)}ying`;
  if (base.endsWith('e') && !/(?:[eoy]e|^be)$/.test(base)) return `${base.slice(0, -1)}ing`;
  return `${DOUBLING.has(base) ? base + base.at(-1)! : base}ing`;
}

/** Base form and possible forms of a word in small letters; undefined when the word is not in the table. */
export function lookUpVerb(word: string): Found | undefined {
  return TABLE.get(word);
}

/** The base form of a word that may be a verb form, else the word itself: for comparing texts. */
export function stem(word: string): string {
  return TABLE.get(word)?.base ?? word;
}
